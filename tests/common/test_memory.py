"""What cannot fit in memory is refused; what is not known is not."""

import os

import pytest

from zoo.common import memory
from zoo.common.errors import ZooError

GIB = 1 << 30


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose files say what the test writes."""
    for name in ("_MEMINFO", "_OWN_GROUP"):
        monkeypatch.setattr(memory, name, tmp_path / name)
    monkeypatch.setattr(memory, "_GROUPS", tmp_path / "groups")
    (tmp_path / "_MEMINFO").write_text("MemTotal: 9 kB\nMemAvailable: 20971520 kB\nSwapFree: 0 kB\nHugePages_Free: 0\n")
    return tmp_path


def group(folder, version: int, limit, used: int, freeable: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    limit_file, use_file, line = memory._FILES[version]
    (folder / limit_file).write_text(f"{limit}\n")
    (folder / use_file).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\n{line} {freeable}\n")


def test_what_is_too_large_is_refused_with_the_figures(machine):
    memory.refuse_if_too_large(20 * GIB, "images", "use less")
    with pytest.raises(ZooError) as error:
        memory.refuse_if_too_large(3 * 32 * 32 * 10**9, "1,000,000,000 images of 32x32", "use model.stream()")
    assert str(error.value) == (
        "1,000,000,000 images of 32x32 take 2,861 GiB, this machine has 20 GiB free; use model.stream()"
    )


@pytest.mark.parametrize("version", [1, 2])
def test_a_control_group_limits_what_is_free(machine, version):
    controllers, root = (("", "groups"), ("cpu,memory", "groups/memory"))[version == 1]
    (machine / "_OWN_GROUP").write_text(f"7:blkio:/\n5:{controllers}:/pod/box\n")
    group(machine / root / "pod" / "box", version, "max" if version == 2 else 2**63 - 4096, 0, 0)
    assert memory.available() == 20 * GIB, "no limit"
    group(machine / root / "pod", version, 4 * GIB, 3 * GIB, GIB)
    assert memory.available() == 2 * GIB, "the limit of a group around the own one; cached files can go"
    group(machine / root / "pod" / "box", version, GIB, 2 * GIB, 0)
    assert memory.available() == 0


def test_swap_space_counts(machine):
    (machine / "_MEMINFO").write_text("MemAvailable: 1024 kB\nSwapFree: 2048 kB\n")
    assert memory.available() == 3 << 20


def test_without_proc_all_memory_is_known_or_nothing(machine, monkeypatch):
    (machine / "_MEMINFO").unlink()
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}.__getitem__)
    assert memory.available() == 4096000
    monkeypatch.delattr(os, "sysconf")
    assert memory.available() is None
    memory.refuse_if_too_large(10**30, "images", "use less")
