"""Download a checkpoint from the place where its authors published it: Google Drive, the Hub, or a server of files."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import re
from dataclasses import dataclass
from functools import partial as bound
from pathlib import Path

from ...common import files
from ...common.errors import WeightsCorruptedError, WeightsUnavailableError
from ...schema.entries import Upstream
from .. import hub
from . import drive, https
from .pickles import MAX_BYTES


@dataclass(frozen=True)
class Original:
    """A checkpoint as its authors published it."""

    path: Path  # on this machine
    name: str  # as its authors named it
    address: str  # where it came from
    sha256: str | None = None  # where its server states one
    revision: str | None = None  # commit of its repository

    def __str__(self) -> str:
        """The file as messages name it."""
        return self.address if self.address.endswith(self.name) else f"{self.name} from {self.address}"


def fetch(upstream: Upstream, partial: Path, beside: str | None = None) -> Original:
    """Download into a separate folder in `partial`; a partial download of the same file is continued.

    Args:
        beside: path of the generator whose discriminator is wanted, for the search in a folder (see `only`).

    Raises:
        WeightsUnavailableError: the download is impossible; the message says why.
        WeightsCorruptedError: the server states another size or sha256 than the entry; nothing was downloaded.
    """
    if upstream.hub_repo:
        return _from_hub(upstream, upstream.hub_repo, partial)
    if upstream.url:
        folder = _folder_of(partial, "https", upstream.url)
        name = "original.safetensors" if upstream.path.endswith(".safetensors") else "original.pth"
        path = https.download(upstream.url, folder, upstream.size, bool(stated_sha256(upstream)), name)
        return Original(path, upstream.path, upstream.url)
    name, file_id, address = upstream.path, upstream.google_drive_file, upstream.address
    if upstream.google_drive_folder:
        listed = drive.listing(upstream.google_drive_folder)
        name = only(upstream.path, [name for _, name in listed], upstream.address, beside)
        file_id = next(file_id for file_id, other in listed if other == name)
        address = f"{drive.DRIVE}/uc?id={file_id}"
    assert file_id
    check = bound(check_size, upstream, address)
    return Original(drive.download(file_id, _folder_of(partial, "drive", file_id), check), name, address)


def check_size(upstream: Upstream, address: str, size: int, then: str = "nothing was downloaded") -> None:
    """Raise WeightsCorruptedError unless the file at this address has the size that its entry states, if any."""
    if upstream.size not in (None, size):
        raise WeightsCorruptedError(f"{address} has {size:,} bytes, expected {upstream.size:,}; {then}")


def check_sha256(described: str, sha256: str, expected: str | None, remedy: str) -> None:
    """Raise WeightsCorruptedError unless a sha256 is the expected one, or begins so; None expects nothing."""
    if expected and not sha256.startswith(expected):
        raise WeightsCorruptedError(f"{described} has sha256 {sha256[:12]}..., expected {expected[:12]}..., {remedy}")


def only(pattern: str, paths: list[str], place: str, beside: str | None = None) -> str:
    """Return the one path that fits the pattern; raises WeightsUnavailableError, which names them, if several do.

    Args:
        beside: path of the generator whose discriminator is wanted. If it is one of the paths, only files in its folder
            fit, and of several those of its step.
    """
    fits = fitting(pattern, paths)
    if not fits:
        raise WeightsUnavailableError(f"none of the {len(paths)} files at {place} is called {pattern}")
    if beside in paths:
        fits = [path for path in fits if path.rpartition("/")[0] == beside.rpartition("/")[0]]
        if not fits:
            raise WeightsUnavailableError(f"no file beside {beside} at {place} is called {pattern}")
        step = re.search(r"step=\d+", beside)
        of_step = [path for path in fits if step and re.search(rf"{step[0]}(?!\d)", path)]
        fits = of_step if len(fits) > 1 and of_step else fits
    if len(fits) > 1:
        shown = ", ".join(fits[:4]) + (", ..." if len(fits) > 4 else "")
        raise WeightsUnavailableError(f"{len(fits)} files at {place} are called {pattern}: {shown}")
    return fits[0]


def fitting(pattern: str, paths: list[str]) -> list[str]:
    """Return the paths that fit; a pattern without folders fits in any folder, a path out of a folder never fits."""
    inside = [path for path in paths if not {"", ".", ".."} & set(re.split(r"[/\\]", path))]
    return [
        path for path in inside if fnmatch.fnmatchcase(path if "/" in pattern else path.rpartition("/")[2], pattern)
    ]


def _from_hub(upstream: Upstream, repo_id: str, partial: Path) -> Original:
    address = hub.Address(repo_id, upstream.revision or "main")
    facts = hub.facts(address, upstream.path, MAX_BYTES)
    check_size(upstream, upstream.address, facts.size or 0)
    if facts.sha256:
        stated = stated_sha256(upstream)
        check_sha256(f"{upstream.path} of {address}", facts.sha256, stated, "on the Hub; nothing was downloaded")
    folder = _folder_of(partial, repo_id, facts.commit, upstream.path)
    path = hub.download_into(folder, hub.Address(repo_id, facts.commit), upstream.path)
    return Original(path, upstream.path, upstream.address, facts.sha256, facts.commit)


def stated_sha256(upstream: Upstream) -> str | None:
    """Return the sha256 that an entry states, or its beginning."""
    return upstream.sha256 or upstream.sha256_start


def _folder_of(partial: Path, *identity: str) -> Path:
    """Make the folder for the download of one file, so that no download continues another file."""
    folder = partial / hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    files.make_own(folder)
    return folder
