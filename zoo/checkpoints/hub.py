"""Use the Hugging Face Hub through its client: files at a pinned revision, exported folders, publishing.

The client's settings apply: HF_HOME, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE. ZOO_OFFLINE=1 forbids all other downloads,
too. The client is imported only when the network is used.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..common import files, network_settings
from ..common.cache_roots import NO_HOME, hub_root
from ..common.downloads import CONNECT_TIMEOUT, OFFLINE, is_offline, is_transport, patiently
from ..common.errors import UsageError, WeightsCorruptedError, WeightsUnavailableError, ZooError
from ..common.json_files import LIMIT
from ..schema.entries import REPO_ID, REVISION
from . import cache, hub_errors

if TYPE_CHECKING:
    from huggingface_hub.file_download import HfFileMetadata

PREFIX = "hf://"
WEIGHTS_FILE, CONFIG_FILE, DISCRIMINATOR_FILE = "model.safetensors", "config.json", "discriminator.safetensors"


class Address(NamedTuple):
    """A repository of models on the Hub, at a revision."""

    repo_id: str
    revision: str = "main"

    def __str__(self) -> str:
        return f"{PREFIX}{self.repo_id}" + (f"@{self.revision}" if self.revision != "main" else "")


def parse(text: str) -> Address:
    """Parse `hf://user/repo[@revision]` (hf:// may be left out); raises ZooError for anything else."""
    repo_id, at, revision = text.removeprefix(PREFIX).partition("@")
    if not re.fullmatch(REPO_ID, repo_id) or (at and not re.fullmatch(REVISION, revision)):
        raise UsageError(f"{text[:80]!r} is not an address on the Hub; write hf://user/repo or hf://user/repo@revision")
    return Address(repo_id, revision or "main")


def local_folder(
    name: str | os.PathLike,
    with_weights: bool = True,
    with_discriminator: bool = False,
    token: str | bool | None = None,
) -> str | os.PathLike:
    """Download `hf://user/repo[@revision]` and return its folder; any other name is returned unchanged.

    Raises:
        WeightsUnavailableError: the download is impossible; the message says why.
        WeightsCorruptedError: the downloaded file is not the file that the Hub names.
    """
    if not isinstance(name, str) or not name.startswith(PREFIX):
        return name
    address = parse(name)
    config = download(address.repo_id, CONFIG_FILE, address.revision, token=token)
    if with_weights:  # of the same commit
        download(address.repo_id, WEIGHTS_FILE, config.parent.name, token=token)
    if with_discriminator:
        download(address.repo_id, DISCRIMINATOR_FILE, config.parent.name, token=token)
    return config.parent


def cached(repo_id: str, filename: str, revision: str) -> Path | None:
    """Find a file in the Hub's cache without the slow import of its client: `zoo list` asks for every model."""
    repo = _repository(repo_id)
    ref = repo / "refs" / revision
    commit = ref.read_text().strip() if files.is_file(ref) else revision
    path = repo / "snapshots" / commit / filename
    return path if files.is_file(path) else None


def address_of(folder: Path) -> Address | None:
    """Return the repository and the commit of a folder in the Hub's cache; None for any other folder."""
    commit = folder.resolve()
    repository, snapshots = commit.parent.parent, commit.parent
    found = re.fullmatch(r"models--(.+?)--(.+)", repository.name)
    if not found or snapshots.name != "snapshots":
        return None
    address = Address(f"{found[1]}/{found[2]}", commit.name)
    return address if _repository(address.repo_id).resolve() == repository else None


def _repository(repo_id: str) -> Path:
    return hub_root() / f"models--{repo_id.replace('/', '--')}"


def endpoint() -> str:
    """Return $HF_ENDPOINT, else the address of the Hub."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def endpoint_fault() -> str | None:
    """Return one line on $HF_ENDPOINT if it is no address."""
    return network_settings.address_fault(network_settings.Setting("HF_ENDPOINT", endpoint()))


def ask(timeout: float) -> int:
    """Return the HTTP status with which the Hub answers, asked as for a download; raises what the client raises."""
    from huggingface_hub.utils import get_session

    return get_session().head(endpoint(), timeout=timeout).status_code


def client() -> network_settings.Client:
    """Return which settings the Hub's client reads."""
    from huggingface_hub import __version__

    return network_settings.REQUESTS if __version__.startswith("0.") else network_settings.HTTPX


# -------------------------------------------------------------------------------------------------------- downloading


def download(
    repo_id: str,
    filename: str,
    revision: str,
    sha256: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | os.PathLike | None = None,
) -> Path:
    """Return a verified file of a repository, in the Hub's cache.

    Args:
        revision: commit, tag or branch; a commit in the cache needs no network.
        sha256: of the file; None = the sha256 that the Hub states, if any.
        cache_dir: folder in which the zoo records verified files.

    Raises:
        WeightsUnavailableError: the download is impossible; the message says why.
        WeightsCorruptedError: the file has another sha256; a damaged file of the client is removed.
    """
    here = cached(repo_id, filename, revision)
    if here is None or not re.fullmatch(r"[0-9a-f]{40}", revision):
        if not is_offline():
            here = _download(repo_id, filename, revision, sha256, token, here)
        elif here is None:
            address = Address(repo_id, revision)
            raise WeightsUnavailableError(f"{filename} of {address} is not in the Hub's cache, and {OFFLINE}")
    # only a link still has the name that the Hub gave the file
    expected = sha256 or lfs_sha256(here.readlink().name if here.is_symlink() else None)
    if expected:
        try:
            cache.check_once(here, expected, "", cache_dir)
        except WeightsCorruptedError as error:
            raise WeightsCorruptedError(f"{error}{_discard(here, _repository(repo_id))}") from None
    return here


def _download(repo_id, filename, revision, sha256, token, here: Path | None) -> Path:
    from huggingface_hub import hf_hub_download

    address = Address(repo_id, revision)
    if NO_HOME in hub_root().parents:  # the client would make a folder named "~"
        raise WeightsUnavailableError(
            "there is no home folder for files; set HOME, or set HF_HOME to a writable folder"
        )
    with explained(address, filename):
        try:
            facts = patiently(lambda: metadata(address, filename, token))
        except Exception as error:
            if here is None or not is_transport(error):
                raise
            print(f"zoo: the Hub cannot be reached; using the cached {address}", file=sys.stderr)
            return here
        if filename == CONFIG_FILE and (facts.size or 0) > LIMIT:
            raise WeightsUnavailableError(
                f"{filename} of {address} has {facts.size:,d} bytes, too many for a config; nothing was downloaded"
            )
        published = lfs_sha256(facts.etag)
        if sha256 and published and published != sha256:
            raise WeightsCorruptedError(
                f"{filename} of {address} has changed: the Hub has sha256 {published[:12]}..., this zoo expects "
                f"{sha256[:12]}...; nothing was downloaded"
            )
        options = {"revision": revision, "token": token, "cache_dir": hub_root(), "endpoint": endpoint()}
        return Path(patiently(lambda: hf_hub_download(repo_id, filename, **options)))


def metadata(address: Address, filename: str, token: str | bool | None = None) -> HfFileMetadata:
    """Return commit, size and ETag of a file from one request without retries."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    url = hf_hub_url(address.repo_id, filename, revision=address.revision, endpoint=endpoint())
    return get_hf_file_metadata(url, token=token, timeout=CONNECT_TIMEOUT, endpoint=endpoint())


def _discard(path: Path, repository: Path) -> str:
    """Remove a damaged blob of the client, with its link, from the Hub's cache; returns the remedy.

    Any other file stays, as it may belong to a user: a copy made by hand, or a link to another place.
    """
    blob = path.parent / path.readlink() if path.is_symlink() else path
    named = lfs_sha256(blob.name)
    if blob is path or blob.parent.resolve() != (repository / "blobs").resolve() or named in (None, files.sha256(blob)):
        return "remove it, then load it again"
    blob.unlink()
    path.unlink()
    return "it was removed; load it again; if that fails, too, the Hub has another file under this revision"


def lfs_sha256(name: str | None) -> str | None:
    """Return the sha256 in the name of a large file; the Hub names small files by git's sha1."""
    return name if name and re.fullmatch(r"[0-9a-f]{64}", name) else None


# --------------------------------------------------------------------------------------------------------- publishing


def push(
    folder: Path,
    repo_id: str,
    private: bool = False,
    token: str | bool | None = None,
    branch: str | None = None,
    commit_message: str | None = None,
    create_pr: bool = False,
    space: bool = False,
) -> str:
    """Upload all files of a folder as one commit, making the repository if needed; returns the address of the commit.

    Args:
        space: upload to a Gradio Space instead of a model repository.

    Raises:
        ZooError: the upload failed; the message says why.
    """
    address = parse(repo_id)
    if is_offline():
        raise ZooError(f"nothing can be published: {OFFLINE}")
    from huggingface_hub import HfApi

    api = HfApi(endpoint(), token=token)
    with explained(address, "the upload"):
        kind, sdk = ("space", "gradio") if space else ("model", None)
        patiently(
            lambda: api.create_repo(address.repo_id, private=private, exist_ok=True, repo_type=kind, space_sdk=sdk)
        )
        commit = api.upload_folder(
            repo_id=address.repo_id,
            folder_path=folder,
            repo_type=kind,
            revision=branch,
            commit_message=commit_message or "Upload with contrastive-gan-zoo",
            create_pr=create_pr,
        )
    if commit.pr_url:
        return commit.pr_url
    return f"{endpoint()}/spaces/{address.repo_id}" if space else f"{PREFIX}{address.repo_id}@{commit.oid}"


# ------------------------------------------------------------------------------------------------------------- errors


@contextmanager
def explained(address: Address, what: str) -> Iterator[None]:
    """Turn errors of the client into one line that says what happened and what to do."""
    if wrong := endpoint_fault():
        raise WeightsUnavailableError(wrong)
    try:
        yield
    except ZooError:
        raise
    except Exception as error:
        raise WeightsUnavailableError(hub_errors.reason(error, address, what, endpoint(), client())) from error
