"""What one does with a batch of images: range, grid, indexing, files."""

import numpy as np
import pytest
import torch
from PIL import Image

from zoo import Images
from zoo.common.errors import ZooError


@pytest.fixture
def images():
    pixels = torch.arange(5 * 3 * 4 * 6, dtype=torch.int64).remainder(256).byte().view(5, 3, 4, 6)
    return Images(pixels, labels=torch.tensor([0, 1, 2, 3, 4]), seed=9, model="m/d")


def test_floats_are_scaled_rounded_and_clipped():
    x = torch.tensor([-2.0, -1.0, -0.999, 0.0, 0.999, 1.0, 2.0]).view(1, 1, 1, 7)
    images = Images.from_float(x)
    assert images.uint8[0, 0, 0].tolist() == [0, 0, 0, 128, 255, 255, 255]
    assert images.shape == (1, 3, 1, 7), "grey becomes three equal channels"
    assert images.float().max() == 1


def test_indexing_iteration_and_arrays(images):
    assert len(images) == 5
    assert isinstance(images[1], Image.Image)
    assert np.array_equal(np.asarray(images[-1]), images.uint8[4].permute(1, 2, 0).numpy())
    half = images[2:]
    assert torch.equal(half.uint8, images.uint8[2:])
    assert half.labels.tolist() == [2, 3, 4]
    assert half.start == 2
    assert [image.size for image in images] == [(6, 4)] * 5
    assert np.array_equal(np.asarray(images), images.uint8.numpy())
    assert np.asarray(images, dtype=np.float32).dtype == np.float32
    assert torch.equal(Images.cat([images[:2], images[2:]]).uint8, images.uint8)
    with pytest.raises(IndexError):
        images[5]


def test_grid_places_every_image(images):
    grid = np.asarray(images.grid(columns=2, padding=1))
    assert grid.shape == (3 * 5 + 1, 2 * 7 + 1, 3)
    assert np.array_equal(grid[6:10, 1:7], images.uint8[2].permute(1, 2, 0).numpy())
    assert (grid[11:15, 8:14] == 255).all(), "an empty place is white"
    assert images._repr_png_().startswith(b"\x89PNG")


def test_files(images, tmp_path):
    images.save(tmp_path / "grid.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "grid.png")), np.asarray(images.grid()))
    images.save(tmp_path / "all.npz")
    with np.load(tmp_path / "all.npz") as archive:
        assert archive["images"].shape == (5, 4, 6, 3)
        assert archive["labels"].tolist() == [0, 1, 2, 3, 4]
        assert archive["seed"] == 9
    images[2:].save(tmp_path / "folder")
    assert sorted(p.name for p in (tmp_path / "folder").iterdir()) == ["000002.png", "000003.png", "000004.png"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["all.npz", "folder", "grid.png"], "no temporary file is left"


@pytest.mark.parametrize("name", ["grid.png", "all.npz", "folder"])
def test_nothing_is_overwritten_unasked(images, tmp_path, name):
    images.save(tmp_path / name)
    with pytest.raises(ZooError, match="exists"):
        images.save(tmp_path / name)
    images.save(tmp_path / name, force=True)


def test_bad_input_is_refused(images, tmp_path):
    with pytest.raises(ZooError, match="unknown format"):
        images.save(tmp_path / "grid.docx")
    with pytest.raises(ZooError, match="uint8"):
        Images(torch.zeros(1, 3, 2, 2))
    with pytest.raises(ZooError, match="at least one"):
        Images.cat([])
