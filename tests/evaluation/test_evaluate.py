"""`zoo.evaluate` from end to end with an extractor that costs nothing: scores, counts, seeds, and what is refused."""

import copy
import dataclasses
import pickle
import shutil
from fractions import Fraction
from math import comb
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from zoo import datasets
from zoo.checkpoints import weights
from zoo.common.errors import (
    DataUnavailableError,
    LabelError,
    UnknownModelError,
    UsageError,
    WeightsUnavailableError,
    ZooError,
)
from zoo.evaluation import PROTOCOLS
from zoo.evaluation.features import extraction, extractors, inception
from zoo.evaluation.features.sources import Fixed
from zoo.evaluation.metrics import copying, formulas, monge, neighbourhoods, prd, scores
from zoo.evaluation.metrics.classwise import enough_draws
from zoo.schema import registry


def evaluate(source, names=("fid", "kid", "is", "pr"), **options):
    options = {"extractor": "tiny", "num_fake": 200, "device": "cpu"} | options
    return zoo.evaluate(source, names, **options)


def test_scores_are_those_of_the_features(unconditional):
    """Every number again, from images of `sample` and the whole data set, without the engine."""
    report = evaluate(unconditional, seeds=2)
    extractor = extractors.load("tiny")

    def of(images):
        return extraction.extract(Fixed(images), extractor, ("12", "logits"), 64).layers

    real = of(datasets.load("digits").images)["12"]
    fakes = [of(unconditional.sample(200, seed=seed).uint8) for seed in (0, 1)]
    distances = [formulas.frechet_distance(formulas.statistics(f["12"]), formulas.statistics(real)) for f in fakes]
    assert report["fid"].per_seed == pytest.approx(distances, rel=1e-6)
    assert report["fid"].value == pytest.approx(np.mean(distances), rel=1e-6)
    assert report["fid"].std == pytest.approx(np.std(distances), rel=1e-6)
    kernel = formulas.kernel_distance(fakes[0]["12"], real, 100, 200)
    assert (report["kid"].per_seed[0], report["kid"].spread) == pytest.approx((kernel.value, kernel.std), rel=1e-5)
    assert report["is"].per_seed[1] == pytest.approx(formulas.classifier_score(fakes[1]["logits"]).value, rel=1e-6)
    assert (report["fid"].num_real, report["fid"].num_fake, report["fid"].split) == (1797, 200, "train")
    assert (report["is"].num_real, report["precision"].num_real) == (None, 200)
    assert report["FD (tiny)"] is report["fid"]
    assert not any("FID" in r.metric or r.metric in ("KID", "IS") for r in report.results)
    assert any("subsets of 200 images, not 1,000" in warning for warning in report.warnings)
    assert "fid.num_fake: 200, not 50000" in report.differences


def test_public_images_in_a_file_are_recognised_aloud_and_own_ones_are_not(unconditional, tmp_path, capsys):
    digits, few = datasets.load("digits"), {"num_fake": 20, "seeds": 1, "cache_dir": tmp_path / "cache"}
    images = digits.images.permute(0, 2, 3, 1).numpy()
    np.savez(tmp_path / "file.npz", train_images=images, train_labels=digits.labels.numpy())
    own = tmp_path / "own.npz"
    np.savez(own, images=images[:50])
    evaluate(unconditional, ("fid",), **few)
    evaluate(unconditional, ("fid",), data=tmp_path / "file.npz", **few)
    said = capsys.readouterr().err
    assert "file.npz has the images of digits train, whose features are in the cache" in said
    black = torch.zeros(20, 3, 32, 32, dtype=torch.uint8)
    found = [evaluate(black, ("fid",), data=own, **few) for _ in range(2)]
    assert [report.references[0]["from"] for report in found] == ["computed", "cache"]
    assert "has the images of" not in capsys.readouterr().err


def test_counts_and_seeds_of_any_kind(unconditional):
    plain = evaluate(unconditional, ("fid",), num_fake=120, num_real=200, seeds=(0, 1), batch_size=64)
    for seeds in (np.int8(2), torch.tensor(2), np.array([0, 1], np.uint8), [np.uint64(0), torch.tensor(1)]):
        counts = {"num_fake": np.uint8(120), "num_real": np.array(200), "batch_size": torch.tensor(64)}
        found = evaluate(unconditional, ("fid",), seeds=seeds, **counts)
        assert found["fid"].per_seed == plain["fid"].per_seed


def test_of_data_that_are_drawn_as_many_are_read_as_are_generated(tmp_path, monkeypatch):
    """Stacked MNIST has no whole: 128,000 images of it are no better a measure of 60 generated ones."""
    monkeypatch.setitem(datasets.CATALOGUE["stacked-mnist"].splits, "train", 300)
    digits = np.random.default_rng(0).integers(0, 256, (30, 28, 28), dtype=np.uint8)
    np.savez(tmp_path / "mnist.npz", train_images=digits, train_labels=np.arange(30) % 10)
    model = zoo.load("dcgan-quarter/stacked-mnist", weights="random", device="cpu")
    for chosen, expected in ((None, 60), (90, 90)):
        report = evaluate(model, ("fid",), data=tmp_path / "mnist.npz", num_fake=60, num_real=chosen, seeds=1)
        assert (report["fid"].num_real, report["fid"].num_fake) == (expected, 60)


def test_more_features_than_fit_are_refused_after_the_first_batch(unconditional):
    with pytest.raises(ZooError, match=r"the 12 features of 10,000,000,000,000 images take .* GiB, .*--num-fake"):
        evaluate(unconditional, ("fid",), num_fake=10**13, seeds=1)


def test_another_precision_is_measured_and_said():
    exact, rounded = (
        evaluate("infomax-gan/digits", ("fid",), dtype=dtype, num_fake=100) for dtype in (None, "bfloat16")
    )
    assert (exact.subject.dtype, rounded.subject.dtype) == ("float32", "bfloat16")
    assert 0 < abs(rounded["fid"].value - exact["fid"].value) < 0.05 * exact["fid"].value
    assert "computed in" in rounded._repr_markdown_()
    assert "computed in" not in exact._repr_markdown_()


def test_training_images_are_never_held_out_ones(tmp_path):
    """A file without splits gives the same images as any split, and so does one that is named twice."""
    images = datasets.load("digits").images[:60]
    pixels = images.permute(0, 2, 3, 1).numpy()
    for name, arrays in {
        "plain": {"images": pixels},
        "split": {"train_images": pixels, "test_images": pixels[:40]},
        "twice": {"train_images": pixels, "val_images": pixels},
    }.items():
        np.savez(tmp_path / name, **arrays)

    def unseen(data, given=None):
        found = zoo.evaluate(images, ("ct",), data=data, held_out=given, extractor="tiny", device="cpu")
        return [reference["count"] for reference in found.references]

    given = [datasets.Dataset(images[:n], torch.zeros(n, dtype=torch.int64), 1) for n in (60, 60, 50)]
    for data in ("plain.npz", "twice.npz"):
        with pytest.raises(DataUnavailableError, match="there are none here; give them with --held-out"):
            unseen(tmp_path / data)
    for data, same in ((tmp_path / "plain.npz", tmp_path / "plain.npz"), given[:2]):
        with pytest.raises(ZooError, match="has not seen"):
            unseen(data, same)
    for i, picture in enumerate(images[:8]):
        for folder in ("flat", "apart/train", "apart/test")[: 1 if i > 5 else 3]:
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture.permute(1, 2, 0).numpy()).save(tmp_path / folder / f"{i}.png")
    with pytest.raises(DataUnavailableError, match="there are none here"):
        unseen(tmp_path / "flat")
    assert unseen(tmp_path / "apart") == [6, 6]
    assert unseen(tmp_path / "split.npz") == [60, 40]
    assert unseen(tmp_path / "plain.npz", given[2]) == [60, 50]


def test_too_few_training_images_for_c_t_are_one_line():
    images = datasets.load("digits").images
    few, unseen = (datasets.Dataset(i, torch.zeros(len(i), dtype=torch.int64), 1) for i in (images[:2], images[9:90]))
    with pytest.raises(ZooError, match="C_T needs at least 3 training images, there are 2"):
        zoo.evaluate(images, ("ct",), data=few, held_out=unseen, extractor="tiny", device="cpu")
    wide = dataclasses.replace(few, images=images[:50], labels=torch.zeros(50, dtype=torch.int64))
    with pytest.raises(ZooError, match="C_T needs at least 64 training images, there are 50"):
        zoo.evaluate(images, ("ct",), data=wide, held_out=unseen, extractor="efficientnet-lite0", device="cpu")


def test_every_metric_takes_the_images_that_it_says(unconditional):
    """Density, coverage, F scores, MIND, AuthPct and C_T again, from images of `sample`, without the engine."""
    metrics, held_out = ("dc", "prd", "mind", "authpct", "ct"), datasets.load("digits")
    held_out = dataclasses.replace(held_out, images=held_out.images.flip(3)[:400], labels=held_out.labels[:400])
    report = evaluate(unconditional, metrics, seeds=1, held_out=held_out)
    extractor = extractors.load("tiny")

    def of(images):
        return extraction.extract(Fixed(images), extractor, ("12",), 64).layers["12"]

    fake, real = of(unconditional.sample(200, seed=0).uint8), of(datasets.load("digits").images)
    some = real[scores.random_indices(1797, 200)]
    expected = {
        **neighbourhoods.density_coverage(fake, some)._asdict(),
        **dict(zip(("F_8 (tiny)", "F_1/8 (tiny)"), prd.f_scores(fake, some), strict=True)),
        "MD (tiny)": monge.sliced_distance(fake, some),
        "AuthPct (tiny)": 100 * neighbourhoods.authentic_share(fake, real),
        "C_T (tiny)": copying.copying_score(fake, real, of(held_out.images)),
    }
    assert {name: report[name].value for name in expected} == pytest.approx(expected, rel=1e-6)
    assert len(report.results) == len(expected)
    assert (report["density"].num_real, report["authpct"].num_real) == (200, 1797)
    assert [data["count"] for data in report.references] == [1797, 400]
    assert any("MD (tiny) of 200 images on either side, not 5,000" in warning for warning in report.warnings)
    assert report["coverage"].settings["neighbours"] == 5
    assert report["F_8 (tiny)"].settings["clusters"] == 20
    with pytest.raises(DataUnavailableError, match=r"beside digits train there are none here; .* --held-out"):
        evaluate(unconditional, ("ct",))


def test_precision_and_recall_are_not_swapped():
    """Images that are all alike and real are precise and recall little."""
    real = datasets.load("digits")
    alike = real.images[real.labels == 0].repeat(2, 1, 1, 1)[:300]
    found = evaluate(alike, ("pr",), data="digits", num_fake=300)
    assert found["precision"].value > 0.9
    assert found["recall"].value < 0.5


def test_better_images_score_better(unconditional):
    """Real beats generated beats generated under noise beats noise."""
    digits = datasets.load("digits")
    half = datasets.Dataset(digits.images[::2], digits.labels[::2], 10)
    noise = torch.randint(0, 256, (898, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    options = {"data": half, "num_fake": 898, "names": ("fid", "kid"), "seeds": 1}
    worse = (unconditional.sample(898, seed=0).uint8 // 2 + noise // 2).to(torch.uint8)
    sources = [digits.images[1::2], unconditional, worse, noise]
    reports = [evaluate(source, **options) for source in sources]
    for kind in ("fid", "kid"):
        scores = [report[kind].value for report in reports]
        assert scores == sorted(scores), kind
        assert scores[-1] > 10 * abs(scores[0])


def test_by_class(model):
    report = evaluate("contragan/digits", ("fid", "classes"), seeds=1, num_fake=400)
    rows = report.classes.rows
    assert [row.name for row in rows] == list(map(str, range(10)))
    assert sum(row.num_fake for row in rows) == 400
    assert sum(row.num_real for row in rows) == 1797
    accuracy = sum(row.accuracy * row.num_fake for row in rows) / 400
    assert report["class accuracy"].value == pytest.approx(accuracy)
    assert 0.5 < report.classes.accuracy_on_real < 1
    assert report.classes.intra_frechet_distance == pytest.approx(np.mean([row.frechet_distance for row in rows]))
    assert report["intra-class fid"].metric == "intra-class FD (tiny)"
    shuffled = copy.deepcopy(model)
    generate = shuffled.generate
    shuffled.generate = lambda z, y=None, **_: generate(z, (y + 1) % 10)  # the next class instead of the one asked for
    wrong = evaluate(shuffled, ("classes",), seeds=1, num_fake=400)
    assert wrong["class accuracy"].value < 0.2 < report["class accuracy"].value


def test_classes_of_fewer_images_than_features_have_a_distance_of_another_name():
    report = evaluate("contragan/digits", ("classes",), seeds=1, num_fake=100)
    kinds = {result.kind: result.metric for result in report.results}
    assert kinds["shrunk intra-class fid"] == "shrunk intra-class FD (tiny)"
    assert not any(kind.startswith("intra-class fid") for kind in kinds)
    rows = report.classes.rows
    assert min(row.num_fake for row in rows) <= 12
    assert report["shrunk intra-class fid"].value == pytest.approx(np.mean([r.shrunk_frechet_distance for r in rows]))
    assert "neither compares with a published intra-class FID" in report.classes.note
    assert "shrunk Frechet distance" in report._repr_markdown_()
    for metric in kinds.values():
        assert extractors.metric_and_extractor(metric) is not None


def test_images_by_every_name_give_one_score(tmp_path, unconditional):
    images = unconditional.sample(150, seed=0)
    images.save(tmp_path / "folder")
    images.save(tmp_path / "x.npz")
    ways = [images, images.uint8, np.asarray(images), tmp_path / "folder", tmp_path / "x.npz"]
    ways += [datasets.Dataset(images.uint8, torch.zeros(150), 1), unconditional, "InfoMax-GAN digits"]
    scores = {evaluate(way, ("fid",), data="digits", num_fake=150, seeds=1)["fid"].value for way in ways}
    assert len(scores) == 1


def test_an_exported_folder_and_a_file_are_identified(tmp_path):
    config = registry.config("infomax-gan/digits")
    file = weights.locate(config)
    (tmp_path / "config.json").write_text(config.to_json())
    shutil.copy(file, tmp_path / "model.safetensors")
    by_name, by_folder = (evaluate(s, ("fid",), seeds=1) for s in ("infomax-gan/digits@zoo", tmp_path))
    assert by_name["fid"].value == by_folder["fid"].value
    assert by_name.subject.weights_sha256 == by_folder.subject.weights_sha256 == config.weights[0].sha256
    assert (by_name.subject.tag, by_folder.subject.tag) == ("zoo", None)


def test_fewer_images_than_given_are_drawn_at_random():
    digits = datasets.load("digits")
    by_class = digits.images[digits.labels.argsort(stable=True)]
    few = evaluate(by_class, ("fid",), data="digits", num_fake=300)
    first = evaluate(by_class[:300], ("fid",), data="digits", num_fake=300)
    assert few["fid"].num_fake == 300
    assert few["fid"].value < first["fid"].value / 2, "the first 300 are zeros and ones"


def test_a_split_as_images_and_labels_as_in_the_data(model):
    same = evaluate("digits:train", ("fid",), data="digits", num_fake=1797)
    assert same["fid"].value == pytest.approx(0, abs=1e-6)
    report = evaluate(model, ("fid",), labels="data", seeds=1, num_fake=1797)
    assert report.results[0].settings["sampling"] == {"labels": "data"}


def test_the_curve_ends_at_the_score(unconditional):
    report = evaluate(unconditional, ("fid",), seeds=1, num_fake=400, curve=True)
    found = report.convergence
    assert found.counts[-1] == 400
    assert found.distances[-1] == pytest.approx(report["fid"].per_seed[0], rel=1e-5), (
        "but for the order of float32 sums"
    )
    assert found.distances[0] > found.distances[-1] > found.infinity


def test_a_curve_of_a_metric_without_bias_is_refused(unconditional):
    with pytest.raises(ZooError, match=r"KID is unbiased: its value is that at infinity.*; add fid to the metrics"):
        evaluate(unconditional, ("kid",), curve=True, seeds=1)
    with pytest.raises(ZooError, match=r"\(that is fid\); add fid"):
        evaluate(unconditional, ("is",), curve=True, seeds=1)


@pytest.mark.parametrize(("num_real", "said"), [(30, True), (60, False)])
def test_subsets_of_all_images_have_no_spread(unconditional, num_real, said):
    report = evaluate(unconditional, ("kid",), num_fake=30, num_real=num_real, seeds=1)
    assert (report["kid"].spread < 1e-9) == said
    assert any("each is all of them" in warning for warning in report.warnings) == said


def test_the_batch_size_does_not_change_a_score(model):
    small, large = (evaluate(model, ("fid",), seeds=1, batch_size=size)["fid"].value for size in (1, 1000))
    assert small == pytest.approx(large, rel=1e-5)


def test_cifar10_is_scored_without_its_images(monkeypatch):
    def not_here(*_, **__):
        raise DataUnavailableError("cifar10 is not here")

    monkeypatch.setattr(datasets, "load", not_here)
    offline = {"extractor": "efficientnet-lite0", "seeds": 1, "num_fake": 24}
    report = evaluate("infomax-gan/cifar10-small", ("fid",), **offline)
    assert (report["fid"].num_real, report.references[0]["from"]) == (50_000, "shipped")
    with pytest.raises(DataUnavailableError, match=r"cifar10 is not here\. The metrics fid and is need no images"):
        evaluate("infomax-gan/cifar10-small", ("fid", "kid"), **offline)


# ------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("source", "options", "error", "words"),
    [
        ("infomax-gan/digit", {}, UnknownModelError, "did you mean"),
        ("infomax-gan/cifar10", {}, WeightsUnavailableError, "zoo import"),
        ("infomax-gan/digits", {"names": ("fid", "ssim")}, ZooError, 'no metric is called "ssim"'),
        ("infomax-gan/digits", {"names": ()}, UsageError, "no metric is named"),
        ("infomax-gan/digits", {"protocol": "mine"}, ZooError, "there are clean, mimicry"),
        ("infomax-gan/digits", {"protocol": "published"}, ZooError, "--protocol clean"),
        ("infomax-gan/digits", {"protocol": "mimicry", "names": ("pr",)}, ZooError, "has no pr"),
        ("infomax-gan/digits", {"extractor": "resnet"}, ZooError, "efficientnet-lite0"),
        (
            "infomax-gan/digits",
            {"data": "imagine"},
            DataUnavailableError,
            "did you mean imagenet",
        ),
        ("infomax-gan/digits", {"num_real": 5000}, ZooError, "digits train has 1,797 images"),
        ("infomax-gan/digits", {"num_fake": -1}, ZooError, "num_fake is -1; give a whole number of at least 1"),
        ("infomax-gan/digits", {"num_real": 1.5}, ZooError, "num_real is 1.5; give a whole number"),
        ("infomax-gan/digits", {"seeds": [0, -1]}, ZooError, "seed is -1"),
        ("infomax-gan/digits", {"seeds": 10**12}, ZooError, "seeds is 1000000000000; give a whole number from 1 to"),
        ("infomax-gan/digits", {"seeds": "3"}, ZooError, "seeds is '3'"),
        ("infomax-gan/digits", {"seeds": []}, ZooError, "seeds: .*at least 1 item"),
        ("infomax-gan/digits", {"names": ("classes",)}, ZooError, "unconditional and has no classes"),
        (
            "contragan/digits",
            {"names": ("classes",), "num_fake": 12},
            LabelError,
            "12 images .* no images of class.*at least 70$",
        ),
        ("contragan/digits", {"batch_size": 0}, ZooError, "batch_size is 0"),
        ("contragan/digits", {"dtype": "int8"}, ZooError, "dtype is .int8."),
        ("digits:train", {"dtype": "bfloat16"}, ZooError, "images have none"),
        (
            "infomax-gan/digits",
            {"protocol": "mimicry", "names": ("is",), "dtype": "bfloat16"},
            ZooError,
            "in its batch mode, which is computed in float32 only",
        ),
    ],
)
def test_refusals_come_before_any_sampling(source, options, error, words, monkeypatch):
    monkeypatch.setattr(zoo.GAN, "generate", lambda *_: pytest.fail("it sampled"))
    monkeypatch.setattr("zoo.evaluation.features.references.get", lambda *_, **__: pytest.fail("it took real images"))
    with pytest.raises(error, match=words):
        evaluate(source, **options)


def test_too_few_images_for_a_covariance_are_refused_unless_asked_for(unconditional):
    images = unconditional.sample(10, seed=0).uint8
    with pytest.raises(
        ZooError, match=r"10 generated images: fewer than the 12 features.*--metrics kid.*--num-fake 10"
    ):
        evaluate(images, ("fid",), data="digits", num_fake=None)
    report = evaluate(images, ("fid",), data="digits", num_fake=10)
    assert "covariance is singular" in report.warnings[0]
    assert evaluate(images, ("kid",), data="digits", num_fake=None)["kid"].num_fake == 10


@pytest.mark.parametrize("classes", [10, 200])
def test_as_many_labels_as_are_advised_leave_out_no_class_but_once_in_a_hundred(classes):
    """The exact probability, by inclusion and exclusion."""
    count = enough_draws(classes)
    present = sum((-1) ** k * comb(classes, k) * Fraction(classes - k, classes) ** count for k in range(classes + 1))
    assert 0.99 < present < 0.999


def test_labels_as_in_data_of_other_classes_are_refused():
    digits = datasets.load("digits")
    five = datasets.Dataset(digits.images, digits.labels // 2, 5)
    with pytest.raises(LabelError, match="has 5 classes, contragan/digits has 10"):
        evaluate("contragan/digits", ("fid",), data=five, labels="data")


def test_data_without_a_class_is_refused():
    digits = datasets.load("digits")
    keep = digits.labels != 7
    lacking = datasets.Dataset(digits.images[keep], digits.labels[keep], 10)
    with pytest.raises(LabelError, match="no images of class 7, out of 10 classes"):
        evaluate("contragan/digits", ("classes",), data=lacking)


def test_images_of_another_size_than_the_data(unconditional):
    small = torch.nn.functional.avg_pool2d(unconditional.sample(20, seed=0).float(), 2).mul(255).byte()
    with pytest.raises(ZooError, match="the images are 16x16, digits is evaluated at 32x32"):
        evaluate(small, ("kid",), data="digits")
    with pytest.raises(ZooError, match="give the real ones as data"):
        evaluate(small, ("kid",))


def test_without_inception_weights_there_is_one_message_and_no_sampling(monkeypatch):
    monkeypatch.setattr(zoo.GAN, "generate", lambda *_: pytest.fail("it sampled"))
    with pytest.raises(WeightsUnavailableError) as error:
        evaluate("infomax-gan/digits", extractor="inception")
    for word in (
        "weights-inception-2015-12-05-6726825d.pth",
        "sha256 6726825d",
        "hub/checkpoints",
        "--inception-weights",
    ):
        assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_weights_in_torch_hubs_folder_are_checked(inception_weights):
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    folder.mkdir(parents=True)
    shutil.copy(inception_weights, folder / inception.FILE_NAME)
    with pytest.raises(zoo.WeightsCorruptedError, match="does not begin with 6726825d"):
        inception.locate()


def test_an_inception_file_that_would_run_code_is_refused(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    (tmp_path / "trap.pth").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(zoo.WeightsCorruptedError, match="does not hold the weights"):
        extractors.load("inception", inception_weights=tmp_path / "trap.pth")
    assert not (tmp_path / "ran").exists()


def test_quirks_run_under_every_protocol(unconditional, monkeypatch):
    """Each protocol, its counts made small: it measures, and says what sets it apart."""
    monkeypatch.setattr("zoo.evaluation.protocols.batch_norm_modes.STANDING_BATCHES", 3)
    plain = ("clean", "mmagic", "biggan-pytorch", "edm2", "dgm-eval", "cmmd")
    for name, protocol in PROTOCOLS.items():
        small = protocol.updated(num_real=300, num_fake=100, seeds=(0,), selection="random", splits={})
        if small.prd:
            small = small.updated(prd=small.prd.model_copy(update={"runs": 1}))
        if small.kid:
            small = small.updated(kid=small.kid.model_copy(update={"subset_size": 50, "subsets": 2}))
        metrics = [metric for metric in small.metrics if metric != "cas"]  # of conditional models
        report = evaluate(unconditional, metrics, protocol=small, num_fake=100, held_out="digits:train")
        assert {result.protocol for result in report.results} == {name}
        assert any("quantise" in line or "batch_norm" in line for line in report.differences) == (name not in plain)
