"""Films and grids from the command line: what moves, what is refused, and when."""

import io

import numpy as np
import pytest
from PIL import Image

import zoo

pytest.importorskip("av")


def frames(path) -> int:
    return Image.open(io.BytesIO(path.read_bytes())).n_frames


def played(path) -> list[np.ndarray]:
    import av

    with av.open(str(path)) as film:
        return [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]


def test_a_walk_is_that_of_the_model(command, tmp_path):
    out = tmp_path / "walk.gif"
    done = command("interpolate", "contragan/digits", "--from", 3, "--to", 4, "--steps", 7, "--label", 8, "-o", out)
    assert done.stdout == f"{out}: 7 images of 32x32 from contragan/digits, from seed 3 to seed 4\n"
    expected = zoo.load("contragan/digits").interpolate(3, 4, 7, label=8)
    film = Image.open(io.BytesIO(out.read_bytes()))
    assert film.n_frames == 7
    for i, image in enumerate(expected):
        film.seek(i)
        shown = np.asarray(film.convert("RGB").resize((32, 32), Image.Resampling.NEAREST))
        assert np.abs(shown.astype(int) - np.asarray(image)).mean() < 1


def test_a_walk_by_default(command, tmp_path):
    done = command("interpolate", "infomax-gan-digits", "--steps", 3)
    assert done.returncode == 0, done.stderr
    assert frames(tmp_path / "infomax-gan-digits-walk.gif") == 3
    again = command("interpolate", "infomax-gan-digits", "--steps", 3)
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)
    assert "--force" in again.stderr
    seeds = ("--from", 1, "--to", 2, "--steps", 3, "--force", "-q")
    assert command("interpolate", "infomax-gan-digits", *seeds).stdout == ""
    assert "it existed already" in command("interpolate", "infomax-gan-digits", *seeds[:-2]).stdout
    assert "--force" in command("interpolate", "infomax-gan-digits", "--from", 1, "--to", 3, "--steps", 3).stderr


def test_a_walk_in_other_formats(command, tmp_path):
    walk = ("interpolate", "infomax-gan/digits", "--from", 1, "--to", 2, "--steps", 4)
    assert command(*walk, "-o", "x.mp4", "--fps", 5, "--scale", 2).returncode == 0
    assert [frame.shape for frame in played(tmp_path / "x.mp4")] == [(64, 64, 3)] * 4
    assert command(*walk, "-o", "x.png").returncode == 0
    expected = zoo.load("infomax-gan/digits").interpolate(1, 2, 4)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "x.png")), np.asarray(expected.grid(4)))
    assert command(*walk, "-o", "x", "-q").returncode == 0
    assert len(list((tmp_path / "x").glob("*.png"))) == 4
    assert command(*walk, "-o", "x").returncode == 0, "the same again"
    assert "exists" in command(*walk[:-1], 5, "-o", "x").stderr


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["contragan/digits", "--steps", "1"], 2, "--steps"),
        (["contragan/digits", "--label", "eleven"], 2, 'no class "eleven"'),
        (["infomax-gan/digits", "--label", "3"], 2, "unconditional"),
        (["contragan/digits", "-o", "x.docx"], 2, "unknown format"),
        (["contragan/digits", "-o", "x.png", "--fps", "5"], 2, "fps is for animations"),
        (["contragan/digits", "-o", "x.npz", "--scale", "5"], 2, "scale is for animations"),
        (["contragan/digits", "-o", "x.gif", "--columns", "5"], 2, "columns is for a grid"),
        (["contragan/digits", "-o", "x.png", "--steps", "10001"], 1, "at most 10,000 images"),
        (["contragan/digits", "-o", "x.webp", "--steps", "500"], 1, "17,002 x 36 pixels, but .webp holds 16,383"),
        (["contragan/digits", "--steps", "2", "--fps", "99"], 2, "fps is 99.0; give a number up to 50"),
    ],
)
def test_wrong_walks_are_one_line(command, tmp_path, arguments, status, words):
    done = command("interpolate", *arguments)
    assert done.returncode == status
    assert words in " ".join(done.stderr.split())
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_sample_as_a_film(command, tmp_path):
    make = ("sample", "contragan/digits", "-n", 20, "--label", "all", "--seed", 1, "-o", "x.mp4")
    assert command(*make).returncode == 0
    expected = zoo.load("contragan/digits").sample(20, "all", seed=1)
    for frame, image in zip(played(tmp_path / "x.mp4"), expected, strict=True):
        assert np.abs(frame[::4, ::4].astype(int) - np.asarray(image)).mean() < 4
    assert "it existed already" in command(*make).stdout
    assert "columns is for a grid" in command(*make, "--columns", 3).stderr


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["-n", "10000000000", "-o", "grid.png"], 1, "at most 10,000 images, not 10,000,000,000; take fewer"),
        (
            ["-n", "600", "--columns", "600", "-o", "x.webp"],
            1,
            "20,402 x 36 pixels, but .webp holds 16,383 along a side",
        ),
        (["-n", "10000000000000", "-o", "x.npz"], 1, "images take"),
        (["-n", "10000000000000", "-l", "all", "-o", "x"], 1, "the labels of 10,000,000,000,000 images take"),
        (["--truncation", "wide"], 2, "truncation is 'wide'; give a number"),
        (["--truncation", "nan"], 2, "truncation is 'nan'; give a number"),
    ],
)
def test_what_cannot_be_made_is_refused_before_any_image(command, tmp_path, monkeypatch, arguments, status, words):
    monkeypatch.setattr(zoo.GAN, "stream", lambda *_, **__: pytest.fail("it sampled"))
    done = command("sample", "contragan/digits", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (status, 1)
    assert words in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_truncation_as_people_write_it(command, tmp_path):
    for out, given, number in (("a.png", "0.7", 0.7), ("b.png", "none", None)):
        assert (
            command("sample", "infomax-gan/digits", "-n", 4, "--seed", 1, "--truncation", given, "-o", out).returncode
            == 0
        )
        expected = zoo.load("infomax-gan/digits").sample(4, seed=1, truncation=number).grid()
        assert np.array_equal(np.asarray(Image.open(tmp_path / out)), np.asarray(expected))
