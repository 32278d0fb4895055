"""Published files on the Hugging Face Hub: what it states of them, and their download without the Hub's own cache."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..common.downloads import CONNECT_TIMEOUT, patiently
from ..common.errors import WeightsUnavailableError
from . import hub


class FileFacts(NamedTuple):
    """What the Hub states of a file."""

    commit: str
    size: int | None  # bytes
    sha256: str | None  # of a large file


def facts(address: hub.Address, filename: str, limit: int) -> FileFacts:
    """Ask for the facts of a file; raises WeightsUnavailableError if it is not there or has more than `limit` bytes."""
    with hub.explained(address, filename):
        found = patiently(lambda: hub.metadata(address, filename))
        if (found.size or 0) > limit:
            raise WeightsUnavailableError(
                f"{filename} of {address} has {found.size:,d} bytes, too many for a checkpoint"
            )
        return FileFacts(found.commit_hash or address.revision, found.size, hub.lfs_sha256(found.etag))


def download_into(folder: Path, address: hub.Address, filename: str) -> Path:
    """Download a file to its path below `folder`, continuing a partial download; raises WeightsUnavailableError."""
    from huggingface_hub import hf_hub_download

    with hub.explained(address, filename):
        options = {"revision": address.revision, "local_dir": folder, "endpoint": hub.endpoint()}
        return Path(patiently(lambda: hf_hub_download(address.repo_id, filename, **options)))


def facts_of_files(address: hub.Address) -> dict[str, tuple[int | None, str | None]]:
    """Return (bytes, sha256 of a large file) of every file of a repository at a revision, from one request."""
    from huggingface_hub import HfApi

    with hub.explained(address, "the list of files"):
        options = {"revision": address.revision, "files_metadata": True, "timeout": CONNECT_TIMEOUT}
        info = patiently(lambda: HfApi(hub.endpoint()).model_info(address.repo_id, **options))
        return {file.rfilename: (file.size, file.lfs.sha256 if file.lfs else None) for file in info.siblings or ()}
