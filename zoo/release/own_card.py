"""What the card of a model outside the registry says of its data, its recipe and its training."""

from __future__ import annotations

from ..common.text import cut, fenced, markdown
from ..schema import labels
from ..schema.config import ModelConfig
from ..schema.identity import data_name, is_custom
from ..schema.origin import Origin

_LISTED = 20  # classes


def data_line(config: ModelConfig) -> str:
    """Return what the model was trained on, as far as that is on record."""
    data, seen = config.data, config.origin.data if config.origin else None
    if seen is None:
        return "- data: not on record"
    whose = f"own pictures, called {markdown(data_name(config))}" if is_custom(data.dataset) else markdown(data.dataset)
    line = f"- data: {whose}, {markdown(data.split)} split, {seen}, {data.resolution}x{data.resolution}"
    if seen.of_class:
        names = labels.class_names(config)
        each = [f"{markdown(name)} {count:,}" for name, count in zip(names, seen.of_class, strict=False)]
        more = f", ... ({len(each)} classes)" if len(each) > _LISTED else ""
        line += f" ({', '.join(each[:_LISTED])}{more})"
    return line + (", random flips" if data.flip else "")


def command_lines(origin: Origin) -> list[str]:
    """Return the paragraphs in front of the facts: the command, and whose recipe this is."""
    if origin.changed:
        return [
            f"The networks are those of `{origin.recipe}`; the weights were changed by a program after they were "
            f"loaded, and how is not on record."
        ]
    if origin.data is None:
        return [f"The networks are those of `{origin.recipe}`; where the weights come from is not on record."]
    parts = [fenced(origin.command, "sh")] if origin.command else []
    begun = f"Begun with {markdown(str(origin.beginning))}. " if origin.beginning else ""
    return [*parts, f"{begun}Trained with the recipe of `{origin.recipe}`, {_difference(origin)}."]


def _difference(origin: Origin) -> str:
    if not origin.deviations:
        return "on the data below"
    listed = "; ".join(markdown(cut(line, 200)) for line in origin.deviations)
    return f"on the data below, and with these differences: {listed}"


def steps_line(config: ModelConfig, step: int | None) -> str:
    """Return how far the training came, and how far it was planned."""
    t = config.training
    each = f"{t.discriminator_steps} discriminator step{'s' * (t.discriminator_steps != 1)} each, batch {t.batch_size}"
    if step is not None and step != t.steps:
        return f"- after {step:,} of {t.steps:,} generator steps, {each}"
    return f"- {t.steps:,} generator steps, {each}"
