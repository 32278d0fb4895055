"""Opening a checkpoint that somebody else pickled, without trusting it.

A pickle is a program, and an archive can be larger than it looks. So a file is read twice: first by an unpickler that
builds nothing, which refuses every name that a state dict does not need and every size that the file does not have;
then by `torch.load(weights_only=True)`. Nothing outside this folder opens pickles.
"""

from __future__ import annotations

import mmap
import os
import pickle
import tarfile
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

from ...common.errors import WeightsCorruptedError
from ...common.json_files import open_regular

MAX_BYTES = 4 << 30  # of a checkpoint; the largest known one, with its optimiser, has a fifth of this
_MAX_PICKLE = 8 << 20  # of the pickle itself, without the tensors' bytes
_STORAGES = {
    f"{kind}Storage": size
    for size, kinds in {1: "Byte Char Bool", 2: "Short Half BFloat16", 4: "Int Float", 8: "Long Double"}.items()
    for kind in kinds.split()
}
_ZIP, _LEGACY = b"PK\x03\x04", b"\x80"  # torch.save since version 1.6, and before


def read(path: Path) -> dict[str, Any]:
    """The object in a file of torch.save: tensors and plain data.

    Raises:
        WeightsCorruptedError: the file is damaged, asks for code, or is larger inside than outside.
    """
    import torch

    try:
        _inspect(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except WeightsCorruptedError:
        raise
    except Exception as error:  # a dozen unrelated types, for a file that is not what it says
        raise _refusal(path, _reason(error)) from None
    if not isinstance(loaded, dict):
        raise _refusal(path, f"it holds a {type(loaded).__name__}, not a state dict")
    for tensor in _tensors(loaded, torch):
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise _refusal(path, "a tensor in it is larger than its bytes")
    return loaded


def _inspect(path: Path) -> None:
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(4)
    if size > MAX_BYTES:
        raise _refusal(path, f"it has {size / 2**30:.1f} GiB, and {MAX_BYTES >> 30} are allowed")
    if start == _ZIP:
        _inspect_zip(path, size)
    elif start.startswith(_LEGACY):
        _inspect_legacy(path, size)
    elif tarfile.is_tarfile(path):
        raise _refusal(path, "it is a tar archive; save it again with a PyTorch since 1.6, where it came from")
    else:
        raise _refusal(path, "it is neither a zip archive nor a pickle")


def _inspect_zip(path: Path, size: int) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        # torch.save stores its entries as they are: whatever unpacks to more than the file has is a bomb.
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise _refusal(path, "its entries are compressed, which PyTorch's are not")
        if sum(entry.file_size for entry in entries) > size:
            raise _refusal(path, "its entries are larger than the file")
        programs = [entry for entry in entries if entry.filename.endswith("/data.pkl")]
        if len(programs) != 1 or programs[0].file_size > _MAX_PICKLE:
            raise _refusal(path, "it is a zip archive, but not one of PyTorch")
        if damaged := archive.testzip():  # PyTorch does not look at the checksums
            raise _refusal(path, f"{damaged} in it is damaged")
        folder = programs[0].filename.removesuffix("data.pkl")
        sizes = {entry.filename: entry.file_size for entry in entries}
        with archive.open(programs[0]) as program:
            storages = _Inspector.run(program, path)
    for key, declared in storages.items():
        if sizes.get(f"{folder}data/{key}") != declared:
            raise _refusal(path, f"storage {key} in it is not of the size that it should have")


def _inspect_legacy(path: Path, size: int) -> None:
    """Pickles one after the other: magic number, version, system, the object, the order of storages; then their bytes.

    The file is mapped, so that a length that lies costs nothing.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as program:
        storages: dict[str, int] = {}
        for _ in range(5):
            storages |= _Inspector.run(program, path)
            if program.tell() > _MAX_PICKLE:
                raise _refusal(path, "its pickles are too large")
    if sum(storages.values()) > size:
        raise _refusal(path, "its storages are larger than the file")


class _Nothing:
    """What a name in a pickle stands for during inspection: it can be called, and does nothing."""

    def __init__(self, *_):
        pass


class _Inspector(pickle._Unpickler):
    """Runs a pickle with every name replaced by nothing, and notes the sizes of the storages.

    The unpickler in Python, because the one in C keeps its memo in an array: a few bytes could ask for gigabytes.
    """

    path: Path
    storages: dict[str, int]  # bytes, by key

    @classmethod
    def run(cls, program, path: Path) -> dict[str, int]:
        inspector = cls(program)
        inspector.path, inspector.storages = path, {}
        inspector.load()
        return inspector.storages

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch._utils" and name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
            return _Nothing
        if module == "torch" and name in _STORAGES:
            return name
        raise _refusal(self.path, f"it asks for {module}.{name}, which is code and not data; nothing was run")

    def persistent_load(self, pid: Any) -> Any:
        """pid: ("storage", type, key, device, number of elements, ...)."""
        try:
            kind, name, key, _, count = pid[:5]
            declared = _STORAGES[name] * count
        except (TypeError, ValueError, KeyError):
            raise _refusal(self.path, "it describes a storage in no known way") from None
        if kind != "storage" or not isinstance(count, int) or count < 0:
            raise _refusal(self.path, "it describes a storage in no known way")
        self.storages[str(key)] = declared
        return _Nothing()


def _tensors(value: Any, torch) -> list:
    """All tensors in nested dictionaries and lists."""
    found, waiting, seen = [], [value], set()
    while waiting:
        item = waiting.pop()
        if isinstance(item, torch.Tensor):
            found.append(item)
        elif isinstance(item, dict | list | tuple) and id(item) not in seen:
            seen.add(id(item))
            waiting.extend(item.values() if isinstance(item, dict) else item)
    return found


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _refusal(path: Path, reason: str) -> WeightsCorruptedError:
    return WeightsCorruptedError(f"{path} is no checkpoint that can be opened safely: {reason}; download it again")
