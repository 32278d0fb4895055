"""What the specs of generators and of discriminators share: types, and bounds that need several fields."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict

from .bounds import MAX_ATTENDED, MAX_BLOCKS, MAX_FEATURES, Block, Length, Width


class ConfigPart(BaseModel):
    """Base of all config parts: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Activation = Literal["relu", "leaky_relu"]
Initialisation = Literal["xavier", "xavier-main-path", "orthogonal", "normal"]
Channels = Annotated[tuple[Width, ...], Length(MAX_BLOCKS + 1, least=1)]
Blocks = Annotated[tuple[Block, ...], Length(MAX_BLOCKS)]


def halved(side: int, times: int) -> int:
    """Return the side of a feature map after `times` strides of two, rounded up: 28 pixels become 14, 7, 4."""
    return -(-side >> times)


def require(condition: bool, message: str) -> None:
    """Raise ValueError with the message unless the condition holds."""
    if not condition:
        raise ValueError(message)


def check_attention(after: tuple[int, ...], channels: tuple[int, ...]) -> None:
    """Raise ValueError for attention after a block that there is not, or that is too narrow."""
    for block in after:
        require(block <= len(channels), f"attention_after names block {block}, but there are {len(channels)} blocks")
        require(
            channels[block - 1] >= 8,
            f"self-attention after block {block} divides its {channels[block - 1]} channels by 8: give at least 8",
        )


def check_sizes(channels: tuple[int, ...], sides: list[int], attention_after: tuple[int, ...]) -> None:
    """Bound the sizes of the feature maps, by block, including the map before the first block."""
    for width, side in zip(channels, sides, strict=True):
        require(
            width * side * side <= MAX_FEATURES,
            f"{width} channels of {side}x{side} exceed the {MAX_FEATURES:,} numbers of a feature map; give "
            f"fewer channels where the map is large",
        )
    for block in attention_after:
        require(
            sides[block] <= MAX_ATTENDED,
            f"self-attention after block {block} compares all pairs of {sides[block]}x{sides[block]} pixels; give a "
            f"block whose map has at most {MAX_ATTENDED}x{MAX_ATTENDED}",
        )
