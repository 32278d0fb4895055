"""The pictures of a report, as PNG bytes. Matplotlib's figures are used without pyplot, which keeps global state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...common.pictures import encoded, figure_png, new_figure
from ...common.text import cut, visible

if TYPE_CHECKING:
    from torch import Tensor

    from ..metrics.classwise import ClassReport
    from ..metrics.convergence import Convergence


def sheet(images: Tensor, columns: int | None = None) -> bytes:
    """A grid of uint8 images (N, 3, H, W)."""
    from ...sampling.images import Images

    return encoded(Images(images).grid(columns))


def convergence(found: Convergence, metric: str) -> bytes:
    """Distances over 1/N with the line through them, which meets the axis at the limit."""
    figure = new_figure(5.5, 3.6)
    axes = figure.add_subplot()
    inverse = 1 / np.asarray(found.counts, float)
    line = np.array([0, inverse.max()])
    axes.plot(line, found.infinity + found.slope * line, color="0.6", linewidth=1)
    axes.plot(inverse, found.distances, "o", markersize=4)
    axes.plot([0], [found.infinity], "D", markersize=6, color="tab:red", clip_on=False)
    axes.annotate(f"{found.infinity:.4g} at infinity", (0, found.infinity), xytext=(10, -4), textcoords="offset points")
    ticks = sorted({found.counts[0], found.counts[len(found.counts) // 4], found.counts[-1]})
    axes.set_xticks([1 / count for count in ticks], [f"1/{count:,}" for count in ticks])
    axes.set_xlim(0, inverse.max() * 1.05)
    axes.set_xlabel("1 / generated images")
    axes.set_ylabel(metric)
    return figure_png(figure, dpi=120)


def classes(found: ClassReport) -> bytes:
    """Accuracy and the distance within each class; up to forty classes by name, more by rank."""
    rows = found.rows
    by_frechet = found.intra_frechet_distance is not None
    distances = [r.frechet_distance if by_frechet else r.kernel_distance for r in rows]
    figure = new_figure(max(5.5, min(len(rows), 40) * 0.3), 5)
    names = [_plain(row.name) for row in rows]
    for place, (values, title) in enumerate(
        (([r.accuracy for r in rows], "accuracy"), (distances, "Frechet distance" if by_frechet else "kernel distance"))
    ):
        axes = figure.add_subplot(2, 1, place + 1)
        heights = np.asarray([np.nan if v is None else v for v in values], float)
        if len(rows) > 40:
            axes.bar(range(len(rows)), np.sort(heights), width=1.0)
            axes.set_xlabel("classes, in order of this value")
        else:
            axes.bar(names, heights)
            axes.tick_params(axis="x", rotation=60 if max(map(len, names)) > 3 else 0)
        axes.set_ylabel(title)
        if place == 0:
            axes.axhline(found.accuracy_on_real, color="0.5", linewidth=1, linestyle="--")
    return figure_png(figure, dpi=120)


def heat_maps(
    panels: list[tuple[str, np.ndarray, list[str]]], columns: tuple[str, ...], title: str, named: bool
) -> bytes:
    """Tables of shares (0 to 1) side by side as colours, with numbers where there are few cells.

    Args:
        panels: title, shares (rows, columns), names of the rows.
        columns: names of the columns, the same for all.
        named: write the names on the axes.
    """
    side = max(3.2, min(len(columns), 40) * 0.34)
    figure = new_figure(len(panels) * (side + 1.6), side + 1.4)
    columns, title = tuple(map(_plain, columns)), _plain(title)
    figure.suptitle(title, fontsize="medium")
    for place, (heading, shares, rows) in enumerate(panels, start=1):
        axes = figure.add_subplot(1, len(panels), place)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        axes.set_title(heading, fontsize="small")
        axes.set_xlabel("class seen")
        axes.set_ylabel("label")
        if named:
            axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right", fontsize="small")
            axes.set_yticks(range(len(rows)), map(_plain, rows), fontsize="small")
        if len(columns) <= 12:
            for (i, j), share in np.ndenumerate(shares):
                if share >= 0.005:
                    color = "white" if share > 0.6 else "black"
                    axes.text(j, i, f"{share:.0%}", ha="center", va="center", fontsize=7, color=color)
    figure.colorbar(figure.axes[-1].images[0], ax=figure.axes, shrink=0.8, label="share of the label's images")
    return figure_png(figure, dpi=120)


def _plain(text: str, longest: int = 40) -> str:
    """A name as matplotlib shows it: dollars would begin a formula."""
    return visible(cut(text, longest)).replace("$", r"\$")
