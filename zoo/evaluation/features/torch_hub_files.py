"""Weights of extractors in torch.hub's folder, where the tools that use them keep theirs.

They are located before anything is sampled: a given file; else torch.hub's folder; else a download. A file there whose
sha256 is not the expected one is refused; a file that is given explicitly is not, but its scores then carry its sha256.
"""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from ...common import network_settings
from ...common.cache_roots import torch_hub_root
from ...common.errors import WeightsCorruptedError, WeightsUnavailableError
from ...common.files import sha256

_TIMEOUT_S = 20


@dataclass(frozen=True)
class HubFile:
    """A weights file: its address, its name in torch.hub's folder, and how to recognise it.

    Attributes:
        what: the weights, in words.
        sha256: whole, or its first digits where the publisher tells no more.
        also_called: the same file, as other tools name it.
        option: of the command, for a file elsewhere.
    """

    what: str
    url: str
    name: str
    sha256: str
    also_called: tuple[str, ...] = ()
    option: str | None = None

    def is_official(self, digest: str) -> bool:
        return digest.startswith(self.sha256)

    def locate(self, path: str | os.PathLike | None = None, download: bool = True, instead: str = "") -> Path:
        """Return the weights file on this machine.

        Args:
            path: a file to use; None looks in torch.hub's folder and then downloads.
            download: whether to try the network ($HF_HUB_OFFLINE=1 forbids it).
            instead: what else could be done, for the error message.

        Raises:
            WeightsUnavailableError: not available; the message names the file, its checksum and the places.
            WeightsCorruptedError: a file in torch.hub's folder is not what its name says.
        """
        if path is not None:
            if not Path(path).is_file():
                raise WeightsUnavailableError(f"{path} does not exist; give the path of {self.name} as {self.option}")
            return Path(path)
        folder = torch_hub_root() / "checkpoints"
        for name in (self.name, *self.also_called):
            if (folder / name).is_file():
                if not self.is_official(sha256(folder / name)):
                    raise WeightsCorruptedError(
                        f"{folder / name} is damaged: its sha256 does not begin with {self.sha256[:8]}, perhaps a "
                        f"download that was cut off; delete it and try again"
                    )
                return folder / name
        reason = "downloads are switched off by HF_HUB_OFFLINE" if download else "nothing is downloaded here"
        if download and os.environ.get("HF_HUB_OFFLINE", "0").lower() not in ("1", "true", "yes", "on"):
            try:
                return self._download(folder / self.name)
            except (OSError, RuntimeError) as error:
                reason = f"the download failed: {error}"
        names = " and ".join((self.name, *self.also_called))
        elsewhere = f" or give it as {self.option} FILE" if self.option else ""
        raise WeightsUnavailableError(
            f"the {self.what} weights are not on this machine ({reason}). Looked for {names} (sha256 "
            f"{self.sha256[:8]}...) in {folder}. Fetch {self.url}, put it there{elsewhere}{instead}"
        )

    def _download(self, target: Path) -> Path:
        target.parent.mkdir(parents=True, exist_ok=True)
        before = socket.getdefaulttimeout()
        socket.setdefaulttimeout(_TIMEOUT_S)  # torch.hub sets none, and a silent firewall would block for minutes
        try:
            with network_settings.told(network_settings.URLLIB, self.url):
                torch.hub.download_url_to_file(
                    self.url, str(target), hash_prefix=self.sha256, progress=sys.stderr.isatty()
                )
        finally:
            socket.setdefaulttimeout(before)
        return target
