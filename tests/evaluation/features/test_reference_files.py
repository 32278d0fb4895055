"""Statistics of real images in files: ours and those of edm2, edm and dgm-eval, as these tools write them."""

import io
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import zoo
from zoo import datasets
from zoo.common.errors import DataCorruptedError, DataUnavailableError, UsageError, ZooError
from zoo.evaluation import make_reference
from zoo.evaluation.features import extractors, reference_files
from zoo.evaluation.metrics import formulas

DINO = "dinov2-vit-l-14"


def some_images(count, seed=0):
    return torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=torch.manual_seed(seed))


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Real images as an .npz, and as a data set."""
    images, labels = some_images(40), torch.arange(40) % 2
    path = tmp_path_factory.mktemp("real") / "real.npz"
    np.savez(path, images=images.permute(0, 2, 3, 1).numpy(), labels=labels.numpy())
    return path, datasets.Dataset(images, labels, 2)


FAKE = some_images(30, seed=1) // 2


def score(metrics=("fid",), extractor="tiny", **options):
    return zoo.evaluate(FAKE, metrics, extractor=extractor, num_fake=30, device="cpu", **options)


def statistics_of(data, extractor=DINO, resize="bicubic"):
    """As NumPy has them."""
    loaded = extractors.load(extractor, resize=resize)
    features = loaded(data.images, (loaded.layer("fid"),))[loaded.layer("fid")].double().numpy()
    return features, features.mean(axis=0), np.cov(features, rowvar=False)


# ---------------------------------------------------------------------------------------------------------- our layout


def test_a_file_stands_for_the_images(real, tmp_path):
    path, data = real
    metrics = ("fid", "kid", "pr")
    expected = score(metrics, data=data)
    made = make_reference(path, tmp_path / "with.safetensors", extractor="tiny", features=True, cache_dir=tmp_path)
    assert (made[0].count, made[0].about["resolution"]) == (40, 32)
    found = score(metrics, reference=tmp_path / "with.safetensors")
    assert [(r.metric, r.value, r.num_real) for r in found.results] == [
        (r.metric, r.value, r.num_real) for r in expected.results
    ]
    (about,) = found.references
    assert (about["dataset"], about["split"], about["count"]) == ("custom:real", "train", 40)
    assert about["from"] == "with.safetensors, in the layout of zoo"
    make_reference(path, tmp_path / "without.safetensors", extractor="tiny", cache_dir=tmp_path)
    assert score(reference=tmp_path / "without.safetensors")["fid"].value == expected["fid"].value
    with pytest.raises(ZooError, match="holds no features, only their statistics, which give fid alone"):
        score(("kid",), reference=tmp_path / "without.safetensors")
    with pytest.raises(ZooError, match="exists; give another name"):
        make_reference(path, tmp_path / "without.safetensors", extractor="tiny")


def test_a_cached_reference_is_one_too(real, tmp_path):
    _, data = real
    expected = score(data=data, cache_dir=tmp_path)
    (cached,) = tmp_path.rglob("*.statistics.safetensors")
    assert score(reference=cached)["fid"].value == expected["fid"].value


def test_a_file_of_something_else_is_one_line(real, tmp_path, dino, monkeypatch):
    path, _ = real
    out = tmp_path / "real.safetensors"
    make_reference(path, out, extractor="tiny", cache_dir=tmp_path)
    with pytest.raises(ZooError, match=r"holds statistics of tiny, the scores are of dinov2.* --extractor tiny"):
        score(reference=out, extractor=DINO)
    with pytest.raises(ZooError, match="is of 32x32 images, the images to be measured are 64x64"):
        zoo.evaluate(FAKE.repeat(1, 1, 2, 2), ("fid",), extractor="tiny", reference=out, num_fake=30, device="cpu")
    with pytest.raises(ZooError, match="is of 40 images, the protocol asks for 50,000"):
        score(reference=out, protocol="mimicry")
    with pytest.raises(ZooError, match="a reference file stands for the real images"):
        score(reference=out, data="digits")
    with pytest.raises(DataUnavailableError, match="does not exist"):
        score(reference=tmp_path / "nothing.pkl")
    with pytest.raises(ZooError, match="holds no images, which this needs"):
        zoo.evaluate("contragan/digits", ("classes",), extractor="tiny", reference=_with_features(path, tmp_path))
    monkeypatch.setattr("zoo.common.tensors.state_sha256", lambda *_: "0" * 64)
    monkeypatch.setattr("zoo.evaluation.features.extractors.state_sha256", lambda *_: "0" * 64)
    with pytest.raises(ZooError, match="was made with another sha256 of tiny"):
        score(reference=out)


def _with_features(path, tmp_path):
    out = tmp_path / "features.safetensors"
    make_reference(path, out, extractor="tiny", features=True, cache_dir=tmp_path)
    return out


# ------------------------------------------------------------------------------------------------------ other layouts


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_edm2s_own_file(real, tmp_path, dino, protocol):
    """As its save_stats writes it, in each pickle protocol that Pythons have had."""
    _, data = real
    _, mu, sigma = statistics_of(data)
    file = tmp_path / "real.pkl"
    file.write_bytes(pickle.dumps({"num_images": 40, "fd_dinov2": {"mu": mu, "sigma": sigma}}, protocol))
    found = score(protocol="edm2", extractor=None, reference=file)
    assert found[f"FD ({DINO})"].value == pytest.approx(score(data=data, extractor=DINO)["fid"].value, rel=1e-5)
    assert found["fid"].num_real == 40
    assert any("which does not state images, weights and resizing" in warning for warning in found.warnings)
    with pytest.raises(ZooError, match="holds statistics of dinov2-vit-l-14, the scores are of tiny"):
        score(reference=file)


def test_edm2_reads_what_is_written(real, tmp_path, dino):
    """With pickle alone; and half of it is ours again."""
    path, data = real
    _, mu, sigma = statistics_of(data)
    make_reference(path, tmp_path / "real.pkl", protocol="edm2", cache_dir=tmp_path)
    stats = pickle.loads((tmp_path / "real.pkl").read_bytes())
    assert stats["num_images"] == 40
    assert set(stats) == {"num_images", "fd_dinov2"}
    assert stats["fd_dinov2"]["mu"] == pytest.approx(mu, abs=1e-5)
    assert stats["fd_dinov2"]["sigma"] == pytest.approx(sigma, abs=1e-5)
    assert type(stats["fd_dinov2"]["mu"]) is np.ndarray
    assert stats["fd_dinov2"]["mu"].dtype == stats["fd_dinov2"]["sigma"].dtype == np.float64
    by_file = score(protocol="edm2", extractor=None, reference=tmp_path / "real.pkl")
    assert by_file["fid"].value == pytest.approx(score(data=data, extractor=DINO)["fid"].value, rel=1e-6)


def test_edms_file_does_not_say_of_how_many_images(real, tmp_path, inception_weights, small_inception, monkeypatch):
    path, _ = real
    options = {"extractor": "inception", "inception_weights": inception_weights}
    # The square root of Inception's 2,048 x 2,048 takes seconds, and is not what is looked at.
    monkeypatch.setattr(formulas, "frechet_distance", lambda *_: 1.0)
    made = make_reference(path, tmp_path / "own.safetensors", cache_dir=tmp_path, **options)[0].statistics
    np.savez(tmp_path / "edm.npz", mu=made.mu.astype(float), sigma=made.sigma)
    read = reference_files.contents(tmp_path / "edm.npz").by_extractor["inception"]
    assert np.array_equal(read.mu, made.mu)
    assert np.array_equal(read.sigma, made.sigma)
    found = score(reference=tmp_path / "edm.npz", **options)
    assert found["fid"].num_real is None
    assert any("does not state how many images" in warning for warning in found.warnings)
    assert "their number not stated" in found._repr_markdown_()
    with pytest.raises(ZooError, match="cannot say that these are not inception's own weights"):
        make_reference(path, tmp_path / "made.npz", **options)
    monkeypatch.setattr("zoo.evaluation.features.torch_hub_files.HubFile.is_official", lambda *_: True)
    make_reference(path, tmp_path / "made.npz", cache_dir=tmp_path, **options)
    with np.load(tmp_path / "made.npz") as arrays:
        assert sorted(arrays.files) == ["mu", "sigma"]
        assert np.array_equal(arrays["sigma"], made.sigma)


def test_dgm_evals_file_holds_features(real, tmp_path, dino):
    """As its save_outputs writes it: settings beside the features, in an array of objects that is never opened."""
    path, data = real
    features, _, _ = statistics_of(data, resize="pillow-bicubic")
    trap = tmp_path / "ran"

    class Trap:
        def __reduce__(self):
            return (Path.touch, (trap,))

    np.savez(tmp_path / "reps.npz", model="dinov2", reps=features, hparams={"path": Trap()})
    found = score(("fid", "kid"), protocol="dgm-eval", extractor=None, reference=tmp_path / "reps.npz")
    expected = score(("fid", "kid"), protocol="dgm-eval", extractor=None, data=data)
    for kind in ("fid", "kid"):
        assert found[kind].value == pytest.approx(expected[kind].value, rel=1e-4)
    assert not trap.exists()
    options = {"protocol": "dgm-eval", "layout": "dgm-eval", "cache_dir": tmp_path}
    make_reference(path, tmp_path / "made.npz", **options)
    with np.load(tmp_path / "made.npz") as arrays:
        assert arrays["reps"] == pytest.approx(features, abs=1e-5)
        assert (arrays["reps"].dtype, str(arrays["model"])) == (np.float64, "dinov2")


# ------------------------------------------------------------------------------------------------- damaged and hostile


def test_a_pickle_that_asks_for_code_runs_nothing(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    for content in (Trap(), {"num_images": Trap()}, {"fid": {"mu": np.zeros(2), "sigma": np.array([Trap()])}}):
        (tmp_path / "trap.pkl").write_bytes(pickle.dumps(content))
        with pytest.raises(DataCorruptedError) as error:
            score(reference=tmp_path / "trap.pkl")
        assert "\n" not in str(error.value)
    assert not (tmp_path / "ran").exists()


NAMES_CHANGED = b"\x80\x02cnumpy\nndarray\n}q\x00X\x03\x00\x00\x00abcK\x01sb."
HUGE = b"\x80\x04cnumpy\ndtype\n(X\x02\x00\x00\x00f8K\x00K\x01tR\x8e" + b"\xff" * 7 + b"\x7f" + b"x"


def _stats():
    return {"num_images": 5, "fid": {"mu": np.zeros(3), "sigma": np.eye(3)}}


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("x.pkl", b"", "."),
        ("x.pkl", b"plain text", "."),
        ("x.pkl", NAMES_CHANGED, "changes one of its own names"),
        ("x.pkl", HUGE, "."),
        ("x.pkl", pickle.dumps([1, 2]), "none of fid and fd_dinov2"),
        ("x.pkl", pickle.dumps({"num_images": 5, "fid": {"mu": np.zeros(3)}}), "sigma"),
        ("x.pkl", pickle.dumps(_stats() | {"fid": {"mu": np.zeros(3), "sigma": np.eye(4)}}), "do not fit"),
        ("x.pkl", pickle.dumps(_stats() | {"fid": {"mu": np.full(3, np.nan), "sigma": np.eye(3)}}), "not finite"),
        ("x.pkl", pickle.dumps(_stats() | {"fid": {"mu": np.zeros(3), "sigma": -np.eye(3)}}), "no covariance"),
        ("x.npz", {"images": np.zeros((2, 4, 4, 3), np.uint8)}, "neither mu and sigma nor reps"),
        ("x.npz", {"mu": np.array([{}]), "sigma": np.eye(1)}, "allow_pickle"),
        ("x.npz", {"mu": np.zeros(3) + 1j, "sigma": np.eye(3)}, "complex"),
        ("x.npz", {"reps": np.zeros((4, 3)) + 1j, "model": np.array("tiny")}, "complex"),
        ("x.npz", {"reps": np.zeros(4), "model": np.array("tiny")}, r"reps is \(4,\)"),
        ("x.npz", {"reps": np.zeros((4, 3)), "model": np.array(["a\nb", "c"])}, "one name"),
        ("x.npz", {"reps": np.zeros((4, 3))}, "nor reps and model"),
        ("x.npz", {"mu": np.zeros(2), "sigma": np.array([[1.0, 2.0], [2.0, 1.0]])}, "no covariance"),
        ("x.npz", {"mu": np.array(b"0" * 10_000 + b"!"), "sigma": np.eye(1)}, "could not convert"),
        ("x.pkl", pickle.dumps(_stats() | {"num_images": -5}), "of -5 images"),
        ("x.safetensors", b"\x10\0\0\0\0\0\0\0{}              ", "no manifest"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(name, data, why, tmp_path):
    if isinstance(data, dict):
        file = io.BytesIO()
        np.savez(file, **data)
        data = file.getvalue()
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataCorruptedError, match=why) as error:
        reference_files.contents(tmp_path / name)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600
    assert "the layouts are zoo, edm2, edm, dgm-eval" in str(error.value)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """(tensors, manifest) of a file in our layout, with features."""
    folder = tmp_path_factory.mktemp("own")
    np.savez(folder / "real", images=np.random.RandomState(0).randint(0, 256, (20, 8, 8, 3), np.uint8))
    path = folder / "own.safetensors"
    make_reference(folder / "real.npz", path, extractor="tiny", features=True, cache_dir=folder)
    with safe_open(path, "pt") as file:
        return load_file(path), json.loads(file.metadata()["manifest"])


@pytest.mark.parametrize(
    ("facts", "change", "why"),
    [
        ({"count": -20}, None, "of -20 images"),
        ({"count": "20"}, None, "does not state the count"),
        ({"count": None}, None, "does not state the count"),
        ({"resolution": "8"}, None, "does not state the resolution"),
        ({"dataset": {}}, None, "does not state the dataset"),
        ({"extractor": 5}, None, "does not state the extractor"),
        ({}, ("features", lambda t: t * torch.nan), "no finite numbers"),
        ({}, ("features", lambda t: t[:, 1:]), "no finite numbers"),
        ({}, ("features", lambda t: t.long()), "no finite numbers"),
        ({}, ("features", lambda t: t[1:]), "not of as many images"),
        ({}, ("labels", lambda t: t.float()), "no classes"),
        ({}, ("labels", lambda t: t - 1), "no classes"),
    ],
)
def test_our_layout_states_what_it_holds(own, facts, change, why, tmp_path):
    tensors, manifest = own
    if change:
        tensors = tensors | {change[0]: change[1](tensors[change[0]]).contiguous()}
    path = tmp_path / "x.safetensors"
    save_file(tensors, path, {"manifest": json.dumps(manifest | facts)})
    with pytest.raises(DataCorruptedError, match=why):
        reference_files.contents(path)


def test_names_in_a_file_are_shown_harmless(own, tmp_path):
    tensors, manifest = own
    name = "a\x1b[31m\nb"
    save_file(tensors, tmp_path / "x.safetensors", {"manifest": json.dumps(manifest | {"dataset": name})})
    assert reference_files.contents(tmp_path / "x.safetensors").about["dataset"] == r"a\x1b[31m\x0ab"
    np.savez(tmp_path / "x", reps=np.eye(5), model=np.array(name))
    assert list(reference_files.contents(tmp_path / "x.npz").by_extractor) == [r"a\x1b[31m\x0ab"]


@pytest.mark.parametrize("suffix", [".pkl", ".npz", ".safetensors"])
def test_a_cut_file_is_one_line(suffix, tmp_path, real):
    file = tmp_path / f"whole{suffix}"
    if suffix == ".pkl":
        file.write_bytes(pickle.dumps(_stats()))
    elif suffix == ".npz":
        np.savez(file, **_stats()["fid"])
    else:
        make_reference(real[0], file, extractor="tiny", cache_dir=tmp_path)
    reference_files.contents(file)
    whole = file.read_bytes()
    for length in (1, 5, 40, len(whole) // 2, len(whole) - 2):
        (tmp_path / f"cut{suffix}").write_bytes(whole[:length])
        with pytest.raises(DataCorruptedError) as error:
            reference_files.contents(tmp_path / f"cut{suffix}")
        assert "\n" not in str(error.value)


def test_statistics_of_another_width_are_one_line(tmp_path, dino):
    stats = {"num_images": 5, "fd_dinov2": _stats()["fid"]}
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(stats))
    with pytest.raises(ZooError, match="is of 3 features, dinov2-vit-l-14 has 12"):
        score(reference=tmp_path / "x.pkl", extractor=DINO)


@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("x.txt", {}, "not the suffix of a layout"),
        ("x.npz", {"layout": "edm2"}, "not the suffix of a layout"),
        ("x.pkl", {"layout": "other"}, "no layout is called"),
        ("x.pkl", {}, "the layout of edm2 has no place for tiny"),
        ("x.safetensors", {"extractor": "tiny,efficientnet-lite0"}, "holds one extractor"),
    ],
)
def test_what_a_layout_cannot_hold_is_said_before_the_work(name, options, why, real, tmp_path):
    with pytest.raises(UsageError, match=why):
        make_reference(real[0], tmp_path / name, **{"extractor": "tiny"} | options)
    assert not list(tmp_path.iterdir())
