"""The three methods of models on the Hugging Face Hub, named as in `PyTorchModelHubMixin`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ..checkpoints import hub

if TYPE_CHECKING:
    import torch

    from .gan import GAN


class Pretrained:
    """Mixin of GAN: load from a folder or a repository, save to a folder, upload to the Hub."""

    @classmethod
    def from_pretrained(
        cls, folder_or_repo: str | os.PathLike, *, revision: str = "main", token: str | bool | None = None, **options
    ) -> GAN:
        """Load an exported folder, or a repository `user/repo` of one on the Hugging Face Hub; see `zoo.load`.

        Args:
            revision: commit, tag or branch of the repository.
            token: for a private or gated repository; default: the token of the login.
            options: of `zoo.load`.
        """
        from .loading import load

        folder_or_repo = Path(folder_or_repo) if Path(folder_or_repo).is_dir() else folder_or_repo
        if not isinstance(folder_or_repo, Path):
            address = hub.parse(os.fspath(folder_or_repo))
            if revision != "main":
                address = hub.parse(f"{address.repo_id}@{revision}")
            folder_or_repo = hub.local_folder(
                str(address), with_discriminator=bool(options.get("discriminator")), token=token
            )
        return load(folder_or_repo, **options)

    def save_pretrained(self, folder: str | os.PathLike, **options) -> Path:
        """Write config.json, model.safetensors and the card into a folder; see `release.model_folder.write_folder`."""
        from ..release.model_folder import write_folder
        from .gan import GAN

        assert isinstance(self, GAN)
        return write_folder(self, folder, **options)

    def push_to_hub(self, repo_id: str, *, dtype: str | torch.dtype = "float32", **options) -> str:
        """Upload what `save_pretrained` writes to `user/repo`; options and result of `checkpoints.hub.push`."""
        address = hub.parse(repo_id)
        with tempfile.TemporaryDirectory() as temporary:
            folder = self.save_pretrained(Path(temporary) / "model", dtype=dtype, repository=address.repo_id)
            return hub.push(folder, address.repo_id, **options)
