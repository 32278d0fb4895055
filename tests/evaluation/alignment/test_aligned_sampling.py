"""Sampling draws the class that is named, wherever an alignment stands."""

import numpy as np
import pytest
import torch
from relabel import ORDER, permuted

import zoo
from zoo.common.errors import LabelError, ZooError
from zoo.evaluation.alignment import classifiers
from zoo.sampling import bulk


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


def test_wrong_labels_leave_nothing_behind(digits, tmp_path, command):
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
