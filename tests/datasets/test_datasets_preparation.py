"""Crops, filters and modes: what the published codes do, and what a user's files need."""

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pictures import image_folder, noise, picture
from PIL import Image
from torchvision import transforms

from zoo import datasets
from zoo.datasets import preparation
from zoo.schema import registry

pytestmark = pytest.mark.usefixtures("data_root")


@pytest.mark.parametrize(
    ("dataset", "who", "side", "crop", "filter"),
    [
        ("celeba", None, 64, 178, "BILINEAR"),
        ("celeba", "mimicry", 128, 178, "BILINEAR"),
        ("imagenet", None, 32, 224, "BILINEAR"),
        ("imagenet", "mimicry", 128, 224, "BILINEAR"),
        ("lsun-bedroom", None, 128, 256, "BILINEAR"),
        ("imagenet", "studiogan", 128, None, "LANCZOS"),
        ("stl10", None, 48, None, "BILINEAR"),
        ("mnist", None, 32, None, "BICUBIC"),
        ("custom", None, 64, None, "LANCZOS"),
    ],
)
@pytest.mark.parametrize("size", [(178, 218), (500, 375), (301, 256), (223, 400), (97, 60), (33, 33)])
def test_crop_and_resize_are_the_reference_codes(dataset, who, side, crop, filter, size):
    """Bit for bit what torchvision's transforms do to a PIL image, because that is what the published scores rest on.

    Mimicry: CenterCrop(crop), Resize(side). StudioGAN: CenterCropLongEdge, Resize(side, LANCZOS). Images smaller than
    the crop are framed in black by CenterCrop, and so here.
    """
    image = picture(*size)
    reference = transforms.Compose(
        [
            transforms.CenterCrop(crop or min(size)),
            transforms.Resize((side, side), transforms.InterpolationMode[filter]),
        ]
    )
    made = preparation.standard(dataset, who).apply(image, side)
    assert np.array_equal(made, np.asarray(reference(image)))


def test_resizing_is_antialiased():
    """An independent implementation agrees to rounding (Pillow rounds after each pass); one without it does not."""
    image = picture(384, 384)
    made = torch.tensor(preparation.Preparation(None, "bilinear").apply(image, 48)).permute(2, 0, 1).float()
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float()[None]
    smooth, aliased = (
        F.interpolate(pixels, (48, 48), mode="bilinear", antialias=antialias)[0] for antialias in (True, False)
    )
    assert (made - smooth).abs().max() <= 1
    assert (made - aliased).abs().max() > 20


def test_celeba_is_cropped_as_published(data_root):
    """CenterCrop(178) of 178 x 218 pixels is columns 0 ... 177 of rows 20 ... 197: (218 - 178) / 2 = 20."""
    rows, columns = np.mgrid[0:218, 0:178].astype(np.uint8)
    folder = data_root / "celeba" / "img_align_celeba"
    folder.mkdir(parents=True)
    for i in range(3):
        Image.fromarray(np.stack([rows, columns, np.full_like(rows, i)], 2)).save(folder / f"{i:06d}.png")
    data = datasets.load("celeba", "all", 178, root=data_root)
    assert data.images.shape == (3, 3, 178, 178)
    assert torch.equal(data.images[0, 0], torch.arange(20, 198, dtype=torch.uint8)[:, None].expand(178, 178))
    assert torch.equal(data.images[0, 1], torch.arange(178, dtype=torch.uint8).expand(178, 178))
    assert data.images[:, 2, 0, 0].tolist() == [0, 1, 2]
    assert data.num_classes == 1
    (data_root / "celeba" / "list_eval_partition.txt").write_text("000000.png 0\n000001.png 2\n000002.png 0\n")
    assert datasets.load("celeba", "train", 64, root=data_root).images.shape == (2, 3, 64, 64)
    assert datasets.load("celeba", "test", 178, root=folder).images[:, 2, 0, 0].tolist() == [1]


def test_images_of_the_wanted_size_are_taken_as_they_are(tmp_path):
    folder = image_folder(tmp_path / "own", ["n01440764/1.png", "n01440764/2.png"], side=250)
    data = datasets.load("imagenet", resolution=250, root=folder)
    assert np.array_equal(data.images[1].permute(1, 2, 0), noise(250, 250, 3, seed=1))


def test_images_that_were_reduced_before_are_not_framed_in_black():
    reduced = preparation.standard("lsun-bedroom").fitted([(64, 64), (200, 100)], 32)
    assert reduced == preparation.Preparation(None, "bilinear")
    assert preparation.standard("lsun-bedroom").fitted([(64, 64), (300, 100)], 32).crop == 256


def test_every_mode_becomes_rgb(tmp_path):
    base = picture(40, 40)
    grey16 = np.linspace(0, 65535, 1600).reshape(40, 40).astype(np.uint16)
    clear = Image.new("RGBA", (40, 40), (10, 20, 30, 0))
    clear.paste((200, 0, 0, 255), (0, 0, 40, 20))
    turned = Image.Exif()
    turned[0x0112] = 6  # to be shown turned by a quarter, clockwise
    half = Image.fromarray(np.concatenate([np.zeros((20, 40), np.uint8), np.full((20, 40), 255, np.uint8)]))
    images = {
        "a-grey.png": base.convert("L"),
        "b-bit.png": base.convert("1"),
        "c-palette.gif": base.convert("P"),
        "d-cmyk.jpg": base.convert("CMYK"),
        "e-grey16.png": Image.fromarray(grey16),
        "f-clear.png": clear,
        "g-clear-palette.png": clear.quantize(),
        "h-wide.png": picture(80, 40),
        "i-turned.jpg": half,
    }
    for name, image in images.items():
        image.save(tmp_path / name, **({"exif": turned} if "turned" in name else {}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = datasets.load("custom", resolution=40, root=tmp_path)
    by_name = dict(zip(sorted(images), data.images.permute(0, 2, 3, 1).numpy(), strict=True))
    assert np.array_equal(by_name["a-grey.png"], np.asarray(base.convert("L").convert("RGB")))
    assert set(np.unique(by_name["b-bit.png"])) == {0, 255}
    with Image.open(tmp_path / "c-palette.gif") as image:
        assert np.array_equal(by_name["c-palette.gif"], np.asarray(image.convert("RGB")))
    assert np.abs(by_name["d-cmyk.jpg"].astype(int) - np.asarray(base)).mean() < 12
    assert np.array_equal(by_name["e-grey16.png"][..., 0], (grey16 / 257).round())
    for name in ("f-clear.png", "g-clear-palette.png"):
        assert by_name[name][5, 5].tolist() == [200, 0, 0], name
        assert by_name[name][35, 5].tolist() == [255, 255, 255], name
    assert np.array_equal(by_name["h-wide.png"], np.asarray(picture(80, 40))[:, 20:60])
    assert by_name["i-turned.jpg"][20, 35].max() < 20, "the dark upper half is now on the right"
    assert by_name["i-turned.jpg"][20, 5].min() > 235


def test_imagenet_of_studiogan_is_prepared_as_studiogan_does(tmp_path):
    for name in registry.names():
        config = registry.config(name)
        published_by = {weights.upstream.source for weights in config.weights if weights.upstream}
        published_by &= {"mimicry", "studiogan"}  # whose preparations there are
        if config.data.dataset == "imagenet" and published_by:
            assert published_by == {config.data.preparation}, name
    folder = tmp_path / "train" / "n01440764"
    folder.mkdir(parents=True)
    picture(300, 260).save(folder / "a.png")
    for name, who in (("contragan/imagenet128", "studiogan"), ("sngan/imagenet128", "mimicry")):
        made = datasets.load_for(registry.config(name), root=tmp_path).images[0].permute(1, 2, 0).numpy()
        assert np.array_equal(made, preparation.standard("imagenet", who).apply(picture(300, 260), 128))
