"""Open an untrusted pickled checkpoint.

A pickle is a program, and an archive can unpack to more than its size. So a file is read twice: first by an unpickler
that builds nothing, which refuses every name that a state dict does not need and every size that the file does not
have; then by `torch.load(weights_only=True)`. Only this folder opens pickles.
"""

from __future__ import annotations

import mmap
import os
import pickle
import tarfile
import threading
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

from ...common.errors import WeightsCorruptedError
from ...common.json_files import open_regular
from ...common.pickled_numbers import NAMES, StandIn
from ...common.text import first_line

MAX_BYTES = 4 << 30  # of a checkpoint; the largest known one, with its optimiser, has a fifth of this
_MAX_PICKLE = 8 << 20  # of the pickle itself, without the tensors' bytes
_MAX_DIRECTORY = 8 << 20  # of the list of files in a zip archive, which is read at once
_STORAGES = {
    f"{kind}Storage": size
    for size, kinds in {1: "Byte Char Bool", 2: "Short Half BFloat16", 4: "Int Float", 8: "Long Double"}.items()
    for kind in kinds.split()
}
_REBUILD = {("torch._utils", name) for name in ("_rebuild_tensor_v2", "_rebuild_parameter")}
_LOADING = threading.Lock()  # PyTorch keeps the names that it lets through for the whole process
ZIP, _LEGACY = b"PK\x03\x04", b"\x80"  # torch.save since version 1.6, and before


def read(path: Path, described: str | None = None) -> dict[str, Any]:
    """Return the object in a file of torch.save: tensors and plain data.

    Args:
        described: the file as errors name it, if not by its path.

    Raises:
        WeightsCorruptedError: the file is damaged, asks for code, or unpacks to more than its size.
    """
    import torch

    from ...common.torch_defaults import fresh_defaults

    where = described or str(path)
    try:
        _inspect(path, where)
        allowed: list[Any] = [(function, f"{module}.{name}") for (module, name), function in NAMES.items()]
        with fresh_defaults(), _LOADING, torch.serialization.safe_globals(allowed):
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except WeightsCorruptedError:
        raise
    except Exception as error:  # a damaged file raises a dozen unrelated types
        raise _refusal(where, first_line(error)) from None
    if not isinstance(loaded, dict):
        raise _refusal(where, f"it holds a {type(loaded).__name__}, not a state dict")
    for tensor in _tensors(loaded, torch):
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise _refusal(where, "it has a tensor that is larger than its storage")
    return loaded


def _inspect(path: Path, where: str) -> None:
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(4)
    if size > MAX_BYTES:
        raise _refusal(where, f"it has {size / 2**30:.1f} GiB; at most {MAX_BYTES >> 30} are allowed")
    if start == ZIP:
        _inspect_zip(path, where, size)
    elif start.startswith(_LEGACY):
        _inspect_legacy(path, where, size)
    elif tarfile.is_tarfile(path):
        raise _refusal(where, "it is a tar archive; save it again with PyTorch 1.6 or later")
    else:
        raise _refusal(where, "it is neither a zip archive nor a pickle")


def check_directory(path: Path, where: str) -> None:
    """Raise WeightsCorruptedError if a zip archive lists so many files that reading the list would fill the memory."""
    with open_regular(path) as file:
        end = zipfile._EndRecData(file)  # pyright: ignore[reportAttributeAccessIssue]; None: no zip archive
    if end and end[zipfile._ECD_SIZE] > _MAX_DIRECTORY:  # pyright: ignore[reportAttributeAccessIssue]
        raise _refusal(where, "it lists too many files")


def _inspect_zip(path: Path, where: str, size: int) -> None:
    check_directory(path, where)
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        # torch.save does not compress, so an archive that unpacks to more than its size is a bomb.
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise _refusal(where, "its entries are compressed, unlike those of PyTorch")
        if sum(entry.file_size for entry in entries) > size:
            raise _refusal(where, "its entries are larger than the file")
        programs = [entry for entry in entries if entry.filename.endswith("/data.pkl")]
        if len(programs) != 1 or programs[0].file_size > _MAX_PICKLE:
            raise _refusal(where, "it is a zip archive, but not one of PyTorch")
        if damaged := archive.testzip():  # PyTorch does not verify the checksums
            raise _refusal(where, f"{damaged} in it is damaged")
        folder = programs[0].filename.removesuffix("data.pkl")
        sizes = {entry.filename: entry.file_size for entry in entries}
        with archive.open(programs[0]) as program:
            storages = _Inspector.run(program, where)
    for key, declared in storages.items():
        if sizes.get(f"{folder}data/{key}") != declared:
            raise _refusal(where, f"storage {key} in it has the wrong size")


def _inspect_legacy(path: Path, where: str, size: int) -> None:
    """Inspect consecutive pickles: magic number, version, system, the object, the order of storages; then raw bytes.

    The file is mapped, so that a false length costs nothing.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as program:
        storages: dict[str, int] = {}
        for _ in range(5):
            storages |= _Inspector.run(program, where)
            if program.tell() > _MAX_PICKLE:
                raise _refusal(where, "its pickles are too large")
    if sum(storages.values()) > size:
        raise _refusal(where, "its storages are larger than the file")


class _Nothing:
    """Stands for a tensor during inspection."""

    def __init__(self, *_):
        pass


class _Inspector(pickle._Unpickler):
    """Runs a pickle with inert names, and notes the sizes of the storages.

    This is the unpickler in Python; the unpickler in C keeps its memo in an array, so that a few bytes could allocate
    gigabytes.
    """

    where: str
    storages: dict[str, int]  # bytes, by key

    @classmethod
    def run(cls, program, where: str) -> dict[str, int]:
        inspector = cls(program)
        inspector.where, inspector.storages = where, {}
        inspector.load()
        return inspector.storages

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) in _REBUILD:
            return StandIn(_Nothing)
        if (module, name) in NAMES:
            return StandIn(NAMES[module, name])
        if module == "torch" and name in _STORAGES:
            return name
        raise _refusal(self.where, f"it asks for {module}.{name}, which is code, not data; nothing was run")

    def persistent_load(self, pid: Any) -> Any:
        """Note the size of a storage; pid is ("storage", type, key, device, number of elements, ...)."""
        try:
            kind, name, key, _, count = pid[:5]
            declared = _STORAGES[name] * count
        except (TypeError, ValueError, KeyError):
            raise _refusal(self.where, "it describes a storage in an unknown way") from None
        if kind != "storage" or not isinstance(count, int) or count < 0:
            raise _refusal(self.where, "it describes a storage in an unknown way")
        self.storages[str(key)] = declared
        return _Nothing()


def _tensors(value: Any, torch) -> list:
    """Return all tensors in nested dictionaries and lists."""
    found, waiting, seen = [], [value], set()
    while waiting:
        item = waiting.pop()
        if isinstance(item, torch.Tensor):
            found.append(item)
        elif isinstance(item, dict | list | tuple) and id(item) not in seen:
            seen.add(id(item))
            waiting.extend(item.values() if isinstance(item, dict) else item)
    return found


def _refusal(where: str, reason: str) -> WeightsCorruptedError:
    return WeightsCorruptedError(f"{where} cannot be opened safely as a checkpoint: {reason}; download it again")
