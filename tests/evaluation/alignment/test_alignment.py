"""`zoo align`: planted permutations are found and undone, kept where they hold, and refused in one line."""

import builtins
import json
import shutil

import numpy as np
import pytest
import torch
from narrow import short, tiny
from pydantic import ValidationError
from relabel import permuted

import zoo
from training.run.trainer import Options, train
from zoo import datasets, nets
from zoo.checkpoints import cache, weights
from zoo.common import files
from zoo.common.errors import ConfigError, LabelError, ZooError
from zoo.evaluation.alignment import classifiers, judges
from zoo.release.export import export_folder
from zoo.sampling.gan import GAN
from zoo.schema import config_files, registry
from zoo.schema.label_alignment import PERMUTED, RIGHT, UNKNOWN, LabelAlignment, percent
from zoo.schema.labels import doubt

ORDER = [3, 0, 4, 1, 9, 5, 8, 7, 2, 6]  # of the labels of a permuted model; 5 and 7 stay
CLEAR = ["contragan/digits", "biggan/cifar10-small", "contragan-snresgan/cifar10"]  # each class by one label
SMALL = ["contragan/cifar10-small"]  # some labels of which draw mixtures


@pytest.fixture(scope="module")
def digits():
    return zoo.load("contragan/digits", device="cpu")


@pytest.fixture(scope="module")
def found(digits):
    """What was measured of the digits with permuted labels."""
    return zoo.align(permuted(digits, ORDER), 30)


@pytest.fixture
def run(tmp_path, digits):
    """A run folder whose labels are permuted."""
    return _as_run(permuted(digits, ORDER), tmp_path / "run")


def _as_run(model: GAN, folder):
    config = model.config.model_copy(update={"weights": (), "default_tag": None, "published": ()})
    return export_folder(GAN(config, model.generator, device="cpu"), folder)


# ---------------------------------------------------------------------------------------------------- what is found


@pytest.mark.parametrize("name", CLEAR)
def test_a_planted_permutation_is_found_and_undone(name):
    """For every conditional architecture that has small weights: what a class draws is what it drew before."""
    model = zoo.load(name, device="cpu")
    as_it_was, model.alignment = model.alignment, None  # of labels as they were trained
    other = permuted(model, ORDER)
    now = zoo.align(other, 24)
    assert now.verdict == PERMUTED
    assert [as_it_was.assignment[i] for i in ORDER] == list(now.assignment)
    model.alignment, other.alignment = as_it_was, now
    assert torch.equal(other.sample(10, "all", seed=2).uint8, model.sample(10, "all", seed=2).uint8)


@pytest.mark.parametrize("name", SMALL)
def test_a_planted_permutation_costs_no_accuracy(name):
    model = zoo.load(name, device="cpu")
    model.alignment = None
    before, now = zoo.align(model, 30), zoo.align(permuted(model, ORDER), 30)
    assert (before.verdict, now.verdict) == (RIGHT, PERMUTED)
    assert now.accuracy_asked < 0.2 < before.accuracy_asked <= now.accuracy_assigned


@pytest.mark.parametrize("name", ["sngan-pd/cifar10", "contragan-sndcgan/cifar10", "contragan/cifar10"])
def test_permuting_labels_is_what_the_helper_does(name):
    config = tiny(registry.config(name))
    model = GAN(config, nets.build_generator(config.generator), device="cpu")
    z = model.latents(10, 0)
    assert torch.equal(permuted(model, ORDER).generate(z, list(range(10))), model.generate(z, ORDER))


@pytest.mark.parametrize("name", ["contragan/digits", "biggan/cifar10-small"])
def test_right_labels_are_called_right(name):
    found = zoo.align(name, 30, seed=3)
    assert (found.verdict, found.assignment) == (RIGHT, tuple(range(10)))
    assert found.accuracy_asked == found.accuracy_assigned > 0.35
    assert "right" in str(found)


def test_labels_without_meaning_cannot_be_told_apart():
    config = registry.config("contragan/digits")
    generator = nets.build_generator(config.generator)
    torch.nn.init.zeros_(generator.embedding.weight)
    found = zoo.align(GAN(config, generator, device="cpu"), 20)
    assert (found.verdict, found.assignment) == (UNKNOWN, tuple(range(10)))


def test_the_numbers_are_those_of_the_images(digits, found):
    model = permuted(digits, ORDER)
    images = model.sample(300, "all", seed=0, labels="trained")
    seen = classifiers.of_digits().scores(images.uint8).argmax(dim=1)
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (images.labels.numpy(), seen.numpy()), 1)
    assert np.array_equal(found.confusion, counts)
    assert found.accuracy_asked == pytest.approx(float((seen == images.labels).float().mean()), abs=1e-6)
    assert found.accuracy_assigned > 0.98
    assert found.accuracy_asked_interval[0] < found.accuracy_asked < found.accuracy_asked_interval[1]
    assert found.classifier_accuracy == pytest.approx(0.967, abs=0.01), "published for this classifier on the digits"


def test_classes_that_no_label_draws_and_mixtures_are_named():
    confusion = [[60, 40, 0], [90, 5, 5], [0, 60, 40]]
    found = LabelAlignment(
        assignment=(1, 0, 2),
        verdict=PERMUTED,
        accuracy_asked=0.35,
        accuracy_asked_interval=(0.3, 0.4),
        accuracy_assigned=170 / 300,
        accuracy_assigned_interval=(0.5, 0.7),
        chance=0.4,
        confusion=confusion,
        images_per_class=100,
        seed=0,
        classifier="by hand",
    )
    assert (found.undrawn_classes, found.mixed_labels) == ((2,), ())
    assert found.model_copy(update={"confusion": ((40, 35, 25), *found.confusion[1:])}).mixed_labels == (0,)
    assert found.label_of == (1, 0, 2)
    with pytest.raises(ValueError, match="permutation"):
        LabelAlignment(**found.model_dump() | {"assignment": (0, 0, 2)})
    with pytest.raises(ValueError, match="does not fit"):
        LabelAlignment(**found.model_dump() | {"verdict": RIGHT})


# ------------------------------------------------------------------------------------------------- what heeds it


def test_sampling_draws_the_class_that_is_named(digits, found):
    model = permuted(digits, ORDER)
    model.alignment = found
    assert model.label_map == found.assignment == tuple(ORDER)
    expected = digits.sample(6, label=3, seed=1).uint8
    for label in (3, "3", [3] * 6, torch.full((6,), 3)):
        images = model.sample(6, label, seed=1)
        assert torch.equal(images.uint8, expected)
        assert images.labels.tolist() == [3] * 6
    assert torch.equal(model.sample(20, "all", seed=1).uint8, digits.sample(20, "all", seed=1).uint8)
    parts = list(model.stream(20, "all", seed=1, batch_size=7))
    assert torch.equal(torch.cat([part.uint8 for part in parts]), digits.sample(20, "all", seed=1).uint8)
    assert torch.equal(model.interpolate(0, 1, 4, label="7").uint8, digits.interpolate(0, 1, 4, label="7").uint8)


def test_labels_as_trained_and_raw_generation_are_never_mapped(digits, found):
    model, plain = permuted(digits, ORDER), permuted(digits, ORDER)
    model.alignment = found
    assert torch.equal(model.sample(4, 3, seed=1, labels="trained").uint8, plain.sample(4, 3, seed=1).uint8)
    assert model.sample(4, 3, seed=1, labels="trained").labels.tolist() == [3] * 4
    z = model.latents(4, 1)
    assert torch.equal(model.generate(z, 3), plain.generate(z, 3))
    assert torch.equal(model.generate(z, model.trained_labels("3", 4)), plain.generate(z, found.label_of[3]))
    with pytest.raises(LabelError, match='"aligned" or "trained"'):
        model.sample(1, labels="straight")


def test_without_a_class_the_images_stay_and_say_what_they_show(digits, found):
    """An alignment changes no picture that nobody asked a class of; drawn classes can be asked for again."""
    model, plain = permuted(digits, ORDER), permuted(digits, ORDER)
    model.alignment = found
    drawn = model.sample(40, seed=9)
    assert torch.equal(drawn.uint8, plain.sample(40, seed=9).uint8)
    assert drawn.labels.tolist() == [ORDER[y] for y in plain.sample(40, seed=9).labels]
    assert torch.equal(model.sample(40, drawn.labels, seed=9).uint8, drawn.uint8)
    seen = classifiers.of_digits().scores(drawn.uint8).argmax(dim=1)
    assert (seen == drawn.labels).float().mean() > 0.95
    first = model.interpolate(4, 5, 3)
    assert first.labels.tolist() == [int(model.drawn_labels(1, 4))] * 3
    assert torch.equal(first.uint8, plain.interpolate(4, 5, 3).uint8)


def test_files_hold_the_classes_that_they_show(run, tmp_path, command):
    assert command("align", run, "-n", "30", "-q").returncode == 0
    for labels, expected in (("aligned", 3), ("trained", ORDER[3])):
        out = tmp_path / f"{labels}.npz"
        options = ("-n", "20", "--label", "3", "--seed", "0", "--labels", labels, "-o", out, "-q")
        assert command("sample", run, *options).returncode == 0
        with np.load(out) as file:
            seen = classifiers.of_digits().scores(torch.from_numpy(file["images"]).permute(0, 3, 1, 2)).argmax(dim=1)
            assert file["labels"].tolist() == [3] * 20
        assert (seen == expected).float().mean() > 0.9
    drawn = tmp_path / "drawn.npz"
    assert command("sample", run, "-n", "20", "--seed", "4", "-o", drawn, "-q").returncode == 0
    with np.load(drawn) as file:
        assert file["labels"].tolist() == zoo.load(run).sample(20, seed=4).labels.tolist()


def test_an_output_of_other_labels_is_not_gone_on_with(run, tmp_path, command):
    out = tmp_path / "images"
    assert command("sample", run, "-n", "20", "--label", "3", "--seed", "0", "-o", f"{out}/", "-q").returncode == 0
    assert command("align", run, "-n", "30", "-q").returncode == 0
    result = command("sample", run, "-n", "20", "--label", "3", "--seed", "0", "-o", f"{out}/", "-q")
    assert result.returncode == 1
    assert "label map" in result.stderr


# --------------------------------------------------------------------------------------------------- where it is kept


def test_a_run_keeps_it_and_an_export_carries_it(run, tmp_path, found):
    kept = zoo.align(run, 30)
    assert kept.kept == str(run / "alignment.json")
    assert zoo.load(run).label_map == tuple(ORDER)
    for dtype in ("float32", "float16"):
        out = export_folder(run, tmp_path / dtype, dtype=dtype)
        assert zoo.load(out).label_map == tuple(ORDER)
        assert "Labels are permuted" in (out / "README.md").read_text(encoding="utf-8")
        assert zoo.info(out).alignment.weights_sha256 == files.sha256(out / "model.safetensors")
    again = export_folder(tmp_path / "float16", tmp_path / "again")
    assert zoo.load(again).label_map == tuple(ORDER)


def test_it_does_not_hold_for_other_weights(run, tmp_path, digits, capsys):
    zoo.align(run, 30)
    out = export_folder(run, tmp_path / "out")
    for folder in (run, out):
        files.save(folder / "model.safetensors", digits.generator.state_dict(), {"name": "other"})
        capsys.readouterr()
        model = zoo.load(folder)
        assert model.alignment is None
        assert torch.equal(model.sample(3, 3, seed=0).uint8, digits.sample(3, 3, seed=0).uint8)
    assert zoo.load(run, weights=str(run / "model.safetensors")).alignment is None
    assert "other weights" in _stderr(capsys, lambda: zoo.load(run))


def _stderr(capsys, function) -> str:
    capsys.readouterr()
    function()
    return capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ['{"assignment": [0', '{"assignment": [0, 0]}', "", "[" * 100_000, '{"seed": ' + "9" * 5000 + "}", "\x00"]
)
def test_a_damaged_file_is_named_and_not_used(run, capsys, text):
    (run / "alignment.json").write_text(text)
    assert zoo.load(run).alignment is None
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert len(told) < 1000
    assert "alignment.json" in told


def test_converted_weights_keep_it_beside_them(tmp_path, digits, found, monkeypatch):
    """Until they are cleared, and not for another file under the same name."""
    config = digits.config.model_copy(update={"name": "contragan/mine"})
    upstream = {"source": "studiogan", "google_drive_file": "x", "path": "a.pth"}
    data = config.to_dict() | {"weights": [{"tag": "studiogan", "upstream": upstream}], "default_tag": "studiogan"}
    registry.register(zoo.ModelConfig.from_dict(data))
    config = registry.config("contragan/mine")
    path = cache.weights_path(config, "studiogan", tmp_path)
    state = permuted(digits, ORDER).generator.state_dict()
    cache.store(path, state, {"name": config.name}, "0" * 64, "a test")
    zoo.align("contragan/mine", 30, cache_dir=tmp_path)
    kept = cache.alignment_path(config, "studiogan", tmp_path)
    assert kept.is_file()
    assert zoo.load("contragan/mine", cache_dir=tmp_path).label_map == tuple(ORDER)
    cache.clear("contragan/mine", cache_dir=tmp_path)
    assert not kept.exists()
    assert path.with_suffix(".json").exists(), "the record of the first download stays"


def test_bundled_weights_have_it_in_their_config():
    """Everyone that is conditional, measured on the file that ships, by a classifier whose accuracy is known."""
    for name in zoo.list_models(conditional=True, available="offline"):
        config = registry.config(name)
        entry = weights.entry(config, "default")
        assert entry.alignment, name
        assert entry.alignment.weights_sha256 == entry.sha256
        assert entry.alignment.classifier_accuracy > 0.8
        assert zoo.load(name).label_map == entry.alignment.assignment


def test_nothing_is_written_where_it_should_not(run):
    before = sorted(run.iterdir())
    assert zoo.align(run, 30, keep=False).kept is None
    assert sorted(run.iterdir()) == before
    assert zoo.align("contragan/digits", 20).kept is None


# ------------------------------------------------------------------------------------------------- the discriminator


@pytest.mark.parametrize("name", ["contragan/cifar10", "biggan/cifar10", "acgan-biggan/cifar10"])
def test_class_scores_are_what_the_head_computes(name):
    """Against the head's own outputs for one label at a time."""
    config = tiny(registry.config(name))
    torch.manual_seed(0)
    discriminator = nets.build_discriminator(config.discriminator).eval()
    images = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8)
    x = images.float() / 127.5 - 1
    scores = judges.of_discriminator(discriminator, config).scores(images)
    for label in range(10):
        out = discriminator(x, torch.full((5,), label))
        if config.discriminator.head.type == "contrastive":
            expected = (out.embedding * out.proxy).sum(dim=1)
        elif config.discriminator.head.type == "projection":
            expected = out.logits - discriminator.heads.logit(out.features).squeeze(1)
        else:
            expected = out.class_logits[:, label]
        torch.testing.assert_close(scores[:, label], expected, rtol=1e-4, atol=1e-5)


def test_a_plain_head_knows_no_classes():
    config = tiny(registry.config("sngan/cifar10"))
    with pytest.raises(ValueError, match="no classes"):
        nets.build_discriminator(config.discriminator).heads.class_scores(torch.zeros(1, 8))


def test_the_shipped_discriminator_finds_the_classifier_s_assignment():
    """Without data and without a classifier, on other images than those of the kept alignment."""
    kept = weights.entry(registry.config("contragan-snresgan/cifar10"), "default").alignment
    assert kept.assignment == (2, 5, 0, 3, 6, 7, 9, 8, 1, 4), "found by another classifier on other images"
    assert kept.discriminator_assignment == kept.assignment
    found = zoo.align("contragan-snresgan/cifar10", 30, "discriminator", seed=5)
    assert (found.verdict, found.assignment) == (PERMUTED, kept.assignment)
    assert found.classifier_accuracy is None


def test_a_run_is_judged_by_its_own_discriminator(tmp_path):
    config = short("contragan/digits", 1)
    run = train(config, Options(tmp_path / "run", device="cpu"))
    model = zoo.load(run)
    assert model.has_discriminator
    assert model.discriminator(torch.zeros(2, 3, 32, 32), torch.zeros(2, dtype=torch.int64)).embedding.shape[0] == 2
    assert zoo.align(run, 20, "discriminator").classifier.startswith("its own discriminator")
    other = GAN(config.updated({"data.dataset": "mnist"}), model.generator, device="cpu")
    other._discriminator_file = model._discriminator_file
    assert zoo.align(other, 20).classifier.startswith("its own discriminator"), "no classifier of these ships"
    (run / "discriminator.safetensors").unlink()
    with pytest.raises(ZooError, match="no discriminator"):
        zoo.align(run, 20, "discriminator")


# ---------------------------------------------------------------------------------------------------- classifiers


def test_imagenet_classes_are_found_by_their_ids():
    numbers = classifiers.imagenet_numbers(registry.config("contragan/tiny-imagenet"))
    ids, names = datasets.class_ids("imagenet"), datasets.class_names("tiny-imagenet")
    assert len(set(numbers)) == 200
    assert [ids[i] for i in numbers] == list(datasets.class_ids("tiny-imagenet"))
    assert datasets.class_names("imagenet")[numbers[names.index("goldfish")]] == "goldfish"
    assert list(ids) == sorted(ids), "the order of ImageNet's logits is that of the ids"
    assert classifiers.imagenet_numbers(registry.config("contragan/cifar10")) is None
    two = registry.config("contragan/digits").updated(
        {
            "data.dataset": "custom:birds",
            "data.class_names": ["n01443537", "n01440764"],
            "generator.num_classes": 2,
            "discriminator.num_classes": 2,
            "weights": [],
            "default_tag": None,
        }
    )
    assert classifiers.imagenet_numbers(two) == [1, 0]


def test_the_shipped_classifier_says_what_it_is():
    path = classifiers.head_path("cifar10")
    about, tensors = weights.read_metadata(path), weights.read(path)
    assert {name: tuple(t.shape) for name, t in tensors.items()} == {"weight": (10, 1280), "bias": (10,)}
    assert path.stat().st_size < 40_000
    assert 0.8 < float(about["accuracy"]) < 1
    assert about["accuracy of"] == "10,000 test images"


def test_given_data_trains_a_classifier(digits):
    real = datasets.load("digits")
    real = datasets.Dataset(real.images[:600], real.labels[:600], 10, source="some digits")
    found = zoo.align(permuted(digits, ORDER), 30, data=real)
    assert found.assignment == tuple(ORDER)
    assert found.classifier.startswith("logistic regression")
    assert found.classifier_accuracy > 0.8
    with pytest.raises(ZooError, match="give data"):
        zoo.align(digits, 20, "data")


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("infomax-gan/digits", {}, "unconditional"),
        ("contragan/digits", {"images_per_class": 5}, "at least 20"),
        ("contragan/digits", {"images_per_class": np.uint8(19)}, "at least 20"),
        ("contragan/digits", {"images_per_class": 30.5}, "whole number"),
        ("contragan/digits", {"images_per_class": torch.tensor(True)}, "whole number"),
        ("contragan/digits", {"classifier": "oracle"}, "there are auto, shipped"),
        ("contragan/digits", {"classifier": "discriminator"}, "no discriminator"),
        ("contragan/digits", {"classifier": "imagenet"}, "among ImageNet's"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(name, options, reason):
    with pytest.raises(ZooError, match=reason) as error:
        zoo.align(name, **options)
    assert "\n" not in str(error.value)


def test_classes_that_no_classifier_knows_need_data():
    config = registry.config("contragan/digits").updated({"data.dataset": "mnist"})
    model = GAN(config, nets.build_generator(config.generator), device="cpu")
    with pytest.raises(ZooError, match=r"give real images as data \(--data\)"):
        zoo.align(model, 20)


@pytest.mark.parametrize("missing", ["scipy", "sklearn", "torch_fidelity"])
def test_missing_packages_are_named(missing, digits, monkeypatch):
    real_import = builtins.__import__

    def without(name, *arguments, **options):
        if name.partition(".")[0] == missing:
            raise ImportError(f"No module named {name!r}", name=missing)
        return real_import(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ZooError, match="pip install"):
        zoo.align(digits, 20)


# ------------------------------------------------------------------------------------------------ doubts and reports


def test_labels_of_a_2c_loss_are_doubted_once(run, digits, capsys):
    model = zoo.load(run)
    assert _stderr(capsys, lambda: model.sample(1, seed=0)) == "", "no class was asked for"
    said = _stderr(capsys, lambda: model.sample(1, 3, seed=0))
    assert said.startswith("zoo: ")
    assert said.count("\n") == 1
    assert f"zoo align {run}" in said
    assert _stderr(capsys, lambda: model.sample(1, 3, seed=0)) == ""
    assert _stderr(capsys, lambda: zoo.load(run).sample(1, 3, labels="trained")) == ""
    assert _stderr(capsys, lambda: zoo.load("contragan/digits").sample(1, 3)) == "", "measured"
    assert _stderr(capsys, lambda: zoo.load("contragan/cifar10", weights="random").sample(1, 3)) == ""


def test_a_projection_discriminator_is_trusted():
    assert doubt(registry.config("biggan/cifar10"), "biggan/cifar10", None) is None
    assert "zoo align" in doubt(registry.config("contragan/cifar10"), "contragan/cifar10", None)


def test_the_command_prints_writes_and_keeps(run, tmp_path, command):
    out = tmp_path / "report"
    result = command("align", run, "-n", "30", "-o", out)
    assert result.returncode == 0
    assert "labels are permuted" in result.stdout
    assert "class as assigned" in result.stdout
    assert sorted(path.name for path in out.iterdir()) == ["alignment.json", "alignment.md", "confusion.png"]
    assert json.loads((out / "alignment.json").read_text())["assignment"] == ORDER
    assert command("align", run, "-n", "30", "-o", out).returncode == 1
    printed = command("align", run, "-n", "30", "--json", "--no-keep")
    assert json.loads(printed.stdout)["verdict"] == PERMUTED
    shutil.rmtree(out)
    assert "one" not in command("info", run).stderr


def test_a_config_takes_only_the_alignment_of_its_weights(tmp_path, command):
    path = tmp_path / "digits.json"
    shutil.copy(config_files.paths()["contragan/digits"], path)
    assert command("align", "contragan/digits", "-n", "20", "--into", path).returncode == 0
    assert json.loads(path.read_text(encoding="utf-8"))["base"] == "contragan/cifar10", "and only what differs from it"
    assert zoo.ModelConfig.from_file(path).weights[0].alignment.images_per_class == 20
    other = tmp_path / "other.json"
    other.write_text(registry.config("biggan/cifar10-small").to_json())
    assert command("align", "contragan/digits", "-n", "20", "--into", other).returncode == 1


def test_evaluation_reports_classes_both_ways(digits, found):
    model = permuted(digits, ORDER)
    options = {"extractor": "tiny", "num_fake": 400, "seeds": 1, "device": "cpu"}
    plain = zoo.evaluate(digits, ("classes",), **options)
    by_images = zoo.evaluate(model, ("classes",), **options)
    model.alignment = found
    by_alignment = zoo.evaluate(model, ("classes",), **options)
    assert plain["class accuracy"].value == plain["class accuracy as assigned"].value
    for report in (by_images, by_alignment):
        assert report["class accuracy"].value < 0.35 < report["class accuracy as assigned"].value
        assert report["class accuracy as assigned"].metric == "class accuracy as assigned (tiny)"
        assert report["intra-class fid as assigned"].value < report["intra-class fid"].value
        assert report["intra-class fid as assigned"].value == pytest.approx(plain["intra-class fid"].value, rel=0.2)
        assert "as assigned" in report._repr_markdown_()
    label_of = {row.index: row.label for row in by_alignment.classes.rows_assigned}
    assert label_of == {c: i for i, c in enumerate(ORDER)}
    assert by_alignment.classes.assigned_by == "the alignment kept with the weights"
    again = type(plain).model_validate_json(by_alignment.to_json())
    assert again.classes.assignment == tuple(ORDER)


def test_info_of_a_folder_tells_of_its_own_weights(run, tmp_path, command):
    """Of a run, before and after the measurement, and of an export that carries it."""
    before = command("info", run).stdout
    assert "none yet" not in before
    assert "may be permuted" in before
    zoo.align(run, 30)
    assert "labels are permuted" in command("info", run).stdout
    out = export_folder(run, tmp_path / "out")
    said = command("info", out).stdout
    assert "labels are permuted" in said
    assert "model.safetensors" in said


def test_percents_are_rounded_as_people_do():
    assert [percent(n, 200) for n in (0, 1, 2, 101, 121, 200)] == ["0%", "1%", "1%", "51%", "61%", "100%"]
    assert percent(1, 1000) == "<1%"


# ------------------------------------------------------------------------------------------------------ hostile input


def test_a_measurement_that_tells_nothing_replaces_none(run, capsys):
    zoo.align(run, 30)
    torch.manual_seed(0)
    blind = judges.Judge("a blind judge", lambda images: torch.rand(len(images), 10), 0.1, "nothing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifiers, "find", lambda *_: blind)
        found = zoo.align(run, 20)
    assert (found.verdict, found.kept) == (UNKNOWN, None)
    assert "is kept, not this" in capsys.readouterr().err
    assert zoo.load(run).label_map == tuple(ORDER)


@pytest.mark.parametrize("where", ["nan", "damaged"])
def test_a_useless_discriminator_is_left_out(where, tmp_path, capsys):
    run = train(short("contragan/digits", 1), Options(tmp_path / "run", device="cpu"))
    path = run / "discriminator.safetensors"
    if where == "nan":
        files.save(path, {k: t * float("nan") if t.is_floating_point() else t for k, t in weights.read(path).items()})
    else:
        path.write_bytes(path.read_bytes()[:-100])
    assert zoo.align(run, 20).discriminator_assignment is None
    assert "left out" in capsys.readouterr().err
    with pytest.raises(ZooError):
        zoo.align(run, 20, "discriminator")


def test_real_images_that_teach_nothing_are_refused(digits, tmp_path):
    real = datasets.load("digits")
    few = datasets.Dataset(real.images[:60], real.labels[:60], 10)
    with pytest.raises(LabelError, match="at least"):
        zoo.align(digits, 20, data=few)
    shuffled = datasets.Dataset(real.images[:400], torch.randint(0, 10, (400,)).sort().values, 10)
    order = torch.randperm(400, generator=torch.Generator().manual_seed(1))
    with pytest.raises(ZooError, match="which is chance"):
        zoo.align(digits, 20, data=datasets.Dataset(shuffled.images[order], shuffled.labels, 10))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"data": "cifr10"}, "cifr10 is no data set and no path here; did you mean cifar10"),
        ({"data": "nowhere.npz"}, "nowhere.npz does not exist; give a folder of images"),
        ({"data": "cifar10"}, "draws the classes of digits; give images of these, not cifar10"),
        ({"data": 5}, "data is 5"),
        ({"data": ""}, "data is ''"),
        ({"data": "digits", "classifier": "shipped"}, "the classifier shipped learns from no data"),
        ({"classifier": "shiped"}, "did you mean shipped"),
    ],
)
def test_what_cannot_be_is_refused_before_the_model_is_loaded(arguments, reason, monkeypatch):
    monkeypatch.setattr("zoo.sampling.loading.load_found", lambda *_, **__: pytest.fail("the model was loaded"))
    with pytest.raises(ZooError, match=reason):
        zoo.align("contragan/digits", 20, **arguments)


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(run):
    (run / "alignment.json").mkdir()
    with pytest.raises(ZooError, match=r"--no-keep"):
        zoo.align(run, 20)


@pytest.mark.parametrize(
    "changes",
    [
        {"images_per_class": 31},
        {"accuracy_asked": 0.99},
        {"accuracy_assigned_interval": [0.9, 0.1]},
        {"seed": 2**64},
        {"confusion": [[10**400, *[0] * 9]] * 10},
        {"classifier": "x\x1b[31m"},
        {"classifier": "<script>"},
        {"classifier_accuracy_note": "a\n# b"},
    ],
)
def test_what_contradicts_itself_or_its_page_is_no_alignment(changes, found):
    with pytest.raises(ValidationError):
        LabelAlignment(**found.to_keep().model_dump() | changes)


def test_a_model_of_fewer_classes_keeps_no_alignment():
    config = registry.config("contragan/digits")
    changes = {f"{part}.num_classes": 4 for part in ("generator", "discriminator")}
    assert config.updated(changes | {"data.class_names": None}).weights[0].alignment is None
    assert config.updated({"training.steps": 5}).weights[0].alignment is not None
    with pytest.raises(ConfigError, match="10 labels"):
        zoo.ModelConfig.from_dict(
            config.updated(changes).to_dict() | {"alignment": config.to_dict()["weights"][0]["alignment"]}
        )


def test_wrong_labels_leave_nothing_behind(digits, tmp_path, command):
    from zoo.sampling import bulk

    out = tmp_path / "images"
    assert command("sample", "contragan/digits", "--labels", "straight", "-o", f"{out}/").returncode == 2
    for arguments in ({"label": 99}, {"label": "ship"}, {"labels": "straight"}):
        with pytest.raises(LabelError):
            bulk.write(digits, out, 3, **arguments)
    assert not out.exists()
    bulk.write(digits, out, 10, "all", 0)
    bulk.write(digits, tmp_path / "three.npz", 4, "3", 0)
    with np.load(tmp_path / "three.npz") as file:
        assert file["labels"].tolist() == [3] * 4


def test_only_an_alignment_is_one(digits):
    model = permuted(digits, ORDER)
    for wrong in ("x", [0, 1]):
        with pytest.raises(ZooError, match=r"give what zoo\.align returns"):
            model.alignment = wrong
    with pytest.raises(LabelError, match="aligned"):
        model.trained_labels(1, 2, labels="x")
    with pytest.raises(LabelError, match="neither an index nor a name"):
        model.sample(2, torch.tensor(3.0))
