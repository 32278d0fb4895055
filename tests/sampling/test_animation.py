"""Films: what a player reads is what was drawn, frame by frame."""

import builtins
import io

import numpy as np
import pytest
import torch
from PIL import Image

from zoo import Images
from zoo.common.errors import ZooError
from zoo.sampling import animation

av = pytest.importorskip("av")


def frames(n: int, height: int = 32, width: int = 32, grey: bool = False) -> Images:
    """A bright square that moves, over colours that differ from frame to frame."""
    chance = torch.Generator().manual_seed(0)
    colours = torch.randint(40, 200, (n, 1 if grey else 3, 1, 1), generator=chance, dtype=torch.uint8)
    pixels = colours.expand(n, 3, height, width).clone()
    for i in range(n):
        pixels[i, :, : height // 2, 2 * i : 2 * i + 8] = 240
    return Images(pixels, labels=torch.zeros(n), seed=1, frames=True)


def opened(path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


def played(data: bytes) -> tuple[list[np.ndarray], list[int]]:
    """The frames of a GIF as (H, W, 3), and their durations in milliseconds."""
    film, found, durations = Image.open(io.BytesIO(data)), [], []
    for i in range(film.n_frames):
        film.seek(i)
        found.append(np.asarray(film.convert("RGB")))
        durations.append(film.info["duration"])
    return found, durations


@pytest.mark.parametrize("grey", [True, False])
def test_a_gif_loops_and_shows_every_frame(grey, tmp_path):
    images = frames(6, grey=grey)
    data = images.save(tmp_path / "walk.gif").read_bytes()
    shown, durations = played(data)
    assert Image.open(io.BytesIO(data)).info["loop"] == 0, "for ever"
    assert durations == [80] * 6
    for frame, image in zip(shown, images, strict=True):
        assert np.array_equal(frame, np.kron(np.asarray(image), np.ones((4, 4, 1), np.uint8)))


def test_every_frame_has_a_palette_of_its_own():
    noise = np.random.default_rng(0).integers(0, 256, (3, 3, 16, 16)).astype(np.uint8)
    noise[1] //= 4  # dark
    shown, _ = played(Images(noise, frames=True).to_bytes(".gif", scale=1))
    for frame, image in zip(shown, noise.transpose(0, 2, 3, 1), strict=True):
        assert np.abs(frame.astype(int) - image).mean() < 1.5


@pytest.mark.parametrize(("side", "expected"), [(8, 128), (28, 140), (32, 128), (48, 144), (127, 254), (128, 128)])
def test_small_films_are_enlarged(side, expected):
    shown, _ = played(frames(2, side, side).to_bytes(".gif"))
    assert shown[0].shape == (expected, expected, 3)


@pytest.mark.parametrize(("fps", "duration"), [(5, 200), (np.int8(10), 100), (2.5, 400), (50, 20), (None, 80)])
def test_speed_and_scale_are_chosen(fps, duration):
    shown, durations = played(frames(2).to_bytes(".gif", fps=fps, scale=np.uint8(2)))
    assert durations == [duration] * 2
    assert shown[0].shape == (64, 64, 3)


@pytest.mark.parametrize(("height", "width", "scale"), [(32, 32, None), (5, 7, 1), (28, 20, 5), (33, 33, 4)])
def test_an_mp4_is_what_browsers_play(height, width, scale, tmp_path):
    images = frames(6, height, width)
    path = images.save(tmp_path / "walk.mp4", fps=10, scale=scale)
    with av.open(str(path)) as film:
        video = film.streams.video[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (video.average_rate, video.frames) == (10, 6)
        shown = [frame.to_ndarray(format="rgb24") for frame in film.decode(video)]
    factor = scale or 4
    assert shown[0].shape == (height * factor + height * factor % 2, width * factor + width * factor % 2, 3)
    for frame, image in zip(shown, images, strict=True):
        large = np.kron(np.asarray(image), np.ones((factor, factor, 1), np.uint8))
        frame = frame[: height * factor, : width * factor]
        assert np.abs(frame.astype(int) - large).mean() < (20 if scale == 1 else 3)  # blocks of 2x2 share a colour


def test_what_becomes_a_film(tmp_path):
    film, images = frames(4), Images(frames(4).uint8)
    assert opened(images.save(tmp_path / "grid.gif")).n_frames == 1
    with av.open(str(images.save(tmp_path / "any.mp4"))) as shown:
        assert shown.streams.video[0].frames == 4
    assert opened(film.save(tmp_path / "grid.png", columns=4)).size == film.grid(4).size
    for part in (film[1:3], film[[0, 2]], Images.cat([film, film])):
        assert part.frames
    assert not Images.cat([film, images]).frames
    for options, words in (({"fps": 5}, "fps is for animations"), ({"scale": 2}, "scale is for animations")):
        for name in ("x.png", "x.npz", "x"):
            with pytest.raises(ZooError, match=words):
                film.save(tmp_path / name, **options)
    with pytest.raises(ZooError, match=r"columns is for a grid, and this .gif is an animation"):
        film.save(tmp_path / "x.gif", columns=2)


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_films_that_cannot_be_are_a_line(suffix, tmp_path):
    for options in ({"fps": 0}, {"fps": 51}, {"fps": "fast"}, {"fps": float("nan")}, {"fps": 1e-9}, {"fps": True}):
        with pytest.raises(ZooError, match=r"^fps is .*; give a number up to 50$"):
            frames(2).save(tmp_path / f"x{suffix}", **options)
    for scale in (0, 1.5, "2"):
        with pytest.raises(ZooError, match=r"^scale is .*; give a whole number"):
            frames(2).save(tmp_path / f"x{suffix}", scale=scale)
    with pytest.raises(ZooError, match="a film is at most 16,384 pixels wide, not 32,000"):
        frames(2).save(tmp_path / f"x{suffix}", scale=1000)
    with pytest.raises(ZooError, match="no images to animate"):
        frames(2)[:0].save(tmp_path / f"x{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_without_pyav_an_mp4_names_the_extra(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "av":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ZooError, match=r"pip install 'av>=12', or give a .gif$"):
        frames(2).save(tmp_path / "x.mp4")
    assert list(tmp_path.iterdir()) == []
    assert frames(2).save(tmp_path / "x.gif").is_file()


def test_a_pyav_without_the_encoder_is_a_line(tmp_path, monkeypatch):
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    with pytest.raises(ZooError, match=r"without the encoder libx264; run: pip install 'av>=12', or give a .gif"):
        frames(2).save(tmp_path / "x.mp4")


def test_the_bytes_do_not_change_from_one_time_to_the_next():
    for suffix in (".gif", ".mp4"):
        assert frames(3).to_bytes(suffix) == frames(3).to_bytes(suffix)
    assert animation.FPS == 12
