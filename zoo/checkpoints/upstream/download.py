"""Download a checkpoint from the place where its authors published it: Google Drive, the Hub, or a server of files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial as bound
from pathlib import Path

from ...common import files
from ...common.errors import WeightsCorruptedError, WeightsUnavailableError
from ...schema.entries import Upstream
from .. import hub, hub_files
from . import archives, drive, https, matching
from .pickles import MAX_BYTES


@dataclass(frozen=True)
class Original:
    """A checkpoint as its authors published it."""

    path: Path  # on this machine
    name: str  # as its authors named it
    address: str  # where it came from
    sha256: str | None = None  # where its server states one
    revision: str | None = None  # commit of its repository
    archive: Path | None = None  # the zip archive, on this machine, that `path` was taken from

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
    found = _from_url(upstream, partial) if upstream.url else _from_drive(upstream, partial, beside)
    if not upstream.archive:
        return found
    try:
        return member(found.path, [upstream.path], found.path.parent, found.address)
    except WeightsUnavailableError as error:  # another archive than the entry means
        raise WeightsCorruptedError(str(error)) from None


def member(archive: Path, patterns: Iterable[str], folder: Path, address: str, remedy: str = "") -> Original:
    """Take the one file that fits out of an archive, into a folder.

    Args:
        address: where the archive came from.
        remedy: the end of the error, what to do, if none or several files fit.

    Raises:
        WeightsUnavailableError: none or several files of the archive fit; the message names them.
        WeightsCorruptedError: the archive is damaged, or unpacks to more than a checkpoint would.
    """
    name = matching.only(patterns, archives.names(archive, address), address, remedy=remedy)
    path = folder / ("member.safetensors" if name.endswith(".safetensors") else "member.pth")
    archives.extract(archive, name, path, address)
    return Original(path, name, address, archive=archive)


def _from_url(upstream: Upstream, partial: Path) -> Original:
    assert upstream.url
    folder = _folder_of(partial, "https", upstream.url)
    name = "original.safetensors" if upstream.url.endswith(".safetensors") else "original.pth"
    path = https.download(upstream.url, folder, upstream.size, bool(stated_sha256(upstream)), name)
    return Original(path, upstream.path, upstream.url)


def _from_drive(upstream: Upstream, partial: Path, beside: str | None) -> Original:
    name, file_id, address = upstream.path, upstream.google_drive_file, upstream.address
    if upstream.google_drive_folder:
        listed = drive.listing(upstream.google_drive_folder)
        name = matching.only([upstream.path], [name for _, name in listed], upstream.address, beside)
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


def _from_hub(upstream: Upstream, repo_id: str, partial: Path) -> Original:
    address = hub.Address(repo_id, upstream.revision or "main")
    facts = hub_files.facts(address, upstream.path, MAX_BYTES)
    check_size(upstream, upstream.address, facts.size or 0)
    if facts.sha256:
        stated = stated_sha256(upstream)
        check_sha256(f"{upstream.path} of {address}", facts.sha256, stated, "on the Hub; nothing was downloaded")
    folder = _folder_of(partial, repo_id, facts.commit, upstream.path)
    path = hub_files.download_into(folder, hub.Address(repo_id, facts.commit), upstream.path)
    return Original(path, upstream.path, upstream.address, facts.sha256, facts.commit)


def stated_sha256(upstream: Upstream) -> str | None:
    """Return the sha256 that an entry states, or its beginning."""
    return upstream.sha256 or upstream.sha256_start


def _folder_of(partial: Path, *identity: str) -> Path:
    """Make the folder for the download of one file, so that no download continues another file."""
    folder = partial / hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    files.make_own(folder)
    return folder
