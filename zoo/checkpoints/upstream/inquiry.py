"""Ask the places of published checkpoints for existence, size and hash, without downloading a file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from ...common.downloads import CONNECT_TIMEOUT, READ_TIMEOUT, in_short, patiently
from ...common.errors import WeightsUnavailableError
from ...schema.config import ModelConfig
from ...schema.entries import Upstream
from .. import hub, hub_files
from . import drive, matching

OK, MISSING, DIFFERENT, UNKNOWN = "ok", "missing", "different", "unknown"  # unknown: there was no answer

_MATERIAL = ("size", "sha256")  # what an answer can add to an entry


class Place(NamedTuple):
    """One source of one file of an entry."""

    name: str  # of the model
    tag: str
    file: str  # "generator" or "discriminator"
    keys: tuple[str | int, ...]  # of its object in the entry of the config
    upstream: Upstream

    def __str__(self) -> str:
        return f"{self.name}@{self.tag} {self.file}"


@dataclass(frozen=True)
class Answer:
    """What a place says of its file."""

    status: str
    size: int | None = None  # bytes
    sha256: str | None = None
    why: str = ""  # where it is not ok, or what is left open

    def news(self, upstream: Upstream) -> dict[str, int | str]:
        """Return what the entry does not state yet; nothing if the file is not the one that the entry means."""
        if self.status != OK:
            return {}
        found = {key: getattr(self, key) for key in _MATERIAL}
        return {key: value for key, value in found.items() if value is not None and getattr(upstream, key) is None}


def places(config: ModelConfig) -> Iterator[Place]:
    """Yield every source of every published file of a model."""
    for weights in config.weights:
        for file, holder, keys in (
            ("generator", weights, ()),
            ("discriminator", weights.discriminator, ("discriminator",)),
        ):
            if holder and holder.upstream:
                yield Place(config.name, weights.tag, file, (*keys, "upstream"), holder.upstream)
                for i, mirror in enumerate(holder.mirrors):
                    yield Place(config.name, weights.tag, file, (*keys, "mirrors", i), mirror)


class Inquiry:
    """Questions to all places; a repository, a folder and a file are asked once."""

    def __init__(self):
        self._hub = cache(lambda repo_id, revision: hub_files.facts_of_files(hub.Address(repo_id, revision)))
        self._folder = cache(drive.listing)
        self._head = cache(_head)

    def ask(self, upstream: Upstream) -> Answer:
        """Return what the place of a file says, held against what the entry states."""
        try:
            answer = self._ask(upstream)
        except WeightsUnavailableError as error:
            return Answer(UNKNOWN, why=str(error))
        return _compared(answer, upstream)

    def _ask(self, upstream: Upstream) -> Answer:
        if upstream.hub_repo:
            files = self._hub(upstream.hub_repo, upstream.revision or "main")
            if upstream.path not in files:
                return Answer(MISSING, why="the repository has no such file")
            return Answer(OK, *files[upstream.path])
        if upstream.google_drive_folder:
            listed = {path: file_id for file_id, path in self._folder(upstream.google_drive_folder)}
            fits = matching.fitting([upstream.path], listed)
            if len(fits) == 1:
                return self._of_head(f"{drive.DRIVE}/uc?id={listed[fits[0]]}&export=download")
            if not fits:
                return Answer(MISSING, why=f"the folder has no file {upstream.path}")
            return Answer(DIFFERENT, why=f"{len(fits)} files fit: {', '.join(sorted(fits))}")
        return self._of_head(upstream.address)

    def _of_head(self, url: str) -> Answer:
        status, size = self._head(url)
        if status in (404, 410):
            return Answer(MISSING, why=f"HTTP {status}")
        if status != 200:
            return Answer(UNKNOWN, why=f"HTTP {status}")
        return Answer(OK, size, why="" if size is not None else "the size is not stated")


def _compared(answer: Answer, upstream: Upstream) -> Answer:
    """Return the answer, or that it contradicts what the entry states."""
    for key in _MATERIAL:
        stated, found = getattr(upstream, key), getattr(answer, key)
        if None not in (stated, found) and stated != found:
            return Answer(DIFFERENT, answer.size, answer.sha256, f"its {key} is {found}, the entry states {stated}")
    start = upstream.sha256_start
    if start and answer.sha256 and not answer.sha256.startswith(start):
        return Answer(DIFFERENT, answer.size, answer.sha256, f"its sha256 does not begin with {start}")
    return answer


# ------------------------------------------------------------------------------------------------- Drive and plain URLs


def _head(url: str) -> tuple[int, int | None]:
    """Return HTTP status and bytes of a file, None where a page comes in its place; raises WeightsUnavailableError."""
    import requests

    def ask() -> tuple[int, int | None]:
        headers = {"Accept-Encoding": "identity"}
        options = {"stream": True, "headers": headers, "timeout": (CONNECT_TIMEOUT, READ_TIMEOUT)}
        with requests.get(url, **options) as response:  # Drive answers no HEAD; the body is not read
            is_page = response.headers.get("Content-Type", "").startswith("text/html")
            length = response.headers.get("Content-Length", "")
            return response.status_code, int(length) if length.isdecimal() and not is_page else None

    if not re.match("https://", url):
        raise WeightsUnavailableError(f"{url} is not an https address")
    try:
        return patiently(ask)
    except requests.RequestException as error:
        raise WeightsUnavailableError(f"{url} cannot be asked ({in_short(error)})") from error
