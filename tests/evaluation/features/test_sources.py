"""Images under a protocol: those of `sample`, other scales, other batch norm modes, and what is refused."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import zoo
from zoo.common import quantise
from zoo.common.errors import ZooError
from zoo.evaluation.features import sources
from zoo.evaluation.features.sources import Generated
from zoo.evaluation.protocols import batch_norm_modes
from zoo.evaluation.protocols.protocol import Sampling
from zoo.sampling import latents


@pytest.mark.parametrize("name", ["contragan/digits", "infomax-gan/digits"])
def test_clean_images_are_those_of_sample(name):
    model = zoo.load(name, device="cpu")
    source = Generated(model, Sampling(), 100, seed=3)
    expected = model.sample(100, seed=3)
    assert torch.equal(torch.cat([source.batch(0, 64), source.batch(64, 36)]), expected.uint8)
    if model.num_classes:
        assert torch.equal(source.labels(), expected.labels)
    else:
        assert source.labels() is None


def test_min_max_is_over_all_images_or_over_the_batch(unconditional):
    floats = Generated(unconditional, Sampling(), 70, seed=0).floats(0, 70)
    over_all = Generated(unconditional, Sampling(quantise="min-max"), 70, seed=0)
    over_all.prepare()
    expected = quantise.min_max(floats, float(floats.min()), float(floats.max()))
    assert torch.equal(torch.cat([over_all.batch(0, 64), over_all.batch(64, 6)]), expected)
    by_batch = Generated(unconditional, Sampling(quantise="min-max-batch", batch_size=10), 70, seed=0)
    for start in (0, 30):
        part = floats[start : start + 10]
        expected = quantise.min_max(part, float(part.min()), float(part.max()))
        assert torch.equal(by_batch.batch(start, 20)[:10], expected)


def test_unrounded_images_keep_their_fractions(unconditional):
    floats = Generated(unconditional, Sampling(), 8, seed=0).floats(0, 8)
    images = Generated(unconditional, Sampling(quantise="none"), 8, seed=0).batch(0, 8)
    assert torch.allclose(images / 127.5 - 1, floats, atol=1e-6)
    assert 0 <= images.min() < images.max() <= 255


def training_mode(model, z, y):
    """The generator with its batch norms alone in training mode, by hand."""
    network = copy.deepcopy(model.generator)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
    with torch.no_grad():
        return network(z, y).expand(-1, 3, -1, -1)


def test_batch_statistics_are_those_of_each_group(model):
    before = copy.deepcopy(model.generator.state_dict())
    source = Generated(model, Sampling(quantise="none", batch_norm="batch", batch_size=10), 25, seed=0)
    images = source.floats(0, 25)  # the last group is completed, then cut
    for start in (0, 20):
        z, y = model.latents(10, 0, start), latents.labels(0, start, 10, 10)
        expected = training_mode(model, z, y)[: min(10, 25 - start)]
        assert torch.allclose(images[start : start + 10], expected, atol=1e-5)
    assert not torch.allclose(images, Generated(model, Sampling(), 25, seed=0).floats(0, 25), atol=1e-2)
    assert all(torch.equal(before[k], v) for k, v in model.generator.state_dict().items()), "a copy is used"


def test_standing_statistics_come_from_the_generator_itself(model, monkeypatch):
    monkeypatch.setattr(batch_norm_modes, "STANDING_BATCHES", 40)
    sampling = Sampling(batch_norm="standing", batch_size=8)
    images = Generated(model, sampling, 16, seed=0).floats(0, 16)
    assert torch.equal(images, Generated(model, sampling, 16, seed=0).floats(0, 16)), "they are drawn from a seed"
    running = Generated(model, Sampling(), 16, seed=0).floats(0, 16)
    # The running averages are of the same network, so the two nearly agree; with other statistics they would not.
    assert 0 < (images - running).abs().mean() < 0.1


def test_labels_in_the_proportions_of_the_data(model):
    counts = torch.tensor([10, 0, 30, 60])
    labels = sources.in_proportion(counts, 50, seed=1)
    assert torch.bincount(labels, minlength=4).tolist() == [5, 0, 15, 30]
    assert not torch.equal(labels, labels.sort().values)
    assert torch.equal(labels, sources.in_proportion(counts, 50, seed=1))
    proportions = torch.ones(10)
    proportions[3] = 0
    assert 3 not in Generated(model, Sampling(), 90, seed=0, proportions=proportions).labels()


def test_images_that_are_no_numbers_are_refused(model):
    broken = copy.deepcopy(model)
    for parameter in broken._renderer.network.buffers():
        parameter[...] = float("nan")
    with pytest.raises(ZooError, match=r"image 0 of contragan/digits .* not finite"):
        zoo.evaluate(broken, ("fid",), extractor="tiny", num_fake=64, device="cpu")


def test_a_folder_of_one_size(tmp_path, unconditional):
    images = unconditional.sample(5, seed=0)
    images.save(tmp_path / "a")
    source = sources.pictures(tmp_path / "a")
    assert torch.equal(source.batch(0, 5), images.uint8)
    images[0].resize((16, 16)).save(tmp_path / "a" / "000003.png")
    with pytest.raises(ZooError, match=r"000003.png is 16x16, others are 32x32"):
        source.batch(0, 5)
    (tmp_path / "a" / "000004.png").write_text("not a picture")
    with pytest.raises(ZooError, match=r"000004.png cannot be read"):
        source.batch(4, 1)


def test_a_folder_without_images_says_what_it_holds(tmp_path):
    (tmp_path / "cats").mkdir()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ZooError, match=r"has no images \(.jpg, .*, but 1 .txt file \(notes.txt\); give"):
        sources.pictures(tmp_path)


def test_arrays_in_either_order_and_nothing_else():
    pixels = np.zeros((2, 8, 8, 3), np.uint8)
    assert sources.from_array(pixels).images.shape == (2, 3, 8, 8)
    assert sources.from_array(torch.zeros(2, 3, 8, 8, dtype=torch.uint8)).images.shape == (2, 3, 8, 8)
    with pytest.raises(ZooError, match="float32"):
        sources.from_array(torch.zeros(2, 3, 8, 8))
    with pytest.raises(ZooError, match="32x16"):
        zoo.evaluate(torch.zeros(9, 3, 16, 32, dtype=torch.uint8), extractor="tiny", data="digits")


def test_npz_files_of_sample_are_images(tmp_path, unconditional):
    unconditional.sample(6, seed=0).save(tmp_path / "x.npz")
    assert torch.equal(sources.pictures(tmp_path / "x.npz").images, unconditional.sample(6, seed=0).uint8)
    np.savez(tmp_path / "y.npz", x=np.zeros(3))
    with pytest.raises(ZooError, match="it has x"):
        sources.pictures(tmp_path / "y.npz")
