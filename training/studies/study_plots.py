"""The plots of the studies, as PNG bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zoo.common.pictures import figure_png, new_figure

Points = Sequence[tuple[float, float]]
Band = tuple[Sequence[float], Sequence[float], Sequence[float]]  # x, lowest, highest


def curves(
    series: Mapping[str, Points],
    x: str,
    y: str,
    bands: Mapping[str, Band] | None = None,
    dashed: Sequence[str] = (),
    marks: Sequence[float] = (),
    limits: tuple[float, float] | None = None,
    markers: bool = False,
    first: str | None = None,
    log: bool = False,
) -> bytes:
    """Plot lines by name, the `first` in black; a band lies under the line of its name, `marks` are vertical."""
    figure = new_figure(7, 4)
    axes = figure.add_subplot()
    for mark in marks:
        axes.axvline(mark, color="0.85", linewidth=0.8, zorder=0)
    for number, (name, points) in enumerate(series.items()):
        color = "black" if name == first else f"C{(number - (first is not None)) % 10}"
        style = {"linestyle": "--" if name in dashed else "-", "marker": "o" if markers else None, "markersize": 4}
        axes.plot(*zip(*points, strict=True), label=name, color=color, linewidth=1.2, **style)
        if bands and name in bands:
            across, lowest, highest = bands[name]
            axes.fill_between(across, lowest, highest, color=color, alpha=0.15, linewidth=0)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if log:
        axes.set_yscale("log")
    if limits:
        axes.set_ylim(*limits)
    axes.grid(alpha=0.3)
    if series:
        axes.legend(fontsize="small", ncols=2 if len(series) > 4 else 1)
    return figure_png(figure, dpi=110)


def paired(series: Mapping[str, Points], x: str, y: str, dashed: str) -> bytes:
    """Plot lines in pairs of one colour; those whose name ends in `dashed` are dashed and not in the legend."""
    figure = new_figure(7, 4)
    axes = figure.add_subplot()
    for number, (name, points) in enumerate(series.items()):
        second = name.endswith(dashed)
        style = {"linestyle": "--" if second else "-", "label": None if second else name.rpartition(",")[0]}
        axes.plot(*zip(*points, strict=True), color=f"C{number // 2 % 10}", linewidth=1.2, **style)
    axes.plot([], [], color="0.4", linestyle="-", label="as asked")
    axes.plot([], [], color="0.4", linestyle="--", label="as assigned")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_ylim(0, 1)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", ncols=2)
    return figure_png(figure, dpi=110)


def bars(
    groups: Sequence[str],
    series: Mapping[str, Sequence[float]],
    y: str,
    errors: Mapping[str, Sequence[float]] | None = None,
    line: tuple[str, float] | None = None,
) -> bytes:
    """Plot one bar per series in each group; `line` is a horizontal line with a name."""
    figure = new_figure(max(6.0, 0.4 * len(groups) * len(series) + 2), 4)
    axes = figure.add_subplot()
    width = 0.8 / len(series)
    for number, (name, values) in enumerate(series.items()):
        places = [group + (number - (len(series) - 1) / 2) * width for group in range(len(groups))]
        spread = errors.get(name) if errors else None
        axes.bar(places, values, width, label=name, yerr=spread, capsize=3)
    if line:
        axes.axhline(line[1], color="0.3", linewidth=1, linestyle="--", label=line[0])
    slanted = max(map(len, groups)) * len(groups) > 60
    axes.set_xticks(range(len(groups)), groups, rotation=30 if slanted else 0, ha="right" if slanted else "center")
    axes.set_ylabel(y)
    axes.grid(alpha=0.3, axis="y")
    if len(series) > 1 or line:
        axes.legend(fontsize="small")
    return figure_png(figure, dpi=110)
