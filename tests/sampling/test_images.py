"""What one does with a batch of images: range, grid, indexing, files."""

import io
import os
import time

import numpy as np
import pytest
import torch
from PIL import Image

from zoo import Images
from zoo.common import memory
from zoo.common.errors import ZooError
from zoo.sampling import images as images_module


@pytest.fixture
def images():
    pixels = torch.arange(5 * 3 * 4 * 6, dtype=torch.int64).remainder(256).byte().view(5, 3, 4, 6)
    return Images(pixels, labels=torch.tensor([0, 1, 2, 3, 4]), seed=9, model="m/d")


def opened(path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


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


@pytest.mark.parametrize(
    "index",
    [3, -2, np.int8(3), np.uint8(3), np.int64(-2), np.array(3), torch.tensor(3), torch.tensor(-2, dtype=torch.int8)],
)
def test_one_index_of_any_kind_is_one_image(images, index):
    assert isinstance(images[index], Image.Image)
    assert np.array_equal(np.asarray(images[index]), images.uint8[3].permute(1, 2, 0).numpy())


@pytest.mark.parametrize(
    "index",
    [
        *(
            [1, 4],
            (1, -1),
            [np.int8(1), np.uint8(4)],
            [torch.tensor(1), np.array(4)],
            range(1, 5, 3),
            slice(1, None, 3),
        ),
        *(np.array([1, 4], np.uint8), np.array([-4, -1], np.int8), torch.tensor([1, 4], dtype=torch.uint8)),
        *(torch.tensor([1, -1]), np.array([1, 4], np.uint64), slice(1, None, 3)),
        slice(np.int8(1), torch.tensor(5), np.uint8(3)),
        *([False, True, False, False, True], np.arange(5) % 3 == 1, torch.arange(5) % 3 == 1),
    ],
)
def test_several_indices_of_any_kind_are_images(images, index):
    chosen = images[index]
    assert torch.equal(chosen.uint8, images.uint8[[1, 4]])
    assert chosen.labels.tolist() == [1, 4]
    assert (chosen.start, chosen.seed, chosen.model) == (0, 9, "m/d")


def test_slices_are_those_of_a_list(images):
    numbers = list(range(5))
    for wanted in (slice(None), slice(None, None, -1), slice(3, 0, -2), slice(-2, 9), slice(4, 2), slice(-99, 99, 2)):
        assert images[wanted].labels.tolist() == numbers[wanted]
    assert [len(images[empty]) for empty in ([], np.array([]), np.zeros(5, bool))] == [0, 0, 0]
    assert Images(images.uint8, start=7)[2:4].start == 9


@pytest.mark.parametrize(
    "index",
    [
        *(5, -6, np.int8(-6), np.uint8(255), np.uint64(2**64 - 1), 10**30, torch.tensor(5), [0, 5], [-6], [10**30]),
        *(np.array([0, 255], np.uint8), np.array([2**64 - 1], np.uint64), np.ones(4, bool), [True]),
    ],
)
def test_an_index_out_of_range_is_that_of_a_list(images, index):
    with pytest.raises(IndexError, match="for 5 images"):
        images[index]


@pytest.mark.parametrize(
    "index",
    [
        *("a", 1.0, None, ..., True, np.True_, torch.tensor(True), torch.tensor(1.0), np.float32(1), ["a"], [0.5]),
        *(np.array([1.0]), np.array([[1]]), [[1], [2, 3]], slice(None, None, 0), slice(0.5, None), {1}),
    ],
)
def test_what_is_no_index_is_a_line(images, index):
    with pytest.raises(ZooError, match="give a whole number, a slice, or a list") as error:
        images[index]
    assert len(str(error.value)) < 300


def test_joined_images_keep_what_they_share(images):
    joined = Images.cat([images[:2], images[[3]]])
    assert (joined.labels.tolist(), joined.seed, joined.model) == ([0, 1, 3], 9, "m/d")
    other = Images(images.uint8, seed=np.uint64(2), model="m/e")
    joined = Images.cat([images, other])
    assert (joined.labels, joined.seed, joined.model) == (None, None, None)
    with pytest.raises(ZooError, match="images of 6x4 and 4x6 cannot be joined"):
        Images.cat([images, Images(images.uint8.transpose(2, 3))])


def test_arguments_of_any_kind(images):
    same = Images(
        images.uint8.numpy(), labels=np.arange(5, dtype=np.uint8), seed=np.uint64(2**64 - 1), start=np.int8(3)
    )
    assert torch.equal(same.uint8, images.uint8)
    assert (same.labels.dtype, same.seed, same.start) == (torch.int64, 2**64 - 1, 3)
    assert same.labels.tolist() == images.labels.tolist()
    assert Images(images.uint8, labels=torch.ones(5)).labels.tolist() == [1] * 5
    with pytest.raises(ZooError, match=r"labels are \(4,\) for 5 images"):
        Images(images.uint8, labels=[1, 2, 3, 4])
    for labels in (
        [1.5, 2, 3, 4, 5],
        np.full(5, np.inf),
        torch.ones(5, dtype=torch.bool),
        ["a"] * 5,
        [None] * 5,
        10**30,
        {1},
    ):
        with pytest.raises(ZooError, match="give one whole number per image"):
            Images(images.uint8, labels=labels)
    with pytest.raises(ZooError, match="seed is -1"):
        Images(images.uint8, seed=-1)
    assert images.grid(np.int8(2)).size == images.grid(torch.tensor(2)).size == images.grid(2).size == (18, 20)
    for columns in (0, -1, 1.5, True):
        with pytest.raises(ZooError, match=r"columns is .*; give a whole number of at least 1"):
            images.grid(columns)


def test_the_seed_of_our_own_file_makes_the_same_images(images, tmp_path):
    Images(images.uint8, seed=2**64 - 1).save(tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as archive:
        assert Images(images.uint8, seed=archive["seed"]).seed == 2**64 - 1


def test_grid_places_every_image(images):
    grid = np.asarray(images.grid(columns=2, padding=1))
    assert grid.shape == (3 * 5 + 1, 2 * 7 + 1, 3)
    assert np.array_equal(grid[6:10, 1:7], images.uint8[2].permute(1, 2, 0).numpy())
    assert (grid[11:15, 8:14] == 255).all(), "an empty place is white"
    assert images._repr_png_().startswith(b"\x89PNG")


def test_a_grid_of_too_many_images_is_refused():
    many = Images(torch.zeros(10_001, 3, 1, 1, dtype=torch.uint8))
    with pytest.raises(ZooError, match=r"at most 10,000 images, not 10,001; .*images\[:1000\].*folder or an .npz$"):
        many.grid()
    assert many[:10_000].grid(padding=0).size == (100, 100)
    shown = Image.open(io.BytesIO(many._repr_png_()))
    assert shown.size == many[:1000].grid().size


@pytest.mark.parametrize(("suffix", "most"), [(".webp", 16_383), (".jpg", 65_500), (".gif", 65_535)])
def test_a_format_that_cannot_hold_the_grid_is_a_line(suffix, most, tmp_path):
    for side in (most - 4, most - 3):
        images = Images(torch.zeros(1, 3, 1, side, dtype=torch.uint8))
        if side + 4 <= most:
            assert opened(images.save(tmp_path / f"x{suffix}")).width == most
            continue
        with pytest.raises(ZooError, match=rf"{most + 1:,} x 5 pixels, but {suffix} holds {most:,} along a side"):
            images.save(tmp_path / f"y{suffix}")
    assert [path.name for path in tmp_path.iterdir()] == [f"x{suffix}"]


def test_a_grid_that_does_not_fit_in_memory_is_refused(images):
    with pytest.raises(ZooError, match=r"the pixels of a grid of 5 images take .* GiB, this machine has .* free; "):
        images.grid(padding=10**8)


def test_what_takes_more_memory_than_there_is_is_refused(images, monkeypatch):
    monkeypatch.setattr(memory, "_SMALL", 0)
    monkeypatch.setattr(memory, "available", lambda: 1000)  # 360 are in use
    assert len(Images.cat([images, images])) == 10
    for wanted in (images.float, lambda: Images.cat([images] * 3), lambda: images.grid(padding=10)):
        with pytest.raises(ZooError, match=r"images.* take .* GiB, this machine has .* GiB free; "):
            wanted()


def test_images_do_not_follow_the_default_device_and_precision(images):
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            parts = [images[[0, 2]], images[[True] * 5], images[::-1], Images(images.uint8, labels=[4, 3, 2, 1, 0])]
            joined = Images.cat(iter(parts))
            assert joined.labels.tolist() == [0, 2, 0, 1, 2, 3, 4, 4, 3, 2, 1, 0, 4, 3, 2, 1, 0]
            assert images.float().dtype == torch.float32
            assert joined.grid().size == (5 * 8 + 2, 4 * 6 + 2)
    finally:
        torch.set_default_dtype(before)


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
    others = Images(255 - images.uint8)
    images.save(tmp_path / name)
    with pytest.raises(ZooError, match="exists"):
        others.save(tmp_path / name)
    others.save(tmp_path / name, force=True)


@pytest.mark.parametrize("name", ["grid.png", "all.npz", "folder"])
def test_the_same_again_is_no_overwriting(images, tmp_path, name, monkeypatch):
    """A cell of a notebook may run twice; a folder that lacks a picture is completed."""
    images.save(tmp_path / name)
    first = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    time.sleep(0.01)
    assert images.save(tmp_path / name) == tmp_path / name
    assert first == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    for missing in list(first)[:1]:
        missing.unlink()
        images.save(tmp_path / name)
        assert missing.exists()


def test_bad_input_is_refused(images, tmp_path):
    with pytest.raises(ZooError, match="unknown format"):
        images.save(tmp_path / "grid.docx")
    with pytest.raises(ZooError, match="uint8"):
        Images(torch.zeros(1, 3, 2, 2))
    with pytest.raises(ZooError, match="at least one"):
        Images.cat([])
    for other in (images.uint8, None, "x"):
        with pytest.raises(ZooError, match="is not a batch of Images"):
            Images.cat([images, other])
        with pytest.raises(ZooError, match="images must be floats"):
            Images.from_float(None if other is images.uint8 else other)
    for suffix in ("png", ".PNG", "", None, ".docx"):
        with pytest.raises(ZooError, match=r"^suffix is .*; give one of .bmp, .*\.npz, .png"):
            images.to_bytes(suffix)
    for path in ("", "a\0b.png"):
        with pytest.raises(ZooError, match="names no file"):
            images.save(path)


def no_links(*paths):
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize("out", ["x.png", "x.npz", "d"])
@pytest.mark.parametrize("has_links", [True, False])
def test_of_two_writers_of_one_output_the_second_is_refused(images, tmp_path, out, has_links, monkeypatch):
    """The other process writes between the look at the output and the first byte."""
    first, second = images[:2], Images(255 - images.uint8[:2])
    look = images_module.refuse_overwriting
    if not has_links:
        monkeypatch.setattr(os, "link", no_links)

    def overtaken(targets, force):
        look(targets, force)
        monkeypatch.setattr(images_module, "refuse_overwriting", look)
        first.save(tmp_path / out)

    monkeypatch.setattr(images_module, "refuse_overwriting", overtaken)
    with pytest.raises(ZooError, match="exists; give another path"):
        second.save(tmp_path / out)
    first.save(tmp_path / f"alone-{out}")
    whole = {path.name: path.read_bytes() for path in (tmp_path / out).glob("*")}
    assert whole == {path.name: path.read_bytes() for path in (tmp_path / f"alone-{out}").glob("*")}
    if not whole:
        assert (tmp_path / out).read_bytes() == (tmp_path / f"alone-{out}").read_bytes()
    assert not list(tmp_path.rglob(".*"))
