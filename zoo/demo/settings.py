"""The limits of one request and of the server."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..common.errors import ZooError

_THIS_MACHINE = "127.0.0.1,::1"
_SPACE = f"{_THIS_MACHINE},10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7"  # its proxy is on the private network


@dataclass(frozen=True)
class Settings:
    """The limits of a server; each is a flag of `zoo demo`.

    Attributes:
        max_images: images per request.
        max_steps: images per interpolation.
        max_seconds: computing time of a request, including the loading of its model.
        max_models: models kept in memory on each device; the least recently used one is removed.
        max_waiting: requests that wait for a device; further ones are refused.
        max_evaluation_images: generated images per evaluation.
        max_evaluation_seconds: computing time of an evaluation.
        max_connections: per address, the oldest are closed; at most half of what the limit of open files allows.
        max_megabytes: files of results; the oldest are removed.
        proxies: addresses or networks of reverse proxies, with commas, or "*": whoever connects through them is the
            client that X-Forwarded-For names. None: $FORWARDED_ALLOW_IPS; else this machine, on a Space its network.
        downloads: visitors may download published weights. None: if the server listens on this machine alone, without a
            tunnel or a proxy's path.
        device: "auto" for every CUDA device or else the CPU, or one torch device.
        threads: CPU threads of torch; None leaves a core to the web server, where there are several.
    """

    max_images: int = 256
    max_steps: int = 64
    max_seconds: float = 60.0
    max_models: int = 4
    max_waiting: int = 64
    max_evaluation_images: int = 2000
    max_evaluation_seconds: float = 900.0
    max_connections: int = 128
    max_megabytes: int = 1000
    proxies: str | None = None
    downloads: bool | None = None
    device: str = "auto"
    threads: int | None = None

    def __post_init__(self):
        for name in (
            "max_images",
            "max_steps",
            "max_seconds",
            "max_models",
            "max_waiting",
            "max_evaluation_images",
            "max_evaluation_seconds",
            "max_connections",
            "max_megabytes",
        ):
            smallest = 2 if name in ("max_steps", "max_evaluation_images") else 1
            if not getattr(self, name) >= smallest:
                raise ZooError(f"{name} is {getattr(self, name)}; give {smallest} or more")

    def trusted_proxies(self) -> str:
        """Return the value of uvicorn's `forwarded_allow_ips`."""
        if self.proxies is not None:
            return self.proxies
        usual = _SPACE if os.environ.get("SPACE_ID") else _THIS_MACHINE
        return os.environ.get("FORWARDED_ALLOW_IPS") or usual

    def may_download(self, host: str | None, is_public: bool) -> bool:
        """Return whether visitors may download weights.

        Args:
            host: the address that the server listens on; None for this machine alone.
            is_public: it is reached through a tunnel or a proxy.
        """
        if self.downloads is not None:
            return self.downloads
        return not is_public and host in (None, "localhost", "127.0.0.1", "::1")

    def cpu_threads(self) -> int:
        if self.threads is not None:
            return max(1, self.threads)
        available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(1, available - 1)
