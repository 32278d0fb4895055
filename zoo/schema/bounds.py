"""Upper bounds of config values: several times more than anything published, and none unbounded."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import GroupedMetadata, MinLen
from pydantic import AfterValidator, BeforeValidator, FailFast, Field, JsonValue

from ..common.text import HIDDEN, escaped

MAX_CLASSES = 100_000  # ImageNet-21k has 21,841
MAX_RESOLUTION = 2048  # pixels per side
MAX_BLOCKS = 16
MAX_FEATURES = 1 << 28  # numbers in a feature map of one image; BigGAN's largest at 512 pixels has 25 million
MAX_ATTENDED = 128  # pixels per side of a map with self-attention, which compares all pairs of pixels


def shown(text: str) -> str:
    if found := HIDDEN.search(text):
        raise ValueError(f"holds the character {escaped(found[0])} at position {found.start()}; remove it")
    return text


def _not_longer(most: int) -> BeforeValidator:
    """Check the length before the items, each of which could be wrong."""

    def check(items: Any) -> Any:
        if isinstance(items, Sized) and not isinstance(items, str | bytes) and len(items) > most:
            raise ValueError(f"has {len(items):,} entries; at most {most:,} are allowed")
        return items

    return BeforeValidator(check)


def _plain(value: JsonValue) -> JsonValue:
    """Accept JSON of at most 1,000 values whose texts can be shown."""
    waiting, seen = [value], 0
    while waiting:
        item = waiting.pop()
        seen += 1
        if isinstance(item, str):
            if len(item) > 1000:
                raise ValueError(f"holds a text of {len(item):,} characters; at most 1,000 are allowed")
            shown(item)
        elif isinstance(item, int) and abs(item) > 10**15:
            raise ValueError("holds a number beyond 10^15; give a smaller one")
        elif isinstance(item, dict | list):
            waiting.extend(item.values() if isinstance(item, dict) else item)
            waiting.extend(item if isinstance(item, dict) else ())
            if len(waiting) + seen > 1000:
                raise ValueError("holds more than 1,000 values; give fewer")
    return value


@dataclass(unsafe_hash=True)  # a part of a union of types must be hashable
class _FirstAlone(FailFast):
    """Stop at the first wrong item; millions of wrong items would be millions of errors."""


@dataclass(frozen=True)
class Length(GroupedMetadata):
    """Annotation of a tuple: the bounds of its length; for a long tuple only the first wrong item is reported."""

    most: int
    least: int = 0

    def __iter__(self) -> Iterator[object]:
        yield from (MinLen(self.least), _FirstAlone(self.most > 1000), _not_longer(self.most))


Word = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(shown)]  # a name
Line = Annotated[str, Field(max_length=300), AfterValidator(shown)]  # fits on a line or in a cell
Paragraph = Annotated[str, Field(max_length=4000), AfterValidator(shown)]
Notes = Annotated[tuple[Paragraph, ...], Length(100)]
Facts = Annotated[dict[str, JsonValue], AfterValidator(_plain)]  # free content of bounded size

Side = Annotated[int, Field(gt=0, le=MAX_RESOLUTION)]  # in pixels
Width = Annotated[int, Field(gt=0, le=16_384)]  # channels of a layer, length of a vector
Block = Annotated[int, Field(gt=0, le=MAX_BLOCKS)]  # a block number, from 1
Classes = Annotated[int, Field(ge=0, le=MAX_CLASSES)]
ClassIndex = Annotated[int, Field(ge=0, lt=MAX_CLASSES)]
Count = Annotated[int, Field(gt=0, le=10**9)]  # of images, steps or runs
CountOrNone = Annotated[int, Field(ge=0, le=10**9)]
