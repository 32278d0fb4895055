"""Pictures that are evaluated: read as training data are, and too few of them is one line."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
import torch
from modes import MODES, write
from pictures import image_folder, noise, npz, picture

import zoo
from zoo import datasets
from zoo.common.errors import ZooError
from zoo.evaluation.features import sources
from zoo.evaluation.targets import Subject, Target, data_for
from zoo.schema import registry

pytestmark = pytest.mark.usefixtures("data_root")


def evaluate(source, data, metric="fid", count=40, **options):
    options = {"num_fake": count, "num_real": None, "extractor": "tiny", "device": "cpu"} | options
    return zoo.evaluate(source, (metric,), data=data, **options)


@pytest.mark.parametrize("form", ["folder", "zip", "tar", "gztar"])
def test_pictures_of_all_modes_against_themselves(tmp_path, form):
    folder = tmp_path / "own"
    for i in range(40):
        mode = sorted(MODES)[i % len(MODES)]
        path = folder / f"class {i % 2}" / f"{i}{MODES[mode].suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        rgb, alpha = noise(12, 12, 3, seed=i), noise(12, 12, seed=i) // 128 * 255
        write(path, rgb, alpha, mode, 1 + i % 8 if path.suffix != ".BMP" else 1)
        (path.parent / f"._{path.name}").write_bytes(b"\0\5\x16\7")
        (path.parent / "@eaDir").mkdir(exist_ok=True)
        write(path.parent / "@eaDir" / f"{i}{path.suffix}", rgb, alpha, mode)
    source = folder if form == "folder" else shutil.make_archive(str(tmp_path / "x"), form, folder)
    (result,) = evaluate(source, folder).results
    assert (result.num_fake, result.num_real) == (40, 40)
    assert abs(result.value) < 1e-3
    half = evaluate(source, folder, count=20).results[0]
    assert half.num_fake == 20
    assert abs(half.value) > 1e-3


def test_photographs_of_many_sizes(tmp_path):
    for split, size in (("train", (30, 20)), ("test", (50, 50))):
        (tmp_path / "own" / split).mkdir(parents=True)
        for i in range(6):
            picture(size[0] + i, size[1], seed=i).save(tmp_path / "own" / split / f"{i}.jpg")
    source = tmp_path / "own"
    with pytest.raises(ZooError, match=r"own: the images are 30x20; give square ones, .* --resolution 20"):
        evaluate(source, source)
    report = evaluate(source, source, resolution=16)
    assert abs(report.results[0].value) < 1e-3
    report = evaluate(f"{source}:test", f"{source}:test", resolution=16)
    assert report.subject.name == "own:test"
    assert report.references[0]["split"] == "test"
    assert abs(report.results[0].value) < 1e-3
    assert abs(evaluate(f"{source}:test", source, resolution=16).results[0].value) > 1e-3
    square = tmp_path / "own" / "test" / "0.jpg"
    with pytest.raises(ZooError, match=r"1\.jpg is 51x50, others are 50x50; give images of one size, or say --resol"):
        evaluate(square.parent, square.parent)
    for source in ("contragan/digits", torch.zeros(4, 3, 16, 16, dtype=torch.uint8)):
        with pytest.raises(ZooError, match="a resolution is for pictures of a folder"):
            evaluate(source, square.parent, resolution=20)


def test_grey_and_transparent_arrays_are_read_as_training_data_are(tmp_path):
    for name, shape in (("grey", (4, 8, 8)), ("one", (4, 8, 8, 1)), ("alpha", (4, 8, 8, 4)), ("rgb", (4, 8, 8, 3))):
        path = npz(tmp_path / f"{name}.npz", images=noise(*shape), labels=np.array([0, 1, 0, 1]))
        found = sources.pictures(path)
        assert torch.equal(found.batch(0, 4), datasets.load("custom", resolution=8, root=path).images)
        assert found.labels().tolist() == [0, 1, 0, 1]


def test_a_runs_own_preparation_is_that_of_the_real_images(tmp_path):
    image_folder(tmp_path, ["a.png"], side=50)
    picture(80, 50).save(tmp_path / "a.png")
    config = registry.config("infomax-gan/digits")
    own = config.updated({"data.preparation": {"crop": "none", "background": "black"}})
    for trained_with in (config, own):
        real = data_for(Target(Subject(name="x"), trained_with, side=32), tmp_path, "train")
        given = datasets.load_for(trained_with, root=tmp_path)
        assert torch.equal(real.loaded.images, given.images)


@pytest.mark.parametrize("metric", ["fid", "kid", "is", "pr"])
@pytest.mark.parametrize(("fake", "real"), [(1, 40), (40, 1), (1, 1), (2, 2), (3, 40), (4, 4)])
@pytest.mark.parametrize("black", [False, True])
def test_few_images_are_a_number_or_one_line(tmp_path, metric, fake, real, black):
    paths = [npz(tmp_path / f"{n}.npz", images=noise(n, 8, 8, 3) * (not black)) for n in {fake, real}]
    by_count = {np.load(path)["images"].shape[0]: path for path in paths}
    try:
        report = evaluate(by_count[fake], by_count[real], metric)
    except ZooError as error:
        report, line = None, str(error)
    if report is None:
        assert "images" in line
        assert min(fake, real) < 4 or metric == "is"
    else:
        assert all(np.isfinite(result.value) for result in report.results)
        assert min(fake, real) >= 2 or metric == "is"


def test_a_curve_of_two_images_is_one_line(tmp_path):
    path = npz(tmp_path / "x.npz", images=noise(2, 8, 8, 3))
    with pytest.raises(ZooError, match="against the number of images needs at least 3"):
        evaluate(path, path, count=2, curve=True)


def test_names_of_any_bytes(tmp_path, command):
    folder = tmp_path / os.fsdecode(b"fl\xe9t")
    image_folder(folder, [os.fsdecode(b"\xe9%d.png" % i) for i in range(5)])
    options = ["--metrics", "kid", "--extractor", "tiny", "--num-fake", 5, "--device", "cpu", "-o", "report"]
    done = command("evaluate", folder.name, "--data", folder.name, *options)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    assert report["subject"]["name"] == "fl\\udce9t"
    assert "evaluate $'fl\\xe9t' --data $'fl\\xe9t'" in report["environment"]["command"]
    small = ["--width", 8, "--steps", 1, "--batch-size", 2, "--device", "cpu"]
    assert command("train", "infomax-gan/digits", "--data", folder.name, "-o", "run", *small).returncode == 0
    refused = command("train", "infomax-gan/digits", "--data", folder.name, "-o", os.fsdecode(b"r\xe9"), *small)
    assert refused.returncode == 1
    assert "only from paths in UTF-8" in refused.stderr
