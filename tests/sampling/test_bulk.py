"""Many images on disk: whole, resumable, and the same however the work was cut, stopped and shared."""

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import children
import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from zoo.cli import app as cli
from zoo.common.errors import ZooError
from zoo.evaluation.features import sources
from zoo.sampling import bulk, png_folder
from zoo.sampling.journal import Journal

N = 70


@pytest.fixture(scope="module")
def model():
    return zoo.load("contragan/digits", device="cpu")


@pytest.fixture(scope="module")
def expected(model):
    return model.sample(N, seed=5)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(bulk, "PART_PIXELS", 16 * 32**2)


def pixels(images) -> np.ndarray:
    return images.uint8.permute(0, 2, 3, 1).numpy()


def content(path: Path) -> dict[str, bytes]:
    if path.is_file():
        return {"": path.read_bytes()}
    return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


def stop_after(model, batches: int, monkeypatch, error: BaseException) -> None:
    """Let the model fail after so many batches."""
    left, stream = [batches], model.stream

    def stopping(*args, **kwargs):
        for batch in stream(*args, **kwargs):
            if left[0] == 0:
                raise error
            left[0] -= 1
            yield batch

    monkeypatch.setattr(model, "stream", stopping)


def test_a_folder_of_pngs(model, expected, tmp_path):
    done = bulk.write(model, tmp_path / "d", N, seed=5)
    assert (done.seed, done.images) == (5, N)
    names = sorted(p.name for p in (tmp_path / "d").iterdir())
    assert names == [f"{i:06d}.png" for i in range(N)] + ["sample.json"]
    for i in (0, 33, N - 1):
        assert np.array_equal(np.asarray(Image.open(tmp_path / "d" / f"{i:06d}.png")), pixels(expected)[i])
    assert json.loads((tmp_path / "d" / "sample.json").read_text())["model"] == "contragan/digits"
    assert len(sources.pictures(tmp_path / "d")) == N  # what `zoo evaluate FOLDER` reads


def test_an_npz(model, expected, tmp_path):
    bulk.write(model, tmp_path / "x.npz", N, seed=5)
    with np.load(tmp_path / "x.npz") as archive:
        assert np.array_equal(archive["images"], pixels(expected))
        assert np.array_equal(archive["labels"], expected.labels.numpy())
        assert archive["seed"] == 5
    assert [p.name for p in tmp_path.iterdir()] == ["x.npz"]


def test_arguments_of_any_kind(model, tmp_path):
    y = np.array([7, 1, 2] * 4, np.uint8)
    want = model.sample(12, y.tolist(), seed=200, truncation=0.7, exact=True)
    given = {"n": np.int8(12), "seed": np.array(200, np.uint8), "truncation": "0.7", "batch_size": torch.tensor(5)}
    for i, label in enumerate((y, torch.from_numpy(y), list(y), [torch.tensor(c) for c in y])):
        bulk.write(model, tmp_path / f"{i}.npz", label=label, **given)
        with np.load(tmp_path / f"{i}.npz") as archive:
            assert np.array_equal(archive["images"], pixels(want))
            assert archive["labels"].tolist() == y.tolist()
            assert archive["seed"] == 200
    first = (tmp_path / "0.npz").read_bytes()
    assert all((tmp_path / f"{i}.npz").read_bytes() == first for i in range(1, 4)), "the records agree"
    for label in (np.uint8(7), np.array(7), torch.tensor(7, dtype=torch.int8), "7"):
        done = bulk.write(model, tmp_path / "one.npz", label=label, **given)
        assert done.images in (0, 12)
    with np.load(tmp_path / "one.npz") as archive:
        assert archive["labels"].tolist() == [7] * 12


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"n": 1.5}, "n is 1.5; give a whole number"),
        ({"n": True}, "n is True"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"seed": 2**64}, "seed is"),
        ({"truncation": "wide"}, "truncation is 'wide'"),
        ({"label": np.array([1, 2, 3])}, "3 labels for 4 images"),
    ],
)
def test_wrong_arguments_are_a_line_before_anything_is_written(model, tmp_path, wrong, words):
    with pytest.raises(ZooError, match=words):
        bulk.write(model, tmp_path / "x", **{"n": 4} | wrong)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("n", "out", "label"), [(10**12, "x.npz", None), (10**12, "x", "all"), (10**15, "x", 3), (10**12, "y.npz", 3)]
)
def test_more_than_memory_can_list_is_refused_at_once(model, tmp_path, n, out, label):
    with pytest.raises(ZooError, match=r"take [\d,]+ GiB, this machine has .* GiB free; "):
        bulk.write(model, tmp_path / out, n, label, seed=1)
    assert list(tmp_path.iterdir()) == []


def test_a_tar_for_webdataset(model, expected, tmp_path):
    bulk.write(model, tmp_path / "x.tar", N, seed=5)
    with tarfile.open(tmp_path / "x.tar") as archive:
        names = archive.getnames()
        assert names == [f"{i:06d}.{kind}" for i in range(N) for kind in ("png", "cls")]
        assert np.array_equal(np.asarray(Image.open(archive.extractfile("000040.png"))), pixels(expected)[40])
        assert [int(archive.extractfile(f"{i:06d}.cls").read()) for i in range(N)] == expected.labels.tolist()
    unconditional = zoo.load("infomax-gan/digits", device="cpu")
    bulk.write(unconditional, tmp_path / "y.tar", 3, seed=0)
    with tarfile.open(tmp_path / "y.tar") as archive:
        assert archive.getnames() == ["000000.png", "000001.png", "000002.png"]


@pytest.mark.parametrize("out", ["d", "x.npz", "x.tar"])
@pytest.mark.parametrize("label", [None, 3, [i % 7 for i in range(N)]], ids=["drawn", "one", "listed"])
def test_stopped_and_resumed_is_never_stopped(model, tmp_path, out, label, monkeypatch):
    bulk.write(model, tmp_path / "whole" / out, N, label, seed=5)
    for batches in (2, 1):
        with monkeypatch.context() as patch:
            stop_after(model, batches, patch, KeyboardInterrupt())
            with pytest.raises(bulk.StoppedError, match="the same command continues") as stopped:
                bulk.write(model, tmp_path / out, N, label, seed=5, batch_size=16)
        assert stopped.value.exit_status == 130
        assert out == "d" or not (tmp_path / out).exists()
    done = bulk.write(model, tmp_path / out, N, label, batch_size=5)  # the seed is on record
    assert (done.seed, done.images < N) == (5, True)
    assert content(tmp_path / out) == content(tmp_path / "whole" / out)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([out, "whole"])


@pytest.mark.parametrize("out", ["d", "x.npz", "x.tar"])
def test_a_full_disk_is_one_line_and_nothing_half_written(model, tmp_path, out, monkeypatch):
    with monkeypatch.context() as patch:
        stop_after(model, 2, patch, OSError(28, "No space left on device"))
        with pytest.raises(ZooError, match=r"no space left for .*; free some space, then the same command continues"):
            bulk.write(model, tmp_path / out, N, seed=5, batch_size=16)
    assert all(png_folder._has_end(p) for p in tmp_path.rglob("*.png"))
    assert bulk.write(model, tmp_path / out, N).images < N


def test_a_damaged_or_missing_image_is_made_again(model, tmp_path):
    bulk.write(model, tmp_path / "d", N, seed=5)
    before = content(tmp_path / "d")
    (tmp_path / "d" / "000007.png").write_bytes(b"")
    (tmp_path / "d" / "000050.png").unlink()
    assert bulk.write(model, tmp_path / "d", N).images == 32  # the two parts that they are in
    assert content(tmp_path / "d") == before
    assert bulk.write(model, tmp_path / "d", N).images == 0
    assert bulk.write(model, tmp_path / "d", N + 10).images == 10  # image i stays as n grows


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"seed": 6}, "another seed"), ({"label": 3}, "another label"), ({"truncation": 0.5}, "another truncation")],
)
def test_images_of_another_run_are_refused(model, tmp_path, changes, words):
    bulk.write(model, tmp_path / "d", 8, seed=5)
    with pytest.raises(ZooError, match=f"{words}; give another path, or force"):
        bulk.write(model, tmp_path / "d", 8, **{"seed": 5} | changes)
    other = zoo.load("infomax-gan/digits", device="cpu")
    with pytest.raises(ZooError, match="another model and weights"):
        bulk.write(other, tmp_path / "d", 8, seed=5)
    bulk.write(other, tmp_path / "d", 8, seed=5, force=True)
    assert json.loads((tmp_path / "d" / "sample.json").read_text())["model"] == "infomax-gan/digits"


def test_what_is_not_ours_is_not_overwritten(model, tmp_path):
    (tmp_path / "x.npz").write_bytes(b"precious")
    with pytest.raises(ZooError, match="exists"):
        bulk.write(model, tmp_path / "x.npz", 8, seed=5)
    assert content(tmp_path) == {"x.npz": b"precious"}


def test_an_image_that_was_changed_is_not_overwritten(model, tmp_path):
    bulk.write(model, tmp_path / "d", 8, seed=5)
    before = content(tmp_path / "d")
    Image.new("RGB", (32, 32)).save(tmp_path / "d" / "000003.png")
    edited = (tmp_path / "d" / "000003.png").read_bytes()
    with pytest.raises(ZooError, match=r"000003\.png exists and differs from the image of this command"):
        bulk.write(model, tmp_path / "d", 8, seed=5)
    assert (tmp_path / "d" / "000003.png").read_bytes() == edited
    bulk.write(model, tmp_path / "d", 8, seed=5, force=True)
    assert content(tmp_path / "d") == before


def test_fewer_images_than_there_are(model, tmp_path):
    bulk.write(model, tmp_path / "d", 40, seed=5)
    (tmp_path / "d" / "000099.png").write_bytes(b"mine")
    with pytest.raises(ZooError, match="has 40 images of this command, more than 20: ask for as many"):
        bulk.write(model, tmp_path / "d", 20, seed=5)
    assert bulk.write(model, tmp_path / "d", 20, seed=5, force=True).images == 4  # the rest of the second part
    bulk.write(model, tmp_path / "other", 20, seed=5)
    assert content(tmp_path / "d") == content(tmp_path / "other") | {"000099.png": b"mine"}


@pytest.mark.parametrize("out", ["x.npz", "x.tar"])
def test_fewer_images_than_a_file_has(model, tmp_path, out):
    bulk.write(model, tmp_path / out, 12, seed=5)
    with pytest.raises(ZooError, match=r"has 12 images of this command, more than 8: ask for as many"):
        bulk.write(model, tmp_path / out, 8, seed=5)


@pytest.mark.parametrize("name", ["samples-v1.5/", "x.png/", "y.tar/", "there.npz", "there.v2"])
def test_a_slash_and_a_folder_that_is_there_make_a_folder(model, tmp_path, name):
    if not name.endswith("/"):
        (tmp_path / name).mkdir()
    out = f"{tmp_path}/{name}"
    assert bulk.is_bulk(out)
    bulk.write(model, out, 2, seed=5)
    assert bulk.write(model, out.rstrip("/"), 2, seed=5).images == 0  # the folder that is there now
    model.sample(2, seed=5).save(f"{tmp_path}/own-{name.rstrip('/')}/")
    for folder in (tmp_path / name, tmp_path / f"own-{name}"):
        assert [path.name for path in sorted(folder.glob("*.png"))] == ["000000.png", "000001.png"]


@pytest.mark.parametrize("out", ["d", "x.npz", "x.tar"])
def test_a_finished_output_says_so_without_being_written(model, tmp_path, out):
    bulk.write(model, tmp_path / out, 20, seed=5)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    for options in ({"seed": 5}, {}, {"seed": 5, "force": True}):
        assert bulk.write(model, tmp_path / out, 20, **options).images == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == times
    assert bulk.write(model, tmp_path / out, 20, force=True).images == 20  # a fresh seed


@pytest.mark.parametrize("out", ["x.npz", "x.tar"])
def test_a_changed_file_is_not_called_finished(model, tmp_path, out):
    bulk.write(model, tmp_path / out, 20, seed=5)
    before = (tmp_path / out).read_bytes()
    damaged = bytearray(before)
    damaged[len(before) // 2] ^= 1
    (tmp_path / out).write_bytes(damaged)
    assert bulk.write(model, tmp_path / out, 20, seed=5).images == 20
    assert (tmp_path / out).read_bytes() == before


@pytest.mark.parametrize("text", [b"", b'{"seed": 5', b"\xff", b"[" * 100000])
def test_a_damaged_record_is_set_aside(model, tmp_path, text, capsys):
    bulk.write(model, tmp_path / "d", 20, seed=5)
    before = content(tmp_path / "d")
    for seed in (6, 5):
        (tmp_path / "d" / "sample.json").write_bytes(text)
        if seed == 6:
            with pytest.raises(ZooError, match=r"000000\.png exists and differs from the image of this command"):
                bulk.write(model, tmp_path / "d", 20, seed=6)
            shutil.rmtree(tmp_path / "d" / ".zoo-sample")
        else:
            bulk.write(model, tmp_path / "d", 20, seed=5)
        assert capsys.readouterr().err.count("\n") == 1
    after = content(tmp_path / "d")
    assert [after.pop(name) for name in ("sample.json.damaged", "sample.json.damaged-2")] == [text, text]
    assert after == before


def test_stale_parts_of_another_command_are_not_taken(model, tmp_path, monkeypatch):
    stop_after(model, 2, monkeypatch, KeyboardInterrupt())
    with pytest.raises(bulk.StoppedError):
        bulk.write(model, tmp_path / "x.npz", N, seed=5, batch_size=16)
    monkeypatch.undo()
    (tmp_path / ".x.npz.zoo-sample" / "command.json").unlink()  # as a kill in an earlier version's clean-up left it
    bulk.write(model, tmp_path / "x.npz", N, seed=6)
    with np.load(tmp_path / "x.npz") as archive:
        assert np.array_equal(archive["images"], pixels(model.sample(N, seed=6)))
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


def test_the_journal_is_not_shared(model, tmp_path):
    journal = Journal(tmp_path / "d" / ".zoo-sample")
    with journal.locked(tmp_path / "d"):
        (journal.folder / "theirs.txt").write_text("x")
        with pytest.raises(ZooError, match=r"another process is writing .*; wait for it"):
            bulk.write(model, tmp_path / "d", 8, seed=5)
    bulk.write(model, tmp_path / "d", 8, seed=5)
    assert [path.name for path in journal.folder.iterdir()] == ["theirs.txt"]
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / ".zoo-sample").symlink_to(tmp_path / "d")
    with pytest.raises(ZooError, match="is not a folder of this program"):
        bulk.write(model, tmp_path / "e", 8, seed=5)


def test_killed_at_any_moment_an_output_is_of_one_command_or_of_none():
    program = Path(__file__).parents[1] / "programs" / "siege_bulk.py"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, program, "--seconds", "4", "--every", "6"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["kills"] > 1


def command(*arguments) -> tuple[list[str], dict[str, str]]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    return ["-m", "zoo", "sample", *map(str, arguments)], environment


def _sample(arguments: list[str]) -> str:
    """What the command says."""
    torch.set_num_threads(1)
    sys.argv = ["zoo", *arguments]
    with contextlib.redirect_stdout(io.StringIO()) as said, pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    return said.getvalue()


def test_two_ranks_write_what_one_writes(model, tmp_path, monkeypatch):
    """The folder by the command under torchrun, the archive with torchrun's environment alone."""
    monkeypatch.undo()  # parts as the command cuts them
    options = ("contragan/digits", "-n", 3000, "--seed", 5, "--device", "cpu", "-o")
    arguments, environment = command(*options, tmp_path / "d")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(torchrun + arguments, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("3000 images") == 1
    bulk.write(model, tmp_path / "one", 3000, seed=5)
    assert content(tmp_path / "d") == content(tmp_path / "one")
    ranks = children.run_two_ranks(_sample, command(*options, tmp_path / "x.npz")[0][2:])
    assert [rank.error for rank in ranks] == [None, None], ranks
    assert sum(rank.value.count("3000 images") for rank in ranks) == 1
    with np.load(tmp_path / "x.npz") as archive:
        assert [len(archive[key]) for key in ("images", "labels")] == [3000, 3000]
        ours = np.stack([np.asarray(Image.open(tmp_path / "d" / f"{i:06d}.png")) for i in range(3000)])
        assert np.array_equal(archive["images"], ours)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_one_line(tmp_path, number):
    arguments, environment = command("contragan/digits", "-n", 200000, "--seed", 5, "-o", tmp_path / "d")
    with subprocess.Popen([sys.executable, *arguments], stderr=subprocess.PIPE, text=True, env=environment) as process:
        alarm = threading.Timer(120, process.kill)
        alarm.start()
        while not list((tmp_path / "d").glob("*.png")) and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(number)
        _, stderr = process.communicate()
        alarm.cancel()
    assert process.returncode == 128 + number
    assert stderr.splitlines() == [f"zoo: stopped; the same command continues {tmp_path / 'd'}"]


def test_weights_that_are_random_are_not_gone_on_with(tmp_path):
    for seed, refused in ((0, False), (1, True)):
        torch.manual_seed(seed)
        random = zoo.load("contragan/digits", weights="random", device="cpu")
        if refused:
            with pytest.raises(ZooError, match="another weights"):
                bulk.write(random, tmp_path / "d", 8, seed=5)
        else:
            bulk.write(random, tmp_path / "d", 8, seed=5)
    shutil.rmtree(tmp_path / "d")


@pytest.mark.parametrize("parts", [[], ["000000-999999999999 " + "0" * 64], ["../x", 5], "x"])
def test_a_record_that_claims_too_much_removes_nothing_of_others(model, tmp_path, parts):
    bulk.write(model, tmp_path / "d", 2, seed=5)
    record = json.loads((tmp_path / "d" / "sample.json").read_text())
    (tmp_path / "d" / "sample.json").write_text(json.dumps(record | {"images": 10**15, "parts": parts}))
    others = ("notes.png", "1.png", "000001.png.txt", "0000000007.png", "000005.png", "123456.png")
    for name in others:
        (tmp_path / "d" / name).write_bytes(b"mine")
    if parts[:1] and "999999999999" in parts[0]:
        with pytest.raises(ZooError, match=r"000005\.png to 123456\.png have changed since they were written"):
            bulk.write(model, tmp_path / "d", 4, seed=6, force=True)
    else:
        bulk.write(model, tmp_path / "d", 4, seed=6, force=True)
    assert all((tmp_path / "d" / name).read_bytes() == b"mine" for name in others)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_others_have_put_among_the_images_stays(model, tmp_path, kind):
    bulk.write(model, tmp_path / "d", 20, seed=5)
    image = tmp_path / "d" / "000019.png"
    image.unlink()
    image.write_bytes(b"mine") if kind == "file" else image.mkdir()
    before = content(tmp_path / "d")
    for n, seed in ((5, 6), (17, 5)):
        with pytest.raises(
            ZooError, match=r"to 000019\.png have changed since they were written.*; move your files away"
        ):
            bulk.write(model, tmp_path / "d", n, seed=seed, force=True)
        assert content(tmp_path / "d") == before
    image.rename(tmp_path / "mine")
    for number in range(16, 19):  # of the same part, which cannot be told from others' any more
        (tmp_path / "d" / f"{number:06d}.png").unlink()
    bulk.write(model, tmp_path / "d", 5, seed=6, force=True)
    bulk.write(model, tmp_path / "other", 5, seed=6)
    assert content(tmp_path / "d") == content(tmp_path / "other")


def test_a_record_of_another_program_is_refused(model, tmp_path):
    (tmp_path / "d").mkdir()
    for text in ("[]", '{"mine": 1}', '{"images": "x"}'):
        (tmp_path / "d" / "sample.json").write_text(text)
        for force in (False, True):
            with pytest.raises(ZooError, match=r"sample\.json was not written by this program"):
                bulk.write(model, tmp_path / "d", 3, seed=5, force=force)
        assert content(tmp_path / "d") == {"sample.json": text.encode()}


def test_links_and_folders_in_the_way(model, tmp_path):
    (tmp_path / "d").mkdir()
    for link in (tmp_path / "d" / "000002.png", tmp_path / "y.npz"):
        link.symlink_to("/nonexistent/x")
        with pytest.raises(ZooError, match="exists"):
            bulk.write(model, link.parent if link.suffix == ".png" else link, 5, seed=5)
        assert link.is_symlink()
    (tmp_path / "target.npz").write_bytes(b"old")
    (tmp_path / "z.npz").symlink_to("target.npz")
    bulk.write(model, tmp_path / "z.npz", 5, seed=5, force=True)
    assert (tmp_path / "z.npz").is_symlink()
    assert len(np.load(tmp_path / "target.npz")["images"]) == 5
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / ".zoo-sample").write_text("mine")
    with pytest.raises(ZooError, match="is not a folder of this program"):
        bulk.write(model, tmp_path / "e", 5, seed=5)
