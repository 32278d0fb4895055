"""Where a model outside the registry comes from: the recipe, the data and the command of its run."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .architecture import ConfigPart
from .bounds import MAX_CLASSES, Count, CountOrNone, Length, Line, Notes, Paragraph

Name = Annotated[str, Field(max_length=200, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*/[a-z0-9]+(-[a-z0-9]+)*$")]


class SeenData(ConfigPart):
    """The images that a run was trained on, besides `data` of the config."""

    images: Count
    of_class: Annotated[tuple[CountOrNone, ...], Length(MAX_CLASSES)] = ()  # images of each class, in label order
    checksum: Line
    place: Paragraph | None = None  # on the machine of the run; left out of what is exported

    def __str__(self) -> str:
        return f"{self.images:,} image{'s' * (self.images != 1)}"


class Beginning(ConfigPart):
    """The networks that a run began with."""

    model: Line  # a name of the registry with its tag, an own model's name, or a file's
    networks: Annotated[tuple[Line, ...], Length(2)]  # "generator", "discriminator"
    anew: Notes = ()  # parts that were made anew, as they depend on the classes

    def __str__(self) -> str:
        kept = f"the {' and the '.join(self.networks)} of {self.model}"
        return kept + (f", but for {', '.join(self.anew)}, made anew" if self.anew else "")


class Origin(ConfigPart):
    """Of a run, or of weights that a program has changed. Published scores and notes are never part of it."""

    recipe: Name  # the model whose networks and training these are, but for the deviations
    deviations: Notes = ()
    command: Paragraph | None = None  # repeats the run
    beginning: Beginning | None = None  # None: with random weights
    data: SeenData | None = None
    changed: bool = False  # the weights were those of `recipe`, and are not any more
