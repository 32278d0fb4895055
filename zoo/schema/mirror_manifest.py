"""The manifest of a mirror: which converted weights are in its folder, with their sizes, checksums and licences."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator

from ..common.errors import WeightsCorruptedError
from ..common.json_files import UnreadableError, as_json, parse_json
from .architecture import ConfigPart
from .bounds import Length, Line
from .config import explain
from .entries import Sha256, Tag

FILENAME = "manifest.json"
FORMAT = "contrastive-gan-zoo mirror 1"
_Part = r"[a-z0-9][a-z0-9-]*"


class MirrorFile(ConfigPart):
    """A file of converted weights, and where they come from."""

    name: Annotated[str, Field(max_length=200, pattern=rf"^{_Part}/{_Part}$")]  # of the model
    tag: Tag  # or the tag and "-discriminator"
    file: Annotated[str, Field(max_length=400, pattern=rf"^weights(/{_Part}){{3}}\.safetensors$")]  # in the folder
    size: Annotated[int, Field(gt=0, le=2**34)]  # bytes
    sha256: Sha256  # of the file
    original: Line  # address of the published file, "bundled" for weights of this package
    original_sha256: Sha256
    license: Line  # SPDX id
    home: Line | None = None  # page of the library that the weights come from


class Manifest(ConfigPart):
    """All files of a mirror."""

    format: Literal["contrastive-gan-zoo mirror 1"] = FORMAT
    files: Annotated[tuple[MirrorFile, ...], Length(10_000)] = ()

    @field_validator("files")
    @classmethod
    def _differ(cls, files: tuple[MirrorFile, ...]):
        if len({file.file for file in files}) < len(files) or len({(f.name, f.tag) for f in files}) < len(files):
            raise ValueError("two files have one name")
        return files

    @classmethod
    def parse(cls, text: bytes, origin: str) -> Manifest:
        """Read the text of a manifest; raises WeightsCorruptedError, which begins with `origin`."""
        try:
            data = parse_json(text)
            if not isinstance(data, dict) or data.get("format") != FORMAT:
                raise UnreadableError(f'it is not of the format "{FORMAT}"')
            return cls.model_validate(data)
        except ValidationError as error:
            reason = explain(error)
        except UnreadableError as error:
            reason = str(error)
        raise WeightsCorruptedError(f"{origin} is no manifest of a mirror: {reason}; make it with: zoo mirror FOLDER")

    def find(self, name: str, tag: str) -> MirrorFile | None:
        return next((file for file in self.files if (file.name, file.tag) == (name, tag)), None)

    def with_file(self, added: MirrorFile) -> Manifest:
        """Return the manifest with a file added, or replaced."""
        others = [file for file in self.files if file.file != added.file]
        return Manifest(files=tuple(sorted([*others, added], key=lambda file: file.file)))

    def to_json(self) -> str:
        files = [file.model_dump(exclude_none=True) for file in self.files]
        return as_json({"format": self.format, "files": files}) + "\n"
