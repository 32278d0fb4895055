"""Properties of the one reader, over modes, sizes, names and places of pictures."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from modes import MODES, write
from pictures import noise, picture, png
from PIL import Image

from zoo import datasets
from zoo.common.errors import ZooError
from zoo.datasets import preparation
from zoo.datasets.reader import open_image, to_rgb
from zoo.evaluation.features import sources

SIDE = 6
quick = settings(max_examples=30, deadline=None, derandomize=True, database=None)


@contextmanager
def place():
    """A new folder, and an empty cache of prepared data beside it."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_DATA", f"{folder}/root")
        (Path(folder) / "own").mkdir()
        yield Path(folder) / "own"


pixels = st.builds(
    lambda height, width, seed: (noise(height, width, 3, seed=seed), noise(height, width, seed=seed) // 128 * 255),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 99),
)


@quick
@given(pixels, st.sampled_from(sorted(MODES)), st.integers(1, 8), st.tuples(*[st.integers(0, 255)] * 3))
def test_every_mode_is_read_upright_and_on_the_background(seen, mode, orientation, colour):
    rgb, alpha = seen
    with place() as folder:
        path = folder / f"a{MODES[mode].suffix}"
        write(path, rgb, alpha, mode, orientation if path.suffix != ".BMP" else 1)  # which has no EXIF
        with open_image(path) as image:
            made = np.asarray(to_rgb(image, background="#{:02x}{:02x}{:02x}".format(*colour)))
    assert np.array_equal(made, MODES[mode].see(rgb, alpha, np.array(colour, np.uint8)))


@quick
@given(st.lists(st.tuples(st.sampled_from(sorted(MODES)), st.integers(1, 8)), min_size=1, max_size=5))
def test_what_is_evaluated_is_what_is_trained_on(kinds):
    """So that the distance of a folder from itself is 0."""
    with place() as folder:
        for i, (mode, orientation) in enumerate(kinds):
            suffix = MODES[mode].suffix
            rgb, alpha = noise(SIDE, SIDE, 3, seed=i), noise(SIDE, SIDE, seed=i) // 128 * 255
            write(folder / f"{i}{suffix}", rgb, alpha, mode, orientation if suffix != ".BMP" else 1)
        trained = datasets.load("custom", resolution=SIDE, root=folder)
        evaluated = sources.pictures(folder)
        assert torch.equal(evaluated.batch(0, len(kinds)), trained.images)


@quick
@given(
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.integers(1, 24),
    st.sampled_from(["centre", "random", "none"]),
    st.sampled_from(["lanczos", "bicubic", "bilinear", "nearest", "none"]),
    st.integers(0, 9),
)
def test_a_prepared_picture_shows_nothing_but_the_picture(size, side, crop, resize, index):
    """A plain picture stays plain whatever its size: no frame; a part of it that is not resized is a part of it."""
    how = preparation.of_own(datasets.OwnPreparation(crop=crop, resize=resize))
    plain = Image.new("RGB", size, (10, 200, 90))
    if resize == "none" and (min(size) < side or (crop == "none" and size != (side, side))):
        with pytest.raises(preparation.UnfitError, match=f"it has {size[0]}x{size[1]} pixels"):
            how.apply(plain, side, index)
        return
    made = how.apply(plain, side, index)
    assert made.shape == (side, side, 3)
    assert (made == (10, 200, 90)).all()
    if resize == "none":
        rows, columns = np.mgrid[0 : size[1], 0 : size[0]].astype(np.uint8)
        part = how.apply(Image.fromarray(np.stack([columns, rows, rows], 2)), side, index).astype(int)
        assert (np.diff(part[:, :, 0], axis=1) == 1).all()
        assert (np.diff(part[:, :, 1], axis=0) == 1).all()


# --------------------------------------------------------------------------------------------- names and places

name = st.binary(min_size=1, max_size=6).filter(
    lambda name: not set(name) & set(b"/\0") and name not in (b".", b"..") and not name.startswith(b".")
)
text_name = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="/\\\0."), min_size=1, max_size=6)
NOISE = ["._{}.png", ".DS_Store", "Thumbs.db", "notes.txt", "@eaDir/{}.jpg", ".thumbnails/x.png", "$RECYCLE.BIN/a.jpg"]


def trees(names):
    """Files by path: flat, by class, or below splits; class folders of these names; with what systems leave behind."""
    reserved = {"train", "training", "val", "valid", "validation", "test", "testing", "thumbnails", "lost+found"}
    classes = st.lists(names, min_size=2, max_size=3, unique=True).filter(
        lambda found: not {str(os.fsdecode(name)).lower() for name in found} & reserved
    )
    return st.tuples(
        st.one_of(st.just([""]), classes),
        st.sampled_from([[""], ["train", "test"]]),
        st.lists(names, min_size=1, max_size=3, unique=True),
        st.lists(st.sampled_from(NOISE), max_size=3),
    )


def plant(folder: Path, tree) -> tuple[dict[str, bytes], int]:
    """Write a tree; returns the content of the files by relative name, and the number of pictures of "train"."""
    classes, splits, names, rubbish = tree
    files: dict[str, bytes] = {}
    for split in splits:
        for cls in classes:
            below = "/".join(filter(None, (split, os.fsdecode(cls))))
            for i, stem in enumerate(names):
                files[f"{below}/{i}{os.fsdecode(stem)}.PNG".lstrip("/")] = png(noise(SIDE, SIDE, 3, seed=len(files)))
            for bad in rubbish:
                files[f"{below}/{bad.format(0)}".lstrip("/")] = b"no picture"
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return files, len(classes) * len(names)


def check_same(one: datasets.Dataset, other: datasets.Dataset) -> None:
    assert other.checksum == one.checksum
    assert other.class_names == one.class_names
    assert torch.equal(other.images, one.images)
    assert torch.equal(other.labels, one.labels)


@settings(quick, max_examples=20)
@given(trees(name), st.sampled_from(["", "photographs/", "./"]), st.sampled_from(["w", "w:gz", "w:xz"]))
def test_a_tar_is_read_as_the_folder_that_it_was_made_of(tree, around, mode):
    with place() as folder:
        files, count = plant(folder, tree)
        in_folder = datasets.load("custom", resolution=SIDE, root=folder)
        assert len(in_folder) == count, "pictures of the split, and nothing else"
        assert in_folder.num_classes == len(tree[0])
        assert in_folder.labels.tolist() == sorted(in_folder.labels.tolist())
        archive = folder.parent / {"w": "x.tar", "w:gz": "x.tgz", "w:xz": "X.TAR.XZ"}[mode]
        with tarfile.open(archive, mode) as made:
            for path, data in files.items():
                entry = tarfile.TarInfo(around + path)
                entry.size = len(data)
                made.addfile(entry, io.BytesIO(data))
        check_same(in_folder, datasets.load("custom", resolution=SIDE, root=archive))


@settings(quick, max_examples=20)
@given(trees(text_name), st.sampled_from(["", "photographs/"]))
def test_a_zip_is_read_as_the_folder_that_it_was_made_of(tree, around):
    with place() as folder:
        files, count = plant(folder, tree)
        in_folder = datasets.load("custom", resolution=SIDE, root=folder)
        assert len(in_folder) == count
        archive = folder.parent / "x.zip"
        with zipfile.ZipFile(archive, "w") as made:
            for path, data in files.items():
                made.writestr(around + path, data)
        in_archive = datasets.load("custom", resolution=SIDE, root=archive)
        check_same(in_folder, in_archive)
        expected = {kind.kind: kind.count for kind in in_folder.survey.left_out}
        assert {kind.kind: kind.count for kind in in_archive.survey.left_out} == expected


# -------------------------------------------------------------------------------------------------------- damage


@pytest.fixture(scope="module")
def containers(tmp_path_factory) -> Path:
    """A folder of a picture alone, and of every kind of file that holds some."""
    folder = tmp_path_factory.mktemp("containers")
    (folder / "in").mkdir()
    for i in range(3):
        picture(SIDE, SIDE, seed=i).save(folder / "in" / f"{i}.png")
    for kind in ("zip", "tar", "gztar"):
        shutil.make_archive(str(folder / "x"), kind, folder / "in")
    np.savez(folder / "x.npz", images=noise(3, SIDE, SIDE, 3), labels=np.arange(3))
    np.savez_compressed(folder / "y.npz", images=noise(3, SIDE, SIDE, 3) // 128)
    (folder / "in" / "0.png").rename(folder / "a.png")
    shutil.rmtree(folder / "in")
    assert sorted(path.name for path in folder.iterdir()) == KINDS
    return folder


def read_both(path: Path) -> list[int]:
    """The number of images as data and as what is evaluated."""
    evaluated = sources.pictures(path)
    return [len(datasets.load("custom", resolution=SIDE, root=path)), len(evaluated.batch(0, 9))]


KINDS = ["a.png", "x.npz", "x.tar", "x.tar.gz", "x.zip", "y.npz"]
share = st.floats(0, 1, exclude_max=True)


@settings(quick, max_examples=60)
@given(st.sampled_from(KINDS), share)
def test_a_file_that_was_cut_short_is_named(containers, kind, kept):
    whole = (containers / kind).read_bytes()
    # A .tar ends with twenty blocks of zeros, of which one is needed; a PNG ends with checksums, behind all pixels.
    end = {"x.tar": len(whole.rstrip(b"\0")), "a.png": len(whole) - 20}.get(kind, len(whole))
    with place() as folder:
        path = folder / kind
        path.write_bytes(whole[: int(kept * end)])
        with pytest.raises(ZooError, match=kind) as error:
            read_both(folder if kind == "a.png" else path)
        assert len(str(error.value)) < 600


@settings(quick, max_examples=60)
@given(st.sampled_from(KINDS), share, st.integers(0, 7))
def test_a_flipped_bit_is_noticed_or_harmless(containers, kind, where, bit):
    bits = bytearray((containers / kind).read_bytes())
    bits[int(where * len(bits))] ^= 1 << bit
    with place() as folder:
        path = folder / kind
        path.write_bytes(bits)
        try:
            found = read_both(folder if kind == "a.png" else path)
        except ZooError as error:
            found = [str(error)]
        assert kind in found[0] if isinstance(found[0], str) else found[0] == found[1]
