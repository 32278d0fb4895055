"""`python -m training.studies.embedding RUN`: a map of what the discriminator of a run embeds, over its training.

One panel per checkpoint: real images, images generated from the same latents, and the class embeddings ("proxies") of
the 2C loss (ContraGAN, arXiv 2006.12681, Section 3.2). Discriminators without them show their pooled features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
import typer
from torch import Tensor

from zoo import datasets
from zoo.common import philox
from zoo.common.devices import pick_device
from zoo.common.errors import UsageError, ZooError
from zoo.common.files import write_atomically
from zoo.common.numbers import from_end_to_end
from zoo.common.pictures import figure_png, new_figure
from zoo.evaluation.embedding_map import COLOURS, METHODS, TSNE, nearest, planes, purity
from zoo.sampling import discriminator_methods
from zoo.sampling.gan import GAN
from zoo.sampling.images import Images
from zoo.schema import labels
from zoo.schema.config import ModelConfig

from ..networks import Networks
from ..run import checkpoint, resuming
from ..run.run_folder import RunFolder
from . import options

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_REAL = (1 << 24) + 14  # purpose of random words
_CLASSES = 10  # shown at most; more are evenly spaced
_COLUMNS = 4
_SIDE = 3.0  # inches


@dataclass(frozen=True)
class EmbeddedMoment:
    """What the discriminator embeds after a step.

    Attributes:
        points: (2n + classes, D): the real images, the generated ones, and the class embeddings if there are any.
        right: shares of the real and of the generated images nearest to the embedding of their own class; None without
            class embeddings.
        alike: shares of the nearest neighbours, within the real and within the generated, of the same class; None
            without classes.
    """

    step: int
    points: Tensor
    right: tuple[float | None, float | None]
    alike: tuple[float | None, float | None]

    def told(self) -> str:
        """ "step 1,000: nearest to their class 93 % real, 41 % generated"."""
        shares, what = (self.right, "nearest to their class") if None not in self.right else (self.alike, "neighbours")
        if None in shares:
            return f"step {self.step:,}"
        return f"step {self.step:,}: {what} {shares[0]:.0%} real, {shares[1]:.0%} generated"


@dataclass(frozen=True)
class FollowedRun:
    """A run at several moments; `classes` are those of the real and of the generated images, empty without classes."""

    config: ModelConfig
    classes: list[int]
    moments: list[EmbeddedMoment]


def follow(
    run: Path, data: Path | None = None, num: int = 300, panels: int = 8, seed: int = 0, device: str = "auto"
) -> FollowedRun:
    """Embed the same real images, and images of the same latents, at checkpoints of a run evenly spaced in time.

    Args:
        data: the real images; None: where they were when it trained.
        num: real images, and as many generated ones; of each class alike.

    Raises:
        ZooError: the folder holds no run or no checkpoint, one is damaged, or there are fewer images of a class.
    """
    folder = RunFolder(run)
    if not folder.exists():
        raise ZooError(f"{run} holds no run; give the folder of `zoo train --out`")
    config, steps = folder.config(), checkpoint.steps(folder.checkpoints)
    if not steps:
        raise ZooError(f"{run} has no checkpoint; train with --save-every and --keep")
    steps = [steps[i] for i in from_end_to_end(panels, len(steps))]
    classes = _classes(config, num)
    real = _real(config, data or resuming.recorded_data(folder), classes, num, seed)
    where = pick_device(device)
    networks, found = Networks.build(config, where), []
    for step in steps:
        checkpoint.load(checkpoint.path_of(folder.checkpoints, step), networks)
        model = GAN(config, networks.sampler(), device=where)
        generated = model.sample(len(real), classes or None, seed=seed, labels="trained")
        found.append(_moment(step, networks, config, (real, generated), classes, where))
    return FollowedRun(config, classes, found)


def _moment(
    step: int, networks: Networks, config: ModelConfig, sets: Sequence[Images], classes: list[int], where: torch.device
) -> EmbeddedMoment:
    x = torch.cat([discriminator_methods.discriminator_input(images, config) for images in sets])
    centres, discriminator = None, networks.discriminator
    if discriminator_methods.has_embeddings(config):
        points = discriminator_methods.embeddings(discriminator, x, config, where)
        centres = discriminator_methods.class_embeddings(discriminator, config, where)
    else:
        points = discriminator_methods.outputs(discriminator, x, None, "features", where)
    real, generated = points.chunk(2)
    return EmbeddedMoment(
        step,
        points if centres is None else torch.cat([points, centres[sorted(set(classes))]]),
        (nearest(real, centres, classes), nearest(generated, centres, classes)),
        (purity(real, classes), purity(generated, classes)),
    )


def _classes(config: ModelConfig, num: int) -> list[int]:
    """Return the classes of `num` images: up to ten, evenly spaced, in equal parts one after the other."""
    return labels.spread(config, labels.evenly_spaced(config, _CLASSES), num) if config.conditional else []


def _real(config: ModelConfig, data: Path | None, classes: list[int], num: int, seed: int) -> Images:
    """Draw real images of these classes, without them at random; none twice."""
    dataset = datasets.load_for(config, root=data)
    datasets.check_classes(config, dataset)
    order = philox.words(seed, 0, len(dataset.images), _REAL).argsort()
    if not classes:
        if num > len(order):
            raise UsageError(f"there are {len(order)} images; give a --num of at most as many")
        return Images(dataset.images[order[:num]])
    chosen = []
    for label in sorted(set(classes)):
        wanted = classes.count(label)
        members = order[dataset.labels[order] == label][:wanted]
        if len(members) < wanted:
            raise UsageError(f"class {label} has {len(members)} images, not {wanted}; give a lower --num")
        chosen.append(members)
    return Images(dataset.images[torch.cat(chosen)])


def drawn(followed: FollowedRun, method: str) -> bytes:
    """Draw one panel per moment, as PNG."""
    moments = followed.moments
    columns = min(_COLUMNS, len(moments))
    rows = -(-len(moments) // columns)
    figure = new_figure(_SIDE * columns + 1.6, _SIDE * rows + 0.3)
    places = planes([moment.points.numpy() for moment in moments], method)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, moment, placed in zip(panels, moments, places, strict=False):
        _panel(axes, placed, followed.config, followed.classes)
        axes.set_title(moment.told().replace(": ", "\n"), fontsize=7)
    for axes in panels[len(moments) :]:
        axes.axis("off")
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right upper", fontsize="small")
    return figure_png(figure, dpi=110, frames=True)


def _panel(axes: Axes, placed: np.ndarray, config: ModelConfig, classes: Sequence[int]) -> None:
    names, shown = labels.class_names(config), sorted(set(classes))
    n = (len(placed) - (len(shown) if discriminator_methods.has_embeddings(config) else 0)) // 2
    of = np.asarray(classes)
    for number, label in enumerate(shown or [None]):
        mine = np.arange(n) if label is None else np.flatnonzero(of == label)
        colour, name = COLOURS[number % len(COLOURS)], "" if label is None else names[label]
        axes.scatter(*placed[mine].T, s=7, color=colour, linewidths=0, label=name or "real")
        axes.scatter(
            *placed[n + mine].T, s=11, color=colour, marker="x", linewidths=0.7, label="" if name else "generated"
        )
    if len(placed) > 2 * n:
        axes.scatter(*placed[2 * n :].T, s=110, c=COLOURS[: len(shown)], marker="*", edgecolors="black", linewidths=0.8)
    if shown:  # what the marks mean, once
        for marker, name in ((".", "real"), ("x", "generated"), ("*", "class"))[: 2 + (len(placed) > 2 * n)]:
            axes.scatter([], [], color="0.3", marker=marker, label=name)
    axes.set(xticks=[], yticks=[])


def study(
    run: Annotated[Path, typer.Argument(help="The folder of a run (`zoo train --out`) with its checkpoints.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The picture, a .png file.")] = Path("map.png"),
    data: options.Data = None,
    num: Annotated[int, typer.Option("-n", "--num", min=10, help="Real images, and as many generated ones.")] = 300,
    panels: Annotated[int, typer.Option(min=1, max=24, help="Checkpoints to show, evenly spaced in time.")] = 8,
    method: Annotated[str, typer.Option(help="t-SNE or PCA.")] = TSNE,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing picture.")] = False,
) -> None:
    """Draw what the discriminator of a run embeds, over its training: real and generated images, and the classes.

    zoo train contragan/digits --out runs/digits --save-every 500 --keep 20

    python -m training.studies.embedding runs/digits -o map.png
    """
    if method not in METHODS:
        raise UsageError(f"--method {method} is unknown; there are {' and '.join(METHODS)}")
    options.check_picture(out, force)
    followed = follow(run, data, num, panels, seed, device)
    write_atomically(out, drawn(followed, method))
    print("\n".join([*(moment.told() for moment in followed.moments), f"wrote {out}"]))


if __name__ == "__main__":
    options.main(study)
