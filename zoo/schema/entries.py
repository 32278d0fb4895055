"""Schema of the lists in a config: weights with their places, and scores with their sources."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal
from urllib.parse import quote, unquote, urlsplit

from pydantic import Field, model_validator

from .architecture import ConfigPart
from .bounds import Count, Length, Line, Notes, Paragraph, Word
from .label_alignment import LabelAlignment
from .panel_scores import Panel

Tag = Annotated[str, Field(max_length=100, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
BundledFile = Annotated[str, Field(max_length=200, pattern=r"^[\w.-]+\.safetensors$")]  # in zoo/checkpoints/bundled
DriveId = Annotated[str, Field(max_length=200, pattern=r"^[\w-]+$")]
HttpsUrl = Annotated[str, Field(max_length=500, pattern=r"^https://[\w.-]+/[\w./%+=~-]+$")]
_PART = r"\w[\w-]*(\.[\w-]+)*"  # of a path or an id: neither hidden nor ".."
REPO_ID = rf"{_PART}/{_PART}"
REVISION = rf"{_PART}(/{_PART})*"


Floats = Annotated[tuple[float, ...], Length(100)]
Setting = bool | Annotated[int, Field(ge=-(10**15), le=10**15)] | float | Line | Floats | None


class Score(ConfigPart):
    """One number and its protocol."""

    metric: Word  # "FID", "KID", "IS", ...
    value: float
    std: float | None = None  # over seeds or runs, if the source gives it
    num_real: Count | None = None
    num_fake: Count | None = None
    split: Line | None = None  # of the real images
    extractor: Line | None = None
    settings: Annotated[dict[Word, Setting], Field(max_length=100)] = {}  # where the run differs from `training`
    note: Paragraph | None = None

    def __str__(self) -> str:
        """The value and its spread, such as "15.12 ± 0.1"."""
        return f"{self.value:g}" + (f" ± {self.std:g}" if self.std is not None else "")

    @property
    def counts(self) -> str:
        """Real and generated images, "–" for an unknown or zero count; empty if both are."""
        return f"{self.num_real or '–'} / {self.num_fake or '–'}" if self.num_real or self.num_fake else ""


class Published(Score):
    """A published number. `tag` names the weights it was published with; None: no weights were released."""

    source: Annotated[Line, Field(min_length=1)]  # paper and table, or repository and commit
    tag: Tag | None = None

    @property
    def origin(self) -> str:
        """The source, with the settings that differ from the recipe of the model."""
        settings = ", ".join(f"{key} {value}" for key, value in self.settings.items())
        return self.source + (f" ({settings})" if settings else "")


class Measured(Score):
    """A number measured with this repository, on the weights that list it."""

    protocol: Annotated[Line, Field(min_length=1)]
    hardware: Line | None = None
    seeds: Count = 1


HUB, DRIVE = "Hugging Face", "Google Drive"  # hosts, as people call them


class HubFile(ConfigPart):
    """A safetensors file on the Hugging Face Hub."""

    host: ClassVar[str] = HUB

    repo_id: Annotated[str, Field(max_length=200, pattern=f"^{REPO_ID}$")]
    filename: Annotated[str, Field(max_length=200, pattern=rf"^{REVISION}\.safetensors$")] = "model.safetensors"
    revision: Annotated[str, Field(max_length=200, pattern=f"^{REVISION}$")]
    sha256: Sha256


class Upstream(ConfigPart):
    """A checkpoint as its authors published it: a pickle, converted on the first load."""

    source: Literal[
        "mimicry", "studiogan", "mmagic", "mmagic-rgb", "biggan-pytorch", "biggan-deep"
    ]  # library whose names and layouts the tensors have
    google_drive_file: DriveId | None = None  # id of the file
    google_drive_folder: DriveId | None = None  # id of a folder
    hub_repo: Annotated[str, Field(max_length=200, pattern=f"^{REPO_ID}$")] | None = None
    revision: Annotated[str, Field(max_length=200, pattern=f"^{REVISION}$")] | None = None  # commit of the repository
    url: HttpsUrl | None = None  # of the file itself
    # File name, or path inside the folder, repository or archive; in a folder, a pattern that fits one file.
    path: Line
    archive: Annotated[str, Field(max_length=200, pattern=r"^[\w.+-]+\.zip$")] | None = None  # the place's zip archive
    size: Annotated[int, Field(gt=0, le=2**34)] | None = None  # bytes, of the archive if there is one
    sha256: Sha256 | None = None  # of the published file, or its archive, if known
    sha256_start: Annotated[str, Field(pattern=r"^[0-9a-f]{8,63}$")] | None = None  # as the name of the file states it
    license: Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9.+-]+$")] | None = None  # None: its library's

    @property
    def filename(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def host(self) -> str:
        """Who serves the file, in a word or two."""
        if self.url:
            return urlsplit(self.url).hostname or ""
        return HUB if self.hub_repo else DRIVE

    @property
    def address(self) -> str:
        """The address of the file for a browser."""
        if self.google_drive_file:
            return f"https://drive.google.com/uc?id={self.google_drive_file}&export=download"
        if self.google_drive_folder:
            return f"https://drive.google.com/drive/folders/{self.google_drive_folder}"
        if self.url:
            return self.url
        file = f"/blob/{self.revision}/{quote(self.path)}" if self.revision else ""
        return f"https://huggingface.co/{self.hub_repo}{file}"

    def is_same_file(self, other: Upstream) -> bool:
        """Return True if one download gives both: the same file, or the same archive."""
        place = {"google_drive_file", "hub_repo", "revision", "url", "archive"}
        if self.google_drive_folder or self.model_dump(include=place) != other.model_dump(include=place):
            return False  # what a pattern fits is known once the folder is listed
        return bool(self.archive) or self.path == other.path

    @model_validator(mode="after")
    def _one_place(self):
        places = (self.google_drive_file, self.google_drive_folder, self.hub_repo, self.url)
        if sum(place is not None for place in places) != 1:
            raise ValueError("give exactly one of google_drive_file, google_drive_folder, hub_repo and url")
        return self

    @model_validator(mode="after")
    def _exact(self):
        if not self.google_drive_folder and re.search(r"[*?\[\]]", self.path):
            raise ValueError("path is a pattern; give the exact path of the file, as patterns are for folders of Drive")
        if self.hub_repo and not self.revision:
            raise ValueError("a file on the Hub needs the revision, the commit of its repository")
        if self.revision and not self.hub_repo:
            raise ValueError("revision belongs to hub_repo")
        if self.archive and not (self.google_drive_file or self.url):
            raise ValueError("archive belongs to google_drive_file or url")
        if self.url and unquote(self.url).rpartition("/")[2] != (self.archive or self.filename):
            raise ValueError(f"{'archive must be' if self.archive else 'path must end in'} the file name of url")
        if self.sha256 and not self.sha256.startswith(self.sha256_start or ""):
            raise ValueError("sha256 does not begin with sha256_start")
        return self


class NearestTraining(ConfigPart):
    """Distances of generated images to training images: root mean square differences of pixels, 0 to 255."""

    images: Count  # generated, of seed 0
    median: float  # of their distances to the nearest training image
    smallest: float
    training_median: float  # of distances of training images to the nearest other training image
    training_smallest: float


class DiscriminatorFile(ConfigPart):
    """The discriminator of a set of weights. Exactly one of `bundled` and `upstream` gives its place."""

    bundled: BundledFile | None = None
    sha256: Sha256 | None = None  # of the bundled file
    upstream: Upstream | None = None  # fetched on first use of the discriminator
    rectify_shortcut: bool | None = None  # of this discriminator, where it differs from the model's
    mirrors: Annotated[tuple[Upstream, ...], Length(10)] = ()  # the same tensors elsewhere, tried in this order

    @model_validator(mode="after")
    def _one_place(self):
        _check_mirrors(self.upstream, self.mirrors)
        if (self.bundled is None) == (self.upstream is None):
            raise ValueError("give exactly one of bundled and upstream")
        _check_bundled(self.bundled, self.sha256)
        return self


class Weights(ConfigPart):
    """One set of weights of this architecture. Exactly one of `bundled`, `hub` and `upstream` gives its place."""

    tag: Tag
    bundled: BundledFile | None = None
    sha256: Sha256 | None = None  # of the bundled file
    hub: HubFile | None = None
    upstream: Upstream | None = None
    mirrors: Annotated[tuple[Upstream, ...], Length(10)] = ()  # the same tensors elsewhere, tried in this order
    discriminator: DiscriminatorFile | None = None
    deviations: Notes = ()  # where the run that made these weights differs from the recipe, in words
    alignment: LabelAlignment | None = None  # of labels and classes
    scores: Annotated[tuple[Measured, ...], Length(1000)] = ()
    panel: Panel | None = None  # all metrics that run offline
    nearest: NearestTraining | None = None
    training_record: bool = False  # the log, curves and sheets of the training are beside the card
    note: Paragraph | None = None

    @property
    def place(self) -> str:
        """Where the file is published: "bundled", "hub", "mimicry" or "studiogan"."""
        if self.upstream:
            return self.upstream.source
        return "bundled" if self.bundled else "hub"

    @model_validator(mode="after")
    def _one_place(self):
        if sum(p is not None for p in (self.bundled, self.hub, self.upstream)) != 1:
            raise ValueError("give exactly one of bundled, hub and upstream")
        _check_bundled(self.bundled, self.sha256)
        _check_mirrors(self.upstream, self.mirrors)
        if self.tag.endswith("-discriminator"):
            raise ValueError('a tag may not end in "-discriminator", which names the files of discriminators')
        return self


def _check_bundled(bundled: str | None, sha256: str | None) -> None:
    if (bundled is None) != (sha256 is None):
        raise ValueError("a bundled file needs its sha256, and only a bundled file may have it here")


def _check_mirrors(upstream: Upstream | None, mirrors: tuple[Upstream, ...]) -> None:
    if mirrors and upstream is None:
        raise ValueError("mirrors are other places of upstream, which is missing")
    places = [place.address + place.path for place in (upstream, *mirrors) if place]
    if len(set(places)) < len(places):
        raise ValueError("mirrors names one place twice")
