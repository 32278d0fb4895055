"""Files of results: bounded in bytes, never gone while they are read, and removed where their server was killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from zoo import ZooError
from zoo.demo import store as stores
from zoo.demo.store import Store, remove_orphans

BLOCK = 4096
LINUX = pytest.mark.skipif(not stores.CAN_LOCK_OPEN_FILES, reason="no locks of files there")


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder for temporary files."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def store(temporary):
    found = Store(10 * BLOCK)
    yield found
    found.close()


def _bytes(folder: Path) -> int:
    return sum(BLOCK * -(-path.stat().st_size // BLOCK) for path in folder.rglob("*") if path.is_file())


def test_the_oldest_results_go_first(store):
    gone = []
    store.gone = gone.extend
    paths = [store.keep({"a.png": b"x" * 5000, "b.zip": b"y"})[0] for _ in range(6)]
    assert [Path(path).exists() for path in paths] == [False] * 4 + [True] * 2
    assert _bytes(store.root) <= store.size <= store.limit
    assert gone[:2] == [paths[0], paths[0].replace("a.png", "b.zip")]
    assert not Path(paths[0]).parent.exists()


def test_what_is_read_stays(store):
    first = store.keep({"a": b"x" * BLOCK})[0]
    with store.reading(first) as known, store.reading(first):
        assert known
        for _ in range(9):
            store.keep({"a": b"x" * BLOCK})
        assert Path(first).read_bytes() == b"x" * BLOCK
    for _ in range(5):
        store.keep({"a": b"x" * BLOCK})
    assert not Path(first).exists()
    with store.reading(first) as known:
        assert not known


def test_a_result_without_room_is_refused(store):
    with pytest.raises(ZooError, match="ask for less"):
        store.keep({"a": b"x" * 10 * BLOCK})
    paths = [store.keep({"a": b"x" * 4 * BLOCK})[0] for _ in range(2)]
    with store.reading(paths[0]), store.reading(paths[1]), pytest.raises(ZooError, match="try again"):
        store.keep({"a": b"x"})
    assert len(store.keep({"a": b"x"})) == 1


def test_a_disk_that_is_full_is_said_in_a_line_and_leaves_nothing(store, monkeypatch):
    written = Path.write_bytes

    def full(path, data):
        if path.name == "b":
            raise OSError(28, "No space left on device")
        return written(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ZooError, match="No space left"):
        store.keep({"a": b"x", "b": b"y"})
    assert store.size == 0
    assert not list(store.root.iterdir())


def test_old_results_expire(store):
    path = store.keep({"a": b"x"})[0]
    store.expire(60)
    assert Path(path).exists()
    with store.reading(path):
        store.expire(-1)
    assert Path(path).exists()
    store.expire(-1)
    assert not Path(path).exists()
    assert store.size == 0


def test_many_threads_stay_within_the_bound(temporary):
    store, most, problems = Store(60 * BLOCK), [], []

    def keep():
        try:
            for _ in range(40):
                path = store.keep({"a": b"x" * BLOCK, "b": b"y"})[0]
                with store.reading(path) as known:
                    if known and Path(path).stat().st_size != BLOCK:
                        problems.append(path)
                most.append(store.size)
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=keep) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert max(most) <= store.limit
    assert _bytes(store.root) <= store.limit
    store.close()
    assert not list(temporary.iterdir())


_ABANDON = """
import sys
from zoo.demo.store import Store
store = Store(10**6)
store.keep({"a.png": b"x"})
print(store.root.parent, flush=True)
sys.stdin.read()
"""


def _server(temporary: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", _ABANDON],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(temporary)},
    )  # fmt: skip


@LINUX
def test_what_a_killed_server_left_goes_and_what_a_living_one_has_stays(temporary):
    with _server(temporary) as living, _server(temporary) as killed:
        kept, left = Path(living.stdout.readline().strip()), Path(killed.stdout.readline().strip())
        killed.kill()
        killed.wait(30)
        assert {kept, left} == set(temporary.iterdir())
        remove_orphans()
        assert set(temporary.iterdir()) == {kept}
        assert len(list(kept.rglob("*.png"))) == 1
        living.kill()
        living.wait(30)
        Store(10**6).close()  # a start removes it
        assert not list(temporary.iterdir())


def _like_ours(folder: Path, /, **changes) -> Path:
    folder.mkdir(mode=0o700, parents=True)
    about = {"program": "zoo demo", "pid": 1, "folder": str(folder)} | changes
    (folder / "owner.json").write_text(json.dumps(about))
    (folder / "precious").write_text("x")
    return folder


@LINUX
def test_only_folders_of_ours_are_removed(temporary, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    name = "zoo-demo-abcdef0"
    others = [
        _like_ours(temporary / "zoo-demo-abcdefgh2"),  # another length
        _like_ours(temporary / "zoo-demo-ABCDEFGH"),
        _like_ours(temporary / "xzoo-demo-abcdefgh"),
        _like_ours(temporary / "zoo-demo"),
        _like_ours(temporary / f"{name}1", program="else"),
        _like_ours(temporary / f"{name}2", folder=str(temporary / f"{name}1")),  # a copy
        _like_ours(temporary / f"{name}3"),
        _like_ours(temporary / f"{name}4"),
        _like_ours(temporary / f"{name}5"),
        _like_ours(temporary / f"{name}6"),
        _like_ours(temporary / f"{name}7"),
    ]
    (others[6] / "owner.json").unlink()
    (others[7] / "owner.json").write_text("")
    (others[8] / "owner.json").write_text("[" * 100_000)
    others[9].chmod(0o755)  # others could have put something there
    (others[10] / "owner.json").rename(elsewhere / "owner.json")
    (others[10] / "owner.json").symlink_to(elsewhere / "owner.json")
    (temporary / "zoo-demo-linkaway").symlink_to(_like_ours(elsewhere / "zoo-demo-linkaway"))
    os.mkfifo(temporary / "zoo-demo-fifofifo")
    (temporary / "zoo-demo-filefile").write_text("x")
    ours = _like_ours(temporary / f"{name}8")
    (ours / "link").symlink_to(elsewhere)
    remove_orphans()
    assert not ours.exists()
    assert all((folder / "precious").read_text() == "x" for folder in others)
    assert (elsewhere / "zoo-demo-linkaway" / "precious").exists()
    assert (temporary / "zoo-demo-fifofifo").exists()
    assert (temporary / "zoo-demo-filefile").exists()


@LINUX
def test_folders_of_other_users_are_left(temporary, monkeypatch):
    other = _like_ours(temporary / "zoo-demo-abcdef01")
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    remove_orphans()
    assert (other / "precious").exists()
