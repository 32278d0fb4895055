"""Write files whole or not at all, and verify them by their sha256."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import WeightsCorruptedError, ZooError
from .signals import before_forced_end

if TYPE_CHECKING:
    from torch import Tensor

OWN = ".zoo"  # marks a folder that this program made and may remove
_TOKEN = re.compile(r"[0-9a-f]{8}")


def sha256(path: Path, advance: Callable[[int], object] | None = None) -> str:
    """Return the sha256 of a file; `advance` is called with the bytes read since the last call."""
    with path.open("rb") as file:
        if sys.version_info >= (3, 11) and advance is None:
            return hashlib.file_digest(file, "sha256").hexdigest()
        return _sha256(file, advance or (lambda count: None))


def _sha256(file, advance: Callable[[int], object] = lambda count: None) -> str:  # Python 3.10 has no file_digest
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
        advance(len(block))
    return digest.hexdigest()


def verify_sha256(path: Path, expected: str | None, remedy: str = "fetch or install it again") -> None:
    """Raise WeightsCorruptedError, ending with the remedy, if the file has another sha256."""
    if expected is not None and (actual := sha256(path)) != expected:
        raise WeightsCorruptedError(
            f"{path} is damaged: its sha256 is {actual[:12]}..., expected {expected[:12]}...; {remedy}"
        )


def is_file(path: Path) -> bool:
    """Return True if the file exists and can be accessed."""
    try:
        return path.is_file()
    except OSError:
        return False


def as_size(size: int) -> str:
    """Format a number of bytes, such as "17.2 MB"."""
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


@contextmanager
def replacing(path: Path, replace: bool = True) -> Iterator[Path]:
    """Yield a temporary file beside the target, and rename it at the end: readers see the old file or the new one.

    With `replace=False`, raises FileExistsError if the target exists at the end: of two processes one has written it.

    The permissions are those that `open(path, "w")` would leave: a new file gets what the umask allows, a replaced file
    keeps its own.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    _unfinished.add(temporary)
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666))
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        if replace:
            with suppress(FileNotFoundError):
                _chmod(temporary, path.stat().st_mode)
            temporary.replace(path)
        else:
            _rename_to_new(temporary, path)
    except BaseException as error:
        with suppress(OSError):  # what could not be made cannot be removed, and the first error says why
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            _name(error, path)
        raise
    finally:
        _unfinished.discard(temporary)


def refuse_unwritable(path: Path) -> None:
    """Raise ZooError before any work if nothing can be written at a place: it is tried, without a trace."""
    there = next(place for place in (path.absolute(), *path.absolute().parents) if place.is_dir())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        if error.errno != errno.ENOSPC:  # there may be space by then, and as much as is needed is not known
            raise ZooError(f"{path} cannot be written ({error.strerror}); give another place") from None


def remove_leftovers(path: Path) -> None:
    """Remove the temporary files that killed processes left in `replacing(path)`: regular files of such names.

    The caller holds a lock, so that no other process is writing the file.
    """
    for found in path.parent.iterdir() if path.parent.is_dir() else ():
        name, _, token = found.name.rpartition(".")
        if name == f".{path.name}" and _TOKEN.fullmatch(token) and found.is_file() and not found.is_symlink():
            found.unlink()


@contextmanager
def building(folder: Path) -> Iterator[Path]:
    """Yield a new folder beside the target, whose content is then moved there; its rest is removed at the end.

    Raises OSError if it cannot be made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    _unfinished.add(temporary)
    try:
        temporary.mkdir()
        yield temporary
    except OSError as error:
        _name(error, folder)
        raise
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        _unfinished.discard(temporary)


def make_own(folder: Path) -> None:
    """Make and mark a folder for files that can be fetched or made again; `remove_own` removes only marked folders."""
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.iterdir()):
        (folder / OWN).touch()


def is_own(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink() and (folder / OWN).is_file()


def remove_own(folder: Path) -> None:
    """Remove an empty folder, or one that `make_own` made, with its content; any other folder stays.

    The mark is removed last, so that an interrupted removal can continue.
    """
    if is_own(folder):
        for path in folder.iterdir():
            if path.name == OWN:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        (folder / OWN).unlink()
    with suppress(OSError):  # missing, or not empty
        folder.rmdir()


def _rename_to_new(temporary: Path, path: Path) -> None:
    """Rename a file to a path where nothing is; raises FileExistsError if something is.

    Where there are no hard links (exFAT), the path is an empty file before the temporary one is renamed.
    """
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o666))
        temporary.replace(path)
    else:
        temporary.unlink()


def _name(error: OSError, path: Path) -> None:
    """Set the file name of an error; the error of a full disk has none."""
    temporary = str(path.with_name(f".{path.name}."))
    if error.errno and (error.filename is None or str(error.filename).startswith(temporary)):
        error.filename = str(path)


def _chmod(path: Path, mode: int) -> None:
    if stat.S_IMODE(path.stat().st_mode) != stat.S_IMODE(mode):  # some file systems know no permissions
        path.chmod(stat.S_IMODE(mode))


def _remove_unfinished() -> None:
    for path in list(_unfinished):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


_unfinished: set[Path] = set()  # temporary files and folders of this process
before_forced_end(_remove_unfinished)


def write_atomically(path: Path, data: bytes, replace: bool = True) -> None:
    """Write a whole file, or leave the old one; `replace` as in `replacing`."""
    with replacing(path, replace) as temporary:
        temporary.write_bytes(data)


def save(path: str | Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file, whole or not at all. The same tensors and metadata give the same bytes."""
    with replacing(Path(path)) as temporary:
        write_safetensors(temporary, tensors, metadata)


def read_safetensors(path: str | Path) -> dict[str, Tensor]:
    """Return all tensors of a safetensors file, mapped into memory; raises what the library raises.

    A file whose path is not UTF-8, which the library cannot open, is read into memory.
    """
    from safetensors.torch import load, load_file

    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return load(Path(path).read_bytes())
    return load_file(path)


def write_safetensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file in place, at a path that no process reads yet.

    The library's `save_file` would make its own temporary file, which stays when the process is killed, and which only
    this user can read, whatever the umask.
    """
    from safetensors.torch import save

    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data = memoryview(save(contiguous, {"format": "pt", **(metadata or {})}))
    body = 8 + int.from_bytes(data[:8], "little")
    # The library orders metadata by a randomised hash map; a checksum needs a fixed order.
    header = json.loads(bytes(data[8:body]))
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.write(data[body:])
