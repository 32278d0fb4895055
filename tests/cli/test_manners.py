"""Permissions as the umask says, only our own files removed, and what a bare or narrow system lacks said in a line."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from narrow import short
from pictures import image_folder
from safetensors.torch import save_file

import zoo
from training.processes import Processes
from training.run.trainer import Options, Run, train
from zoo import datasets
from zoo.checkpoints import cache, hub
from zoo.common import failures, files
from zoo.common.cache_roots import cache_root
from zoo.common.errors import WeightsCorruptedError, WeightsUnavailableError, ZooError
from zoo.common.locks import locked
from zoo.release import card_files
from zoo.sampling.images import Images
from zoo.schema import registry

posix = pytest.mark.skipif(os.name == "nt", reason="permissions and limits are POSIX's")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask():
    before = os.umask(0o022)
    os.umask(before)
    yield os.umask
    os.umask(before)


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# ------------------------------------------------------------------------------------------------------- permissions


@posix
@pytest.mark.parametrize("mask", [0o077, 0o027, 0o002], ids=oct)
def test_the_umask_is_heeded(mask, tmp_path, umask, root, data_root):
    umask(mask)
    place = tmp_path / "place"
    config, images = registry.config("contragan/digits"), Images(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))
    for name in ("grid.png", "some.npz", "folder"):
        images.save(place / name)
    zoo.load("contragan/digits", device="cpu").save_pretrained(place / "exported")
    card_files.write(config, place / "card")
    train(short("infomax-gan/digits", steps=1), Options(place / "run", device="cpu"))
    target = cache.weights_path(config, "x")
    with cache.lock(config, "x") as partial:
        files.make_own(partial / "0123456789abcdef")
        cache.store(target, {"a": torch.zeros(2)}, {}, "0" * 64, "there")
    datasets.load("custom", resolution=8, root=image_folder(tmp_path / "own", ["a/1.png", "b/2.png"]))
    written = [path for top in (place, root, data_root) for path in top.rglob("*")]
    assert len(written) > 40
    for path in written:
        assert mode(path) == (0o777 if path.is_dir() else 0o666) & ~mask, path


@posix
def test_a_file_keeps_its_permissions_and_a_folder_gives_its_group(tmp_path):
    secret = tmp_path / "secret"
    secret.touch()
    secret.chmod(0o640)
    files.write_atomically(secret, b"new")
    assert (secret.read_bytes(), mode(secret)) == (b"new", 0o640)
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o2775)
    with files.building(shared / "made") as folder:
        folder.rename(shared / "made")
    assert mode(shared / "made") & stat.S_ISGID == mode(shared) & stat.S_ISGID
    kept = tmp_path / "exported"
    kept.mkdir()
    kept.chmod(0o750)
    zoo.load("contragan/digits", device="cpu").save_pretrained(kept)
    assert mode(kept) == 0o750, "an empty folder of the user's is filled, not replaced"


def test_weights_are_the_bytes_of_the_library(tmp_path):
    """But for the order of metadata, which the library leaves to chance; and no file beside them."""
    tensors = {"transposed é": torch.arange(20.0).view(4, 5).t().contiguous(), "half": torch.ones(3).half()}
    save_file(tensors, tmp_path / "theirs", {"format": "pt"})
    files.save(tmp_path / "ours", tensors)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    metadata = {f"key {i}": "é" * i for i in range(20)}
    written = [files.save(tmp_path / "ours", tensors, metadata) or (tmp_path / "ours").read_bytes() for _ in range(5)]
    assert len(set(written)) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"ours", "theirs"}


# --------------------------------------------------------------------------------------------------- what is removed


def test_only_leftovers_of_our_own_names_go(tmp_path):
    target = tmp_path / "x.bin"
    others = [".x.bin.original", ".x.bin.previous", ".x.bak", ".x.bin.0123456", ".y.bin.01234567", "x.bin.01234567"]
    for name in (*others, ".x.bin.0123abcd"):
        (tmp_path / name).touch()
    (tmp_path / ".x.bin.deadbeef").mkdir()
    files.remove_leftovers(target)
    assert {path.name for path in tmp_path.iterdir()} == {*others, ".x.bin.deadbeef"}


def test_only_folders_with_our_mark_go(tmp_path):
    ours, theirs, link = tmp_path / "ours", tmp_path / "theirs", tmp_path / "link"
    theirs.mkdir()
    (theirs / "file").touch()
    files.make_own(theirs)  # not empty: it stays theirs
    files.make_own(ours)
    (ours / "below").mkdir()
    (ours / "below" / "file").touch()
    (ours / "link").symlink_to(theirs)
    link.symlink_to(ours)
    for folder in (link, theirs, tmp_path / "nowhere"):
        files.remove_own(folder)
    assert (ours / "below" / "file").exists()
    files.remove_own(ours)
    assert not ours.exists()
    assert (theirs / "file").exists()


def test_the_cache_removes_what_it_has_put_there(root):
    config = registry.config("sngan/cifar10")
    target = cache.weights_path(config, "x")
    with cache.lock(config, "x") as partial:
        cache.store(target, {"a": torch.zeros(2)}, {}, "0" * 64, "there")
        files.make_own(partial / "0123456789abcdef")
    others = [
        *(target.parent / name for name in (".x.safetensors.original", ".x.bak", "notes.json", "hand.safetensors")),
        partial / "mine.pth",
        partial / "folder" / "mine.pth",
        root / "verified" / "mine",
    ]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    (target.parent / ".x.safetensors.0123abcd").write_text("of a process that was killed")
    with cache.lock(config, "x"):
        cache.store(target, {"a": torch.zeros(2)}, {}, "0" * 64, "there")
    assert not (target.parent / ".x.safetensors.0123abcd").exists()
    assert [entry.path for entry in cache.clear("*", forget=True)] == [target]
    left = {path for path in root.rglob("*") if path.is_file()} - set((root / "locks").iterdir())
    assert left == set(others)


def test_a_prepared_folder_keeps_what_others_put_there(tmp_path, data_root):
    folder = image_folder(tmp_path / "own", ["a/1.png", "b/2.png"])
    datasets.load("custom", resolution=8, root=folder)
    (place,) = data_root.glob("prepared/custom*")
    ours, theirs = place / "0123456789abcdef.uint8", [place / "mine.txt", place / "mine.uint8", place / ".building"]
    for path in (ours, *theirs):
        path.touch()
    (place / "sub").mkdir()
    image_folder(folder, ["b/3.png"])
    assert len(datasets.load("custom", resolution=8, root=folder)) == 3
    assert not ours.exists()
    assert all(path.exists() for path in (*theirs, place / "sub"))


def test_the_hub_cache_keeps_files_that_are_not_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    repository, commit = tmp_path / "models--me--gan", "a" * 40
    snapshot, blobs = repository / "snapshots" / commit, repository / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    mine, healthy, damaged = tmp_path / ("c" * 64), blobs / files_sha(b"whole"), blobs / ("d" * 64)
    for path, content in ((mine, b"mine"), (healthy, b"whole"), (damaged, b"broken")):
        path.write_bytes(content)
    (snapshot / "copy").write_bytes(b"mine")
    for name, target in (("elsewhere", mine), ("healthy", healthy), ("damaged", damaged)):
        (snapshot / name).symlink_to(os.path.relpath(target, snapshot))
    for name in ("copy", "elsewhere", "healthy", "damaged"):
        with pytest.raises(WeightsCorruptedError, match="it was removed" if name == "damaged" else "; remove it, then"):
            hub.download("me/gan", name, commit, sha256="e" * 64)
    assert {path.name for path in snapshot.iterdir()} == {"copy", "elsewhere", "healthy"}
    assert mine.exists()
    assert list(blobs.iterdir()) == [healthy]


def files_sha(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


# ------------------------------------------------------------------------------------------------------ two at a time


@pytest.mark.parametrize("resume", [False, True], ids=["new", "resumed"])
def test_two_trainings_into_one_folder_at_the_same_instant(resume, tmp_path):
    """Both have found the folder free, or the run there to be resumed; it is made meanwhile."""
    out, both_ready, one_refused = tmp_path / "deep" / "run", threading.Barrier(2), threading.Event()
    config = short("infomax-gan/digits")
    if resume:
        with pytest.raises(ZooError, match="stopped after step 1"):
            train(config, Options(out, device="cpu", minutes=0))
    runs = [Run(config, Options(out, device="cpu", resume=resume), torch.device("cpu"), Processes()) for _ in range(2)]

    def begin(run: Run) -> str:
        both_ready.wait()
        try:
            with run.folder.locked():
                run.start()
                assert one_refused.wait(timeout=30)
                return "begun"
        except ZooError as error:
            one_refused.set()
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(begin, runs))
    assert outcomes == [f"another process is training into {out}; stop it, or give another folder", "begun"]


def test_the_file_of_a_lock_stays(tmp_path):
    """Removed, it would let one in that waits for the old file and one that makes a new one."""
    path = tmp_path / "x.lock"
    with locked(path), pytest.raises(ZooError, match="taken"), locked(path, refusal="taken"):
        pass
    assert (tmp_path / "x.lock").exists()
    with locked(tmp_path / "x.lock"):
        pass


# ------------------------------------------------------------------------------------------------------------ clocks


@pytest.mark.parametrize("stamp", [0, 4102444800], ids=["1970", "2100"])
def test_a_clock_that_jumps(stamp, tmp_path, monkeypatch, root):
    """Backwards and forwards by decades with every look, and files of then: nothing depends on it."""
    looks = iter(range(10**6))
    monkeypatch.setattr(time, "time", lambda: float(stamp if next(looks) % 2 else 1.7e9))
    run = train(short("infomax-gan/digits", steps=2), Options(tmp_path / "run", device="cpu", minutes=5, log_every=1))
    log = (run / "metrics.jsonl").read_text().splitlines()
    assert all(0 <= json.loads(line)["seconds"] < 60 for line in log)
    for path in run.rglob("*"):
        os.utime(path, (stamp, stamp))
    assert zoo.load(run, device="cpu").sample(1, seed=0).shape == (1, 3, 32, 32)
    target = cache.weights_path(registry.config("sngan/cifar10"), "x")
    cache.store(target, {"a": torch.zeros(2)}, {}, "0" * 64, "there")
    os.utime(target, (stamp, stamp))
    cache.check(target)
    target.write_bytes(target.read_bytes()[:-1] + b"x")
    with pytest.raises(WeightsCorruptedError):
        cache.check(target)


# ------------------------------------------------------------------------------------------- what a system may lack


@pytest.fixture
def no_home(monkeypatch):
    """As for a user without an entry in the list of users, and without HOME."""

    def fail(*_):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", fail)
    monkeypatch.setattr(Path, "expanduser", lambda path: fail() if str(path).startswith("~") else path)
    for name in ("ZOO_CACHE", "ZOO_DATA", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_home(no_home, command, tmp_path, monkeypatch):
    for arguments in (["list"], ["info", "sngan/cifar10"], ["cache", "list"], ["card", "contragan/digits"]):
        assert command(*arguments).returncode == 0, arguments
    assert command("sample", "contragan/digits", "-n", "1", "-o", "x.png").returncode == 0
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with pytest.raises(WeightsUnavailableError, match=r"there is no home folder.*set HOME, or set ZOO_CACHE"):
        zoo.load("sngan/cifar10@mimicry")
    with pytest.raises(WeightsUnavailableError, match=r"there is no home folder.*HF_HOME"):
        hub.download("me/gan", "config.json", "main")
    with pytest.raises(ZooError, match=r"prepared images cannot be kept \(there is no home folder\); set ZOO_DATA"):
        datasets.load("custom", resolution=8, root=image_folder(tmp_path / "own", ["a/1.png", "b/2.png"]))
    monkeypatch.setenv("ZOO_CACHE", "~/zoo")
    with pytest.raises(ZooError, match="~/zoo cannot be expanded"):
        cache_root()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own", "x.png"]


def test_without_access_to_a_cache(command, tmp_path, monkeypatch):
    def denied(path, *_, **__):
        if str(path).startswith(str(tmp_path / "closed")):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return look(path)

    look = Path.stat
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "closed" / "zoo"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "closed" / "hf"))
    monkeypatch.setattr(Path, "stat", denied)
    assert command("list").returncode == 0
    assert command("info", "contragan/digits").returncode == 0
    assert command("doctor", "--no-network").returncode == 1


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError(), "not enough memory; give a smaller --batch-size"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 58982400 bytes. Error 12"),
            "not enough memory (58982400 bytes more were needed)",
        ),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0"), "(2.00 GiB more were needed)"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "not enough memory"),
        (RuntimeError("can't start new thread"), "no thread can be started"),
        (OSError(errno.EMFILE, "Too many open files", "x"), "Too many open files: x; raise the limit of open files"),
        (OSError(errno.EFBIG, "File too large", "x"), "File too large: x; raise the limit of file sizes (ulimit -f)"),
        (OSError(errno.ENOSPC, "No space left on device", "x"), "No space left on device: x; free some space"),
        (FileNotFoundError(2, "No usable temporary directory found in ['/tmp']"), "set TMPDIR to a folder"),
        (OSError(errno.EROFS, "Read-only file system", "x"), "Read-only file system: x; give another place"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), "Permission denied: x; change its permissions"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "f/x"), "Not a directory: f/x; give another place"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x"), "File name too long: x; give another place"),
        (RuntimeError("Symlink loop from 'a/x'"), "symbolic links: 'a/x'; give another place"),  # of Path.resolve
        (RuntimeError("a mistake of ours"), None),
        (ImportError("No module named 'x'"), None),
    ],
)
def test_errors_of_the_system_in_a_line(error, line):
    found = failures.in_a_line(error)
    assert found is None if line is None else line in found


def read_only(*_, **__):
    raise OSError(errno.EROFS, "Read-only file system")


WRITING = [
    ["sample", "contragan/digits", "-o", "x.png"],
    ["sample", "contragan/digits", "-n", "1"],
    ["interpolate", "contragan/digits", "-o", "x.gif"],
    ["align", "contragan/digits", "-o", "x"],
    ["panel", "contragan/digits"],
    ["evaluate", "contragan/digits", "-o", "x"],
    ["verify", "--all", "-o", "x"],
    ["reference", "make", "digits", "-o", "x.npz"],
    ["export", "contragan/digits", "-o", "x"],
    ["mirror", "x"],
    ["train", "contragan/digits", "-o", "x"],
    ["reproduce", "contragan", "table1", "-o", "x"],
    ["data", "preview", "own", "-o", "x.png"],
]


@pytest.mark.parametrize("arguments", WRITING, ids=" ".join)
def test_a_place_that_cannot_be_written_is_refused_before_any_work(arguments, command, monkeypatch, tmp_path):
    image_folder(tmp_path / "own", ["1.png"])
    monkeypatch.setattr(tempfile, "TemporaryFile", read_only)
    monkeypatch.setattr("zoo.sampling.loading.load_found", lambda *_, **__: pytest.fail("the model was loaded"))
    monkeypatch.setattr("zoo.datasets.load", lambda *_, **__: pytest.fail("the data were loaded"))
    done = command(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"zoo: \S+ cannot be written \(Read-only file system\); give another place\n", done.stderr)
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_a_look_at_a_place_leaves_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for place in ("file", "new", "new/deep", "."):
        files.refuse_unwritable(tmp_path / place)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    files.refuse_unwritable(tmp_path / "new")


def test_an_error_of_a_read_only_disk_names_the_file_that_was_asked_for(tmp_path, monkeypatch):
    def refuse(path, *_, **__):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(OSError, match="Read-only") as caught:
        files.write_atomically(tmp_path / "x.png", b"")
    assert caught.value.filename == str(tmp_path / "x.png")


@posix
def test_little_memory_is_a_line(tmp_path):
    """Of images that take more than is allowed, in a process that has only a little more than it uses."""
    code = (
        "import resource, sys, torch, zoo.sampling.loading\n"
        "from zoo.cli import app as cli\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * 4096\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20),) * 2)\n"
        "sys.argv = ['zoo', 'sample', 'sngan/cifar10', '--weights', 'random', '-n', '2048', '--batch-size', '2048', "
        f"'-o', '{tmp_path / 'x.png'}']\n"
        "cli.main()"
    )
    if not Path("/proc/self/statm").exists():
        pytest.skip("the memory in use is not known here")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=_environment(), timeout=100)
    assert done.returncode == 1
    assert done.stderr.startswith("zoo: not enough memory")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)), "OMP_NUM_THREADS": "1"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no file that is always full")
def test_a_standard_output_that_is_full(tmp_path):
    for redirection, said in ((">/dev/full", True), (">/dev/full 2>/dev/full", False)):
        shell = ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-m", "zoo", "list"]
        done = subprocess.run(shell, capture_output=True, text=True, env=_environment(), timeout=60)
        assert done.returncode == 1
        assert done.stderr.count("\n") == said
        assert not said or "No space left on device; free some space" in done.stderr


def test_a_working_directory_that_is_gone(command, monkeypatch):
    def gone():
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr(os, "getcwd", gone)
    result = command("list")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "cd to another one" in result.stderr


def test_an_encoding_without_our_characters(monkeypatch):
    from zoo.cli import app as cli

    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", narrow)
    monkeypatch.setattr(sys, "argv", ["zoo", "card", "contragan/digits"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    assert len(narrow.buffer.getvalue()) > 1000


def test_signs_have_a_plain_form_in_ascii(monkeypatch):
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", narrow)
    failures.run(lambda: print("16.59 ± 0.13 – naïve…"), "zoo")
    assert narrow.buffer.getvalue() == b"16.59 +- 0.13 - na\\xefve...\n"


def test_a_folder_in_the_place_of_an_extraction_is_not_removed(data_root, monkeypatch):
    """Of our own a killed extraction is; what has not our mark is somebody's."""
    from torchvision.datasets import utils

    from zoo.datasets.image_files import TinyImageNet

    def extract(url, root, folder, *_):
        (folder / "tiny-imagenet-200" / "train").mkdir(parents=True)

    monkeypatch.setattr(utils, "download_and_extract_archive", extract)
    place = data_root / ".tiny-imagenet-200.part"
    files.make_own(place)
    (place / "half").touch()
    TinyImageNet("tiny-imagenet", "train", data_root, True).fetch()
    assert [path.name for path in data_root.iterdir()] == ["tiny-imagenet-200"]
    place.mkdir()
    (place / "mine").touch()
    (data_root / "tiny-imagenet-200").rename(data_root / "elsewhere")
    TinyImageNet("tiny-imagenet", "train", data_root, True).fetch()
    assert (place / "mine").exists()
