"""The sweeps that ship: every file is sound and says what the papers' tables say."""

import json
import re
from pathlib import Path

import pytest

from training.studies import sweep, sweep_compared, sweep_scores
from training.studies.infomax_form import EQUATION_4, infomax_form
from zoo.sampling import latents
from zoo.schema import registry

PUBLISHED = Path(__file__).parents[2] / "published"
INFOMAX, CONTRAGAN = (
    json.loads((PUBLISHED / f"{name}_paper.json").read_text(encoding="utf-8")) for name in ("infomax_gan", "contragan")
)


@pytest.mark.parametrize("name", sweep.names())
def test_a_sweep_is_sound(name):
    whole = sweep.load(name)
    assert whole.name == name
    assert whole.source.startswith(("InfoMax-GAN (arXiv 2007.04589), ", "ContraGAN (arXiv 2006.12681), "))
    for paper in (False, True):
        planned = whole.runs(paper)  # every config is valid
        assert len({run.id for run in planned}) == len(planned)
        assert len({(run.config.to_json(), run.seed, run.classes) for run in planned}) == len(planned)
    assert all(run.config.data.resolution <= 48 for run in whole.runs())
    assert {run.config.training.steps for run in whole.runs(smallest=True)} == {10}
    assert whole.small.note
    for run in whole.runs(paper=True):  # trained as the recipe says but for what is varied
        recipe = registry.config(run.config.name).training
        assert (run.config.training.steps, run.config.training.precision) in {
            (recipe.steps, recipe.precision),
            (registry.config(run.config.name).as_paper().training.steps, recipe.precision),
        }


def numbers(name):
    return {tuple(p.where.values()): (p.value, p.std) for p in sweep.load(name).printed if p.metric == "fid"}


def test_table_1_and_2_of_infomax_gan():
    """All of both tables: CIFAR-10 in one sweep, the other four data sets in another."""
    sweeps, seen = [sweep.load(name) for name in ("infomax-comparison", "infomax-datasets")], 0
    for table in ("table_1", "table_2"):
        for row in INFOMAX[table]["rows"]:
            whole = sweeps[row["dataset"] != "CIFAR-10"]
            for method in set(whole.axes["method"]) & set(row):
                cell = whole.cell({"method": method, "dataset": row["dataset"]}, row["metric"].lower())
                assert (cell.value, cell.std) == (row[method]["mean"], row[method]["std"])
                seen += 1
    assert seen == 5 * (9 + 2)
    names = {run.where["dataset"]: run.config.name for run in sweeps[1].runs(paper=True)}
    assert {name.split("/")[1] for name in names.values()} == {"imagenet128", "celeba128", "stl10", "cifar100"}


@pytest.mark.parametrize("dataset", ["CIFAR-10", "STL-10"])
def test_table_3_of_infomax_gan(dataset):
    found, expected = numbers(f"infomax-stability-{dataset.lower().replace('-', '')}"), {}
    for row in INFOMAX["table_3"]["rows"]:
        for method, cell in row[dataset].items():
            betas = f"{row['beta1']:g}, {row['beta2']:g}"
            expected[method, betas, str(row["n_dis"])] = cell["mean"], cell["std"]
    assert found == expected


def test_table_4_and_appendix_a5_of_infomax_gan():
    rows = INFOMAX["table_4"]["rows"]
    assert numbers("infomax-dimension") == {(str(row["R"]),): (row["FID"]["mean"], row["FID"]["std"]) for row in rows}
    a5 = INFOMAX["ablations_a5"]
    for name, part, cells in (
        (
            "infomax-features",
            "position_of_feature_maps",
            {"local-global": "local_global_FID", "local-local": "local_local_FID"},
        ),
        (
            "infomax-critics",
            "spectral_norm_on_critics",
            {"spectral norm": "with_FID", "no spectral norm": "without_FID"},
        ),
    ):
        assert numbers(name) == {(k,): (a5[part][v]["mean"], a5[part][v]["std"]) for k, v in cells.items()}


def test_tables_of_contragan():
    expected = {
        (f"{row['backbone']}, {method}",): (row[method]["mean"], row[method]["spread"])
        for row in CONTRAGAN["table_1"]["rows"]
        if row["dataset"] == "CIFAR10"
        for method in ("ACGAN", "cGAN", "ContraGAN")
    }
    assert numbers("contragan-comparison") == expected
    (tiny,) = [row for row in CONTRAGAN["table_1"]["rows"] if row["dataset"] == "Tiny ImageNet"]
    assert numbers("contragan-tiny") == {(m,): (tiny[m]["mean"], None) for m in ("ACGAN", "cGAN", "ContraGAN")}
    second = {
        (row["dataset"], method): (row[method]["own"], None)
        for row in CONTRAGAN["table_2"]["rows"]
        for method in ("SNResGAN", "SAGAN", "BigGAN", "ContraGAN")
        if row[method]["own"]
    }
    assert numbers("contragan-backbones") == second
    found = {option[0][0]: value for option, (value, _) in numbers("contragan-regularizers").items()}
    assert found == {row["id"]: row["FID"] for row in CONTRAGAN["table_3"]["rows"]}
    models = {run.where["column"][0]: run.config for run in sweep.load("contragan-regularizers").runs(paper=True)}
    for row in CONTRAGAN["table_3"]["rows"]:
        training = models[row["id"]].training
        assert training.batch_size == row["batch"]
        assert (training.conditioning.type == "contrastive") == row["2C"]
        kinds = {part.type for part in training.regularizers}
        assert ("augmented-positives" in kinds, "consistency" in kinds) == (row["APS"], row["CR"])


def test_what_a_sweep_varies_and_nothing_else():
    alphas = {
        run.where["alpha"]: run.config for run in sweep.load("infomax-weights").runs() if run.where["beta"] == "0.2"
    }
    assert {name: config.training.auxiliary[0].alpha for name, config in alphas.items()} == {"0.0": 0, "0.2": 0.2}
    assert alphas["0.0"] == alphas["0.2"].updated({"training.auxiliary.0.alpha": 0.0})
    shares = {run.where["classes"]: run for run in sweep.load("contragan-classes").runs(paper=True)}
    assert {name: (run.classes, run.config.num_classes) for name, run in shares.items()} == {
        "25 %": (50, 50),
        "50 %": (100, 100),
        "75 %": (150, 150),
        "100 %": (None, 200),
    }


@pytest.mark.parametrize("paper", [False, True])
@pytest.mark.parametrize("name", sweep.names())
def test_compared_runs_differ_in_what_is_compared_alone(name, paper):
    """No field differs but those that an option sets, and those that the comparison names."""
    assert sweep_compared.undeclared(sweep.load(name), paper) == {}


def test_a_difference_that_nothing_declares_is_found():
    whole = sweep.load("infomax-comparison")
    without = whole.model_copy(update={"comparisons": ()})
    assert "discriminator.rotation_head" in sweep_compared.undeclared(without, True)
    part = whole.comparisons[0].model_copy(update={"among": {"method": ("SNGAN", "SSGAN")}})
    left_out = sweep_compared.undeclared(whole.model_copy(update={"comparisons": (part,)}), True)
    assert set(left_out) == {"method InfoMax-GAN", "method SSGAN + IM"}
    released = whole.model_copy(update={"paper": whole.paper.model_copy(update={"as_paper": False})})
    assert set(sweep_compared.undeclared(released, True)) == {"discriminator.head_iterates_in_eval"}


@pytest.mark.parametrize("name", [name for name in sweep.names() if "classes" in sweep.load(name).metrics])
def test_scores_of_each_class_get_images_of_each(name):
    """At every size: labels are drawn, and a class without images ends the run at its scores."""
    whole = sweep.load(name)
    for paper, smallest in ((False, False), (True, False), (True, True)):
        for classes in {run.config.num_classes for run in whole.runs(paper, smallest)}:
            count = sweep_scores.num_fake_of(whole.size(paper, smallest), whole.metrics, classes)
            assert len(latents.labels(0, 0, count, classes).unique()) == classes


@pytest.mark.parametrize("name", [name for name in sweep.names() if name.startswith("infomax-")])
def test_the_paper_size_of_infomax_gan_is_that_of_its_equation(name):
    whole = sweep.load(name)
    forms = {infomax_form(run.config) for run in whole.runs(paper=True)}
    assert forms - {""} == {EQUATION_4}
    for run in whole.runs(paper=True):
        assert run.config.generator.upsample == "nearest"  # Tables 7 to 9
    if "kid" in whole.metrics:  # appendix A.3
        words = sweep_scores.in_words(whole, whole.paper, whole.runs(paper=True)[0].config)
        assert "FID of 10,000 generated images, KID of 50,000 generated images" in words


@pytest.mark.parametrize("name", sweep.names())
def test_a_run_is_named_by_what_is_trained(name):
    """An option that names a batch, or an axis of batches, is right at both sizes."""
    for paper in (False, True):
        for run in sweep.load(name).runs(paper):
            for number in re.findall(r"batch (\d+)", run.label):
                assert run.config.training.batch_size == int(number), run.label
