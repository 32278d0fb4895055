"""Options of commands that prepare a user's own pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from . import panels

if TYPE_CHECKING:
    from ..schema.own_preparation import OwnPreparation

Crop = Annotated[
    str | None,
    typer.Option(
        "--crop",
        help="Square of own pictures: centre, random (one place for each picture) or none (squeezed to a square); "
        "default: centre.",
        rich_help_panel=panels.DATA,
    ),
]
Resize = Annotated[
    str | None,
    typer.Option(
        "--resize",
        help="Filter for own pictures: lanczos, bicubic, bilinear, nearest or none (unresized); default: lanczos.",
        rich_help_panel=panels.DATA,
    ),
]
Background = Annotated[
    str | None,
    typer.Option(
        "--background",
        help="Colour behind transparent pixels of own pictures, a name or #rrggbb; default: white.",
        rich_help_panel=panels.DATA,
    ),
]


def own_preparation(crop: str | None, resize: str | None, background: str | None) -> OwnPreparation | None:
    """Return what the options say; None without any. A wrong value is an error of usage."""
    from pydantic import ValidationError

    from ..schema.own_preparation import OwnPreparation

    given = {"crop": crop, "resize": resize, "background": background}
    given = {name: value for name, value in given.items() if value is not None}
    try:
        return OwnPreparation.model_validate(given) if given else None
    except ValidationError as error:
        first = error.errors()[0]
        field, message = first["loc"][0], first["msg"].removeprefix("Value error, ")
        raise typer.BadParameter(f"{first['input']!r:.60}: {message}", param_hint=f"--{field}") from None
