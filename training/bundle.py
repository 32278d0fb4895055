"""From a finished run to a model of the zoo: measure it, write its weights, config, card and training record.

python -m training.bundle runs/infomax --hardware "one H100"

Scores are those of protocol clean with the offline extractor, each kept in RUN/evaluation-N as soon as it is there, so
that a second start goes on. Nothing is written into the repository before all of them are.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

import zoo
from zoo import card, datasets, files, weights
from zoo.config import ModelConfig
from zoo.entries import NearestTraining, Weights
from zoo.errors import ZooError
from zoo.evaluation.report import Report
from zoo.images import Images
from zoo.model import GAN, pick_device
from zoo.nearest import nearest, usual_distances
from zoo.parts import save_in_parts

from . import checkpoint, plots
from .networks import Networks
from .record import write_record

Counts = tuple[int, int]  # real, generated
TAG = "zoo"
LARGEST = 16 << 20  # bytes of a bundled file
_COMPARED = 1000  # images for rounding and nearest neighbours
_SHOWN, _NEIGHBOURS = 8, 9  # of them in the picture, and nearest training images of each


def bundle(
    run: Path,
    repository: Path,
    *,
    counts: Sequence[Counts] = ((50_000, 50_000), (10_000, 10_000)),
    seeds: int = 3,
    data: str | None = None,
    device: str = "auto",
    hardware: str | None = None,
    notes: Sequence[str] = (),
    name: str | None = None,
) -> ModelConfig:
    """Measure a finished run and make it the default weights of its model; returns the new config.

    Args:
        run: a run folder of a model of the registry, trained to the end of its recipe.
        repository: a checkout, with hub_configs, model_cards and zoo/bundled.
        counts: real and generated images of each evaluation, all real ones where there are fewer; precision, recall
            and classes are measured with the last.
        data: where the real images are; None: where training on them would look.
        hardware: that the scores were measured on; None: what the report says.
        notes: what looking at the pictures has shown, for the card.
        name: of the model, where the run goes by another: one of a sweep has the name that its recipe was changed from.

    Raises:
        ZooError: the run is not finished, or its recipe is not the registry's.
    """
    name = name or ModelConfig.from_file(run / "config.json").name
    path = repository / "hub_configs" / f"{name}.json"
    if not path.is_file():
        raise ZooError(f"{path} does not exist; write the config of {name} first, with the recipe of {run}")
    config = ModelConfig.from_file(path)
    _check_finished(run, config)
    real = datasets.load_for(config, root=data)
    given = real if data is None else data  # a path finds features that were cached under the data set's name
    reports = [_report(run, config, given, len(real), pair, seeds, device, pair == counts[-1]) for pair in counts]
    model = zoo.load(run, device=device)
    generated = model.sample(_COMPARED, seed=0).uint8
    written = _write_weights(run, repository / "zoo" / "bundled" / f"{config.slug}.safetensors")
    entry = Weights(
        tag=TAG,
        bundled=written.name,
        sha256=files.sha256(written),
        scores=tuple(score for report in reports for score in report.measured(hardware)),
        nearest=_nearest(generated, real, config, run / "neighbours.png"),
        training_record=True,
        note=f"{_what(config)}, float16; {_rounding(run, config, generated, device)}.",
    )
    others = tuple(other for other in config.weights if other.tag != TAG)
    config = config.model_copy(update={"weights": (entry, *others), "default_tag": TAG, "notes": tuple(notes)})
    files.write_atomically(path, config.to_json().encode())
    write_record(run, repository / "model_cards", config)
    card.write(config, repository / "model_cards", model)
    return config


def _check_finished(run: Path, config: ModelConfig) -> None:
    metadata = weights.read_metadata(run / "model.safetensors")
    if metadata["step"] != str(config.training.steps):
        raise ZooError(f"{run} is at step {metadata['step']} of {config.training.steps}; go on with --resume first")
    if _recipe(ModelConfig.from_file(run / "config.json")) != _recipe(config):
        raise ZooError(f"{run} was not trained by the recipe of {config.name} as it is now; give it a name of its own")


def _recipe(config: ModelConfig) -> dict[str, Any]:
    parts = {"generator", "discriminator", "data", "training"}
    return config.model_dump(include=parts, exclude={"training": {"notes"}})


def _report(
    run: Path, config: ModelConfig, data, available: int, pair: Counts, seeds: int, device: str, last: bool
) -> Report:
    real, fake = min(pair[0], available), pair[1]
    folder = run / f"evaluation-{real}-{fake}"
    if (folder / "report.json").exists():
        report = Report.from_file(folder / "report.json")
        if report.subject.weights_sha256 == files.sha256(run / "model.safetensors"):
            return report
    metrics = ["fid", "kid", *(["is", "pr"] + ["classes"] * config.conditional if last else [])]
    report = zoo.evaluate(
        run,
        metrics,
        extractor="efficientnet-lite0",
        data=data,
        num_fake=fake,
        num_real=real,
        seeds=seeds,
        device=device,
        progress=sys.stderr.isatty(),
    )
    report.save(folder, force=True)
    return report


def _write_weights(run: Path, path: Path) -> Path:
    """The run's weights with what its environment was, in as many files as it takes; returns the first."""
    source = run / "model.safetensors"
    starts = json.loads((run / "environment.json").read_text())["starts"]
    revisions = ", ".join(dict.fromkeys(str(start["revision"]) for start in starts))
    metadata = {**weights.read_metadata(source), "revision": revisions}
    return save_in_parts(path, weights.read(source), metadata, LARGEST)


def _what(config: ModelConfig) -> str:
    return f"The {'moving average' if config.training.ema else 'generator'} after {config.training.steps:,} steps"


def _rounding(run: Path, config: ModelConfig, rounded: torch.Tensor, device: str) -> str:
    """What float16 changes in the images, against the float32 weights of the last checkpoint."""
    where = pick_device(device)
    networks = Networks.build(config, where)
    checkpoint.load(checkpoint.newest(run / "checkpoints"), networks)
    exact = GAN(config, networks.sampler(), device=where).sample(len(rounded), seed=0).uint8
    difference = (rounded.int() - exact.int()).abs()
    return (
        f"rounding changes pixels by {difference.float().mean():.2g} of 255 on average and {int(difference.max())} at "
        f"most in {len(rounded):,} images"
    )


def _nearest(generated: torch.Tensor, real, config: ModelConfig, picture: Path) -> NearestTraining:
    """The distances, and a picture of the first images with the training images nearest to them, to look at."""
    found = nearest(generated, real.images, _NEIGHBOURS, config.data.flip)
    own = usual_distances(real.images, _COMPARED)
    rows = {
        f"image {i}": Images(torch.cat((generated[i : i + 1], real.images[found.numbers[i]]))).grid(_NEIGHBOURS + 1)
        for i in range(_SHOWN)
    }
    titles = ["generated", "nearest", *(f"{i}." for i in range(2, _NEIGHBOURS + 1))]
    files.write_atomically(picture, plots.strips(rows, titles))
    values = found.distances[:, 0]
    return NearestTraining(
        images=len(generated),
        median=_tenths(values.median()),
        smallest=_tenths(values.min()),
        training_median=_tenths(own.median()),
        training_smallest=_tenths(own.min()),
    )


def _tenths(value: torch.Tensor) -> float:
    return round(float(value), 1)


def _pair(text: str) -> Counts:
    real, slash, fake = text.partition("/")
    if not (slash and real.isdigit() and fake.isdigit()):
        raise ZooError(f"{text!r} is not REAL/GENERATED, such as 50000/10000")
    return int(real), int(fake)


def main(
    run: Annotated[Path, typer.Argument(help="A finished run folder.")],
    repository: Annotated[Path, typer.Option(help="The checkout to write into.")] = Path(),
    counts: Annotated[
        str, typer.Option(help="Real and generated images of each evaluation.")
    ] = "50000/50000,10000/10000",
    seeds: Annotated[int, typer.Option(min=1)] = 3,
    data: Annotated[str | None, typer.Option(help="Where the real images are.")] = None,
    device: Annotated[str, typer.Option()] = "auto",
    hardware: Annotated[str | None, typer.Option(help='Measured on, such as "one H100".')] = None,
    note: Annotated[list[str] | None, typer.Option(help="For the card: what is wrong with the pictures.")] = None,
    name: Annotated[str | None, typer.Option(help="Of the model, where the run goes by another.")] = None,
) -> None:
    """Measure a finished run and bundle it with the package."""
    config = bundle(
        run,
        repository,
        counts=[_pair(text) for text in counts.split(",")],
        seeds=seeds,
        data=data,
        device=device,
        hardware=hardware,
        notes=note or (),
        name=name,
    )
    for score in config.weights[0].scores:
        print(f"{score.metric}: {score} ({score.counts})")


if __name__ == "__main__":
    try:
        typer.run(main)
    except ZooError as error:
        raise SystemExit(f"bundle: {error}") from None
