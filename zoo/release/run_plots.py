"""The plots of a run: its log, and the same latents over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..common.pictures import figure_png, new_figure

if TYPE_CHECKING:
    from PIL.Image import Image

_HIDDEN = ("step", "seconds")


def scores_of(record: Mapping[str, float]) -> dict[str, float]:
    """Return the scores that `--evaluate-every` logs: every value that is not a loss."""
    return {name: v for name, v in record.items() if name not in _HIDDEN and not name.startswith(("d/", "g/"))}


def losses(records: list[dict[str, float]]) -> bytes:
    """Plot all values of metrics.jsonl as PNG: losses of the discriminator and the generator, and scores if any.

    Args:
        records: at least one.
    """
    names = {name: None for record in records for name in record if name not in _HIDDEN}
    scores = {name: None for record in records for name in scores_of(record)}
    panels = {
        "discriminator": [name for name in names if name.startswith("d/")],
        "generator": [name for name in names if name.startswith("g/")],
    } | ({"scores": list(scores)} if scores else {})
    figure = new_figure(8, 3 * len(panels))
    for axes, (title, shown) in zip(figure.subplots(len(panels), sharex=True), panels.items(), strict=True):
        for name in shown:
            points = [(record["step"], record[name]) for record in records if name in record]
            label = name if title == "scores" else name[2:]
            axes.plot(*zip(*points, strict=True), label=label, linewidth=0.8, marker="o" * (title == "scores"))
        axes.set_title(title, loc="left")
        axes.grid(alpha=0.3)
        if shown:
            axes.legend(loc="upper right", ncols=3, fontsize="small")
    figure.axes[-1].set_xlabel("generator steps")
    return figure_png(figure, dpi=100, frames=True)


def strips(rows: Mapping[str, Image], titles: Sequence[str] = (), texts: dict[str, str] | None = None) -> bytes:
    """Draw rows of images as PNG.

    Args:
        rows: strips of equally wide images, by name.
        titles: of the columns.
        texts: kept in the file by key, beside the pixels.
    """
    width, height = next(iter(rows.values())).size
    figure = new_figure(8, (8 * height / width + 0.05) * len(rows) + 0.3)
    for axes, (name, strip) in zip(figure.subplots(len(rows), squeeze=False).flat, rows.items(), strict=True):
        axes.imshow(strip, interpolation="nearest")
        axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize="small")
        axes.set(xticks=[], yticks=[], frame_on=False)
    if titles:
        top = figure.axes[0]
        column = width / len(titles)
        top.set_xticks([column * (i + 0.5) for i in range(len(titles))], titles, fontsize="small")
        top.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    return figure_png(figure, dpi=100, frames=True, texts=texts)
