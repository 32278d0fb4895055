"""The loss plot of a run."""

from __future__ import annotations

import io

_HIDDEN = ("step", "seconds")


def losses(records: list[dict[str, float]]) -> bytes:
    """A PNG of everything that metrics.jsonl logs: the discriminator's above, the generator's below."""
    from matplotlib.figure import Figure  # without pyplot: no global state, no display

    figure = Figure(figsize=(8, 6), layout="constrained")
    names = {name: None for record in records for name in record if name not in _HIDDEN}
    for axes, letter, title in zip(figure.subplots(2, sharex=True), "dg", ("discriminator", "generator"), strict=True):
        for name in names:
            if name.startswith(f"{letter}/"):
                points = [(record["step"], record[name]) for record in records if name in record]
                axes.plot(*zip(*points, strict=True), label=name[2:], linewidth=0.8)
        axes.set_title(title, loc="left")
        axes.grid(alpha=0.3)
        axes.legend(loc="upper right", ncols=3, fontsize="small")
    axes.set_xlabel("generator steps")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()
