"""Pictures of one's own: prepared alike for every model, with what was made of them said and shown."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from pictures import image_folder, noise, npz, picture, prepared
from PIL import Image

from zoo import datasets
from zoo.common.errors import DataCorruptedError, ZooError
from zoo.datasets import OwnPreparation
from zoo.schema import registry

pytestmark = pytest.mark.usefixtures("data_root")


def prepared_image(folder, side=32, dataset="custom", **how):
    own = OwnPreparation(**how) if how else None
    return datasets.load(dataset, "train", side, folder, preparation=own).images[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize(
    "name", ["infomax-gan/cifar10", "sngan/celeba64", "infomax-gan/imagenet128", "contragan/digits"]
)
@pytest.mark.parametrize("size", [(60, 60), (300, 300), (512, 256)])
def test_own_pictures_are_prepared_alike_for_every_model(tmp_path, name, size):
    folder = tmp_path / "own"
    folder.mkdir()
    for i in range(2):
        picture(*size).save(folder / f"{i}.png")
    config = registry.config(name)
    side = config.data.resolution
    made = datasets.load_for(config, root=folder).images[0].permute(1, 2, 0).numpy()
    left = (size[0] - size[1]) // 2
    square = picture(*size).crop((left, 0, left + size[1], size[1]))
    assert np.array_equal(made, np.asarray(square.resize((side, side), Image.Resampling.LANCZOS)))


def test_own_pictures_have_the_usual_splits(tmp_path):
    """The models of CelebA are trained on all its images, those of STL-10 on the unlabeled ones."""
    folder = image_folder(tmp_path / "own", ["train/1.png", "train/2.png", "test/3.png"])
    for name in ("sngan/celeba64", "sngan/stl10", "sngan/cifar10"):
        assert len(datasets.load_for(registry.config(name), root=folder)) == 2
        assert len(datasets.load_for(registry.config(name), "test", folder)) == 1


def test_a_small_picture_beside_a_large_one_has_no_frame(tmp_path):
    for i, side in enumerate((100, 100, 400)):
        Image.new("RGB", (side, side), "white").save(tmp_path / f"{i}.png")
    assert int(datasets.load("celeba", "all", 64, tmp_path).images.min()) == 255


def test_the_publishers_files_are_known_by_their_places(tmp_path):
    """Own pictures below "train" are not ImageNet, nor those in a folder of CelebA's name that have another size."""
    for name, place, dataset in (
        ("own", "train/cats", "imagenet"),
        ("ids", "train/n01440764", "imagenet"),
        ("faces", "celeba/img_align_celeba", "celeba"),
    ):
        folder = tmp_path / name / place
        folder.mkdir(parents=True)
        picture(300, 400).save(folder / "1.png")
        split = {"celeba": "all"}.get(dataset, "train")
        survey = datasets.load(dataset, split, 32, tmp_path / name).survey
        assert (survey is None) == (name == "ids"), name


def test_crops(tmp_path):
    """A picture whose red tells the column and whose green tells the row."""
    rows, columns = np.mgrid[0:40, 0:100].astype(np.uint8)
    for i in range(6):
        Image.fromarray(np.stack([columns, rows, np.full_like(rows, i)], 2)).save(tmp_path / f"{i}.png")
    centre = prepared_image(tmp_path, 40)
    assert (centre[0, 0, 0], centre[0, -1, 0], centre[-1, 0, 1]) == (30, 69, 39)
    squeezed = prepared_image(tmp_path, 40, crop="none")
    assert (squeezed[0, 0, 0], squeezed[0, -1, 0], squeezed[-1, 0, 1]) == (1, 98, 39)
    data = datasets.load("custom", resolution=40, root=tmp_path, preparation=OwnPreparation(crop="random"))
    lefts = data.images[:, 0, 0, 0].tolist()
    assert len(set(lefts)) > 3
    assert torch.equal(data.images[:, 0, 0].int() - data.images[:, 0, 0, :1], torch.arange(40).expand(6, 40).int())
    again = datasets.load("custom", resolution=40, root=tmp_path, preparation=OwnPreparation(crop="random"))
    assert again.images[:, 0, 0, 0].tolist() == lefts, "each picture has one place"


def test_resizing(tmp_path):
    picture(64, 48).save(tmp_path / "a.png")
    whole = np.asarray(picture(64, 48))
    assert np.array_equal(prepared_image(tmp_path, 24, resize="nearest"), whole[1::2, 9:57:2])
    assert np.array_equal(prepared_image(tmp_path, 20, resize="none"), whole[14:34, 22:42])
    with pytest.raises(DataCorruptedError, match=r"a\.png: it has 64x48 pixels, which do not make 50x50 without"):
        prepared_image(tmp_path, 50, resize="none")
    with pytest.raises(DataCorruptedError, match="do not make 20x20"):
        prepared_image(tmp_path, 20, resize="none", crop="none")


def test_every_setting_has_prepared_pixels_of_its_own(tmp_path, data_root):
    Image.fromarray(noise(20, 90, 4)).save(tmp_path / "a.png")
    ways = [{}, {"crop": "none"}, {"crop": "random"}, {"resize": "nearest"}, {"background": "black"}]
    made = [prepared_image(tmp_path, 16, **how).tobytes() for how in ways]
    assert len(set(made)) == len(ways)
    assert len(prepared(data_root)) == 2 * len(ways)
    assert made == [prepared_image(tmp_path, 16, **how).tobytes() for how in ways]
    assert prepared_image(tmp_path, 16, background="#FFFFFF").tobytes() == made[0]
    assert len(prepared(data_root)) == 2 * len(ways), "white has two names"


@pytest.mark.parametrize(("crop", "background"), [("middle", "white"), ("none", "blurple"), ("none", "#ffffff00")])
def test_settings_that_are_refused(crop, background):
    with pytest.raises(ValueError, match=r"crop|background"):
        OwnPreparation(crop=crop, background=background)


def test_the_publishers_data_takes_no_settings(tmp_path):
    with pytest.raises(ZooError, match="is prepared as its publisher's; crop, resize and background are for pictures"):
        datasets.load("digits", preparation=OwnPreparation(crop="none"))


def grey_float(low, high) -> Image.Image:
    values = np.full((8, 8), low, np.float32)
    values[4:] = high
    return Image.fromarray(values)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (Image.fromarray(np.full((8, 8), 7, np.int32)), "32-bit integers, whose range is unknown"),
        (grey_float(0, 255), "floating-point numbers from 0 to 255, not within 0 to 1"),
        (grey_float(-0.1, 1), "floating-point numbers from -0.1 to 1"),
        (grey_float(0, np.nan), "floating-point numbers from nan to nan"),
        (grey_float(0, np.inf), "floating-point numbers"),
    ],
    ids=["32-bit", "255", "negative", "NaN", "infinite"],
)
def test_pixels_of_unknown_range_are_refused(tmp_path, image, reason):
    image.save(tmp_path / "a.tif")
    with pytest.raises(DataCorruptedError, match=rf"a\.tif cannot be read as an image \(its pixels are {reason}"):
        prepared_image(tmp_path, 8)


def test_lab_is_converted_and_of_an_animation_the_first_frame_counts(tmp_path):
    lab = np.zeros((8, 8, 3), np.uint8)
    lab[..., 0], lab[..., 1:] = 137, 0  # L = 53.7 %, a = b = 0: a middle grey
    Image.frombytes("LAB", (8, 8), lab.tobytes()).save(tmp_path / "a.tif")
    assert np.abs(prepared_image(tmp_path, 8).astype(int) - 128).max() <= 2
    (tmp_path / "a.tif").unlink()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "b.gif", save_all=True, append_images=frames[1:])
    assert prepared_image(tmp_path, 8)[0, 0].tolist() == [255, 0, 0]


def test_sixteen_bits_with_a_transparent_value(tmp_path):
    values = np.full((8, 8), 257 * 100, np.uint16)
    values[:4] = 257 * 7
    Image.fromarray(values).save(tmp_path / "a.png", transparency=257 * 7)
    made = prepared_image(tmp_path, 8, background="#0a141e")
    assert made[0, 0].tolist() == [10, 20, 30]
    assert made[7, 0].tolist() == [100, 100, 100]


# ------------------------------------------------------------------------------------------ what is said and shown


def test_what_was_read_is_described(tmp_path):
    folder = image_folder(tmp_path / "own", ["train/cat/1.png", "train/cat/2.png", "train/dog/1.png", "test/cat/1.png"])
    image_folder(folder, ["test/dog/9.png", "cover.png"])
    picture(90, 70).save(folder / "train" / "dog" / "2.png")
    (folder / "train" / "cat" / "._1.png").write_bytes(b"")
    (folder / "train" / "cat" / "Thumbs.db").write_bytes(b"")
    (folder / "train" / "dog" / "@eaDir").mkdir()
    (folder / "readme.txt").write_text("")
    for _ in range(2):  # prepared, and found
        data = datasets.load("custom", "train", 24, folder)
        lines = dict(line.split(None, 1) for line in datasets.describe(data).splitlines())
        assert lines["sizes"] == "20x20 (3), 90x70 (1); 3 of 4 have a side below 24 and were enlarged"
        assert lines["prepared"] == "upright, transparent on white, centred square, resized (lanczos)"
        assert lines["classes"] == "2: cat 2, dog 2"
        assert lines["left"] == (
            "out  2 test pictures (test/cat/1.png, test/dog/9.png); 1 .txt file (readme.txt); 1 hidden file "
            "(train/cat/._1.png); 1 loose picture (cover.png); 1 system file (train/cat/Thumbs.db); 1 system folder "
            "(train/dog/@eaDir)"
        )
        (folder / "train" / "cat" / "more.db").write_bytes(b"")
        assert ".db file (train/cat/more.db)" in datasets.describe(datasets.load("custom", "train", 24, folder))
        (folder / "train" / "cat" / "more.db").unlink()
    many = datasets.Survey(tuple(datasets.dataset.SizeCount(i, 2 * i, i) for i in range(8, 20)), "")
    assert many.describe_sizes(10) == (
        "8x16 to 19x38, 12 sizes, most often 19x38 (19); 17 of 162 have a side below 10 and were enlarged"
    )
    reduced = datasets.load("custom", resolution=16, root=npz(tmp_path / "x.npz", images=noise(3, 8, 9, 3))).survey
    assert reduced.describe_sizes(16) == "9x8 (3); 3 of 3 have a side below 16 and were enlarged"


def test_a_contact_sheet(tmp_path):
    folder = image_folder(tmp_path / "own", [f"{name}/{i}.png" for name in ("a", "b") for i in range(30)], side=40)
    data = datasets.load("custom", resolution=40, root=folder)
    for _ in range(2):  # an earlier one is replaced
        datasets.write_contact_sheet(data, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        pixels = np.asarray(sheet)
    row = pixels.shape[0] // 2
    assert np.array_equal(pixels[20:60, 2:42], noise(40, 40, 3, seed=0))
    assert np.array_equal(pixels[20:60, 44:84], noise(40, 40, 3, seed=list(map(str, range(30))).index("11")))
    assert np.array_equal(pixels[row + 19 : row + 59, 2:42], noise(40, 40, 3, seed=30))
    assert pixels[3:18, :100].min() < 128, "the name of the class"
    flat = datasets.Dataset(data.images[:12], data.labels[:12] * 0, 1)
    datasets.write_contact_sheet(flat, tmp_path / "flat.jpg")
    with Image.open(tmp_path / "flat.jpg") as sheet:
        assert sheet.size == (422, 86), "two rows without titles"
    many = datasets.Dataset(data.images[:40], torch.arange(40), 40, class_names=tuple(f"é{i}" for i in range(40)))
    datasets.write_contact_sheet(many, tmp_path / "many.png")
    with Image.open(tmp_path / "many.png") as sheet:
        assert sheet.height == 31 * 60 + 2, "thirty classes, and a line about ten more"
    inside_a_file = folder / "a" / "0.png" / "x.png"
    for path, words in ((tmp_path / "sheet.txt", "no suffix of a picture"), (inside_a_file, "cannot be written")):
        with pytest.raises(ZooError, match=words):
            datasets.write_contact_sheet(data, path)


def test_the_commands_show_and_keep_the_settings(command, tmp_path):
    folder = image_folder(tmp_path / "own", ["a/1.png", "b/2.png", "b/3.png"])
    shown = command("data", "preview", folder, "-o", "sheet.png", "--resolution", 16, "--crop", "none")
    assert shown.returncode == 0
    assert "2: a 1, b 2" in shown.stdout
    assert "squeezed to a square" in shown.stdout
    assert (tmp_path / "sheet.png").is_file()
    made = command("data", "prepare", "custom", "--root", folder, "--resolution", 16, "--preview", "two.png")
    assert made.returncode == 0
    assert (tmp_path / "two.png").is_file()
    for wrong in (["--crop", "middle"], ["--background", "blurple"]):
        refused = command("data", "preview", folder, "-o", "sheet.png", *wrong)
        assert refused.returncode == 2
        assert wrong[0] in refused.stderr
    small = ["--width", 8, "--steps", 1, "--batch-size", 2, "--device", "cpu"]
    trained = command(
        "train",
        "infomax-gan/digits",
        "--data",
        folder,
        "-o",
        "run",
        "--background",
        "black",
        "--preview",
        "3.png",
        *small,
    )
    assert trained.returncode == 0, trained.stderr
    assert "transparent on black" in trained.stdout
    assert (tmp_path / "3.png").is_file()
    kept = json.loads((tmp_path / "run" / "config.json").read_text())["data"]["preparation"]
    assert kept == {"crop": "centre", "resize": "lanczos", "background": "#000000"}
    refused = command("train", "infomax-gan/digits", "-o", "other", "--crop", "none", *small)
    assert refused.returncode == 1
    assert "prepared as its publisher's" in refused.stderr
