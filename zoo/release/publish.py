"""Publishing a model on the Hugging Face Hub: first as a folder on this machine, then as one commit."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..checkpoints import hub
from ..common import files
from .export import export_folder
from .space import space_files

if TYPE_CHECKING:
    import torch

    from ..sampling.gan import GAN


class FileToUpload(NamedTuple):
    """A file that would be uploaded."""

    name: str
    size: int  # bytes
    sha256: str


def publish(
    source: GAN | str | os.PathLike,
    repo_id: str,
    *,
    private: bool = False,
    token: str | bool | None = None,
    branch: str | None = None,
    commit_message: str | None = None,
    create_pr: bool = False,
    dtype: str | torch.dtype = "float32",
) -> str:
    """Upload config.json, model.safetensors and the card to `user/repo`; returns `hf://user/repo@commit`.

    Args:
        source: a loaded model, or what `zoo.load` takes.
        private: make a new repository private.
        token: write token; default: the logged-in one.
        branch: to commit to; default: main.
        create_pr: open a pull request instead, and return its address.
        dtype: "float32" or "float16".

    Raises:
        ZooError: the upload is not possible; the message says why.
    """
    address = hub.parse(repo_id)
    with _folder(source, dtype, address.repo_id) as folder:
        return hub.push(folder, address.repo_id, private, token, branch, commit_message, create_pr)


def publish_space(
    repo_id: str, *, requirement: str | None = None, private: bool = False, token: str | bool | None = None
) -> str:
    """Upload the web demo as a Gradio Space `user/space`; returns its address.

    Args:
        requirement: how the Space installs this package, such as a Git address; None: as in `space_files`.
    """
    address = hub.parse(repo_id)
    with _space_folder(requirement, address.repo_id, private) as folder:
        return hub.push(folder, address.repo_id, private, token, space=True)


def preview_space(
    repo_id: str, requirement: str | None = None, private: bool = False
) -> tuple[list[FileToUpload], str]:
    """Return what `publish_space` would upload: its files, and the text of README.md."""
    with _space_folder(requirement, repo_id, private) as folder:
        return _listed(folder)


def preview(
    source: GAN | str | os.PathLike, repo_id: str, dtype: str | torch.dtype = "float32"
) -> tuple[list[FileToUpload], str]:
    """Return what `publish` would upload to `user/repo`: its files, and the text of the card."""
    with _folder(source, dtype, hub.parse(repo_id).repo_id) as folder:
        return _listed(folder)


def _listed(folder: Path) -> tuple[list[FileToUpload], str]:
    listed = [FileToUpload(path.name, path.stat().st_size, files.sha256(path)) for path in sorted(folder.iterdir())]
    return listed, (folder / "README.md").read_text(encoding="utf-8")


@contextmanager
def _folder(source, dtype: str | torch.dtype, repo_id: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as temporary:
        yield export_folder(source, Path(temporary) / "model", dtype=dtype, repository=repo_id)


@contextmanager
def _space_folder(requirement: str | None, repo_id: str, private: bool) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as temporary:
        for name, data in space_files(requirement, repo_id, private).items():
            (Path(temporary) / name).write_bytes(data)
        yield Path(temporary)
