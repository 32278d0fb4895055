"""From a finished run to a model of the zoo: measure it, write its weights, config, card and training record.

python -m training.run.bundle runs/infomax --hardware "one H100"

Scores follow protocol clean with the offline extractor. Each is kept in RUN/evaluation-N as soon as it exists, so that
a second start continues. Nothing is written into the repository before all scores exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

import zoo
from zoo import datasets
from zoo.checkpoints import weights
from zoo.checkpoints.state_dicts import check_finite
from zoo.common import files
from zoo.common.devices import pick_device
from zoo.common.errors import ZooError
from zoo.evaluation.alignment import classifiers
from zoo.evaluation.metrics.nearest import nearest, usual_distances
from zoo.evaluation.report.report import Report
from zoo.release import card_files, run_plots
from zoo.release.run_record import write_record
from zoo.sampling.gan import GAN
from zoo.sampling.images import Images
from zoo.schema import config_files
from zoo.schema.config import ModelConfig
from zoo.schema.entries import DiscriminatorFile, NearestTraining, Weights
from zoo.schema.label_alignment import LabelAlignment

from ..networks import Networks
from . import checkpoint
from .run_folder import RunFolder, differences

Counts = tuple[int, int]  # real, generated
TAG = "zoo"
LARGEST = 32 << 20  # bytes of a bundled file
_COMPARED = 1000  # images for rounding and nearest neighbours
_SHOWN, _NEIGHBOURS = 8, 9  # generated images in the picture, and nearest training images of each


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
    deviations: Sequence[str] | None = None,
) -> ModelConfig:
    """Measure a finished run and make it the default weights of its model; returns the new config.

    Args:
        run: a run folder of a model of the registry, trained to the end of its recipe. A checkpoint is
            optional; without one the note does not say what rounding to float16 changes.
        repository: a checkout, with hub_configs, model_cards and zoo/checkpoints/bundled.
        counts: real and generated images of each evaluation, all real ones where there are fewer; precision, recall
            and classes are measured with the last.
        data: location of the real images; None: the location that training would use.
        hardware: the hardware that measured the scores; None: as stated in the report.
        notes: observations on the pictures, for the card.
        name: name of the model; None: the recipe that the run began with.
        deviations: allow a run whose `training` differs from the registry's recipe; the fields that differ are stated
            with the weights, and these lines after them. None refuses such a run.

    Raises:
        ZooError: the run is not finished, its recipe is not the registry's, or its weights are too large to bundle.
    """
    trained = ModelConfig.from_file(run / "config.json")
    name = name or (trained.origin.recipe if trained.origin else trained.name)
    path = repository / "hub_configs" / f"{name}.json"
    if not path.is_file():
        raise ZooError(f"{path} does not exist; write the config of {name} first, with the recipe of {run}")
    config = ModelConfig.from_file(path)
    stated = _deviations(run, config, deviations)
    _check_files(run)
    real = datasets.load_for(config, root=data)
    given = real if data is None else data  # a path finds features that were cached under the data set's name
    alignment = _align(run, config, given, device)
    reports = [_report(run, config, given, len(real), pair, seeds, device, pair == counts[-1]) for pair in counts]
    model = zoo.load(run, device=device)
    generated = model.sample(_COMPARED, seed=0, exact=True).uint8
    bundled = repository / "zoo" / "checkpoints" / "bundled"
    written = _write(run / "model.safetensors", bundled / f"{config.slug}.safetensors", config.name)
    entry = Weights(
        tag=TAG,
        bundled=written.name,
        sha256=files.sha256(written),
        discriminator=_write_discriminator(run, bundled / f"{config.slug}-discriminator.safetensors", config.name),
        deviations=stated,
        alignment=alignment and alignment.of_weights(files.sha256(written)),
        scores=tuple(score for report in reports for score in report.measured(hardware)),
        nearest=_nearest(generated, real, config, run / "neighbours.png"),
        training_record=True,
        note=f"{_weights_description(run)}, float16; {_rounding(run, config, generated, device)}.",
    )
    others = tuple(other for other in config.weights if other.tag != TAG)
    config = config.model_copy(update={"weights": (entry, *others), "default_tag": TAG, "notes": tuple(notes)})
    files.write_atomically(path, config.to_json(config_files.base_of(path)).encode())
    write_record(run, repository / "model_cards", config)
    card_files.write(config, repository / "model_cards", model)
    return config


def _deviations(run: Path, config: ModelConfig, further: Sequence[str] | None) -> tuple[str, ...]:
    """Describe how a finished run differs from the recipe; raises ZooError if it may not differ."""
    trained = ModelConfig.from_file(run / "config.json")
    step = weights.read_metadata(run / "model.safetensors")["step"]
    if step != str(trained.training.steps):
        raise ZooError(f"{run} is at step {step} of {trained.training.steps}; continue with --resume first")
    fields = differences(_recipe(config), _recipe(trained))
    allowed = further is not None and all(field.startswith("training.") for field in fields)
    if fields and not allowed:
        raise ZooError(
            f"{run} was not trained by the recipe of {config.name} as it is now (different: {', '.join(fields)}); give "
            f"it a name of its own" + ("" if further is not None else ", or state how it differs (--deviation)")
        )
    recipe, ours = config.training, trained.training
    words = {
        "training.steps": f"{ours.steps:,} of {recipe.steps:,} generator steps",
        "training.precision": f"{ours.precision} instead of {recipe.precision}",
    }
    return (*(words.get(field) or _changed(field, recipe, ours) for field in fields), *(further or ()))


def _changed(field: str, recipe, ours) -> str:
    def value(training: Any) -> Any:
        for key in field.split(".")[1:]:
            training = getattr(training, key)
        return training

    return f"{field}: {value(ours)} instead of {value(recipe)}"


def _recipe(config: ModelConfig) -> dict[str, Any]:
    parts = {"generator", "discriminator", "data", "training"}
    return config.model_dump(include=parts, exclude={"training": {"notes"}})


def _align(run: Path, config: ModelConfig, data, device: str) -> LabelAlignment | None:
    """Align a conditional run's labels, keep the result in its folder; uses its real images if no classifier ships."""
    if not config.conditional:
        return None
    data = None if classifiers.need_no_data(config) else data
    return zoo.align(run, data=data, device=device).to_keep()


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
        progress=True,
    )
    report.save(folder, force=True)
    return report


def _check_files(run: Path) -> None:
    """Raise before any work if the weights are too large, or not finite."""
    for path in (run / "model.safetensors", run / "discriminator.safetensors"):
        if not path.is_file():
            continue
        check_finite(weights.read(path), path)
        if path.stat().st_size > LARGEST:
            raise ZooError(
                f"{path} has {files.as_size(path.stat().st_size)}, and a bundled file at most "
                f"{files.as_size(LARGEST)}; publish the run on the Hub: zoo publish {run} --to USER/REPO"
            )


def _write(source: Path, path: Path, name: str) -> Path:
    """Write the run's weights with the revision of the code that trained them; returns their path."""
    about = {"name": name} | weights.read_metadata(source) | _revision(source.parent)
    files.save(path, weights.read(source), about)
    return path


def _write_discriminator(run: Path, path: Path, name: str) -> DiscriminatorFile | None:
    """Write the run's discriminator; returns None if the run has none."""
    source = run / "discriminator.safetensors"
    if not source.is_file():
        return None
    return DiscriminatorFile(bundled=_write(source, path, name).name, sha256=files.sha256(path))


def _revision(run: Path) -> dict[str, str]:
    """Return the revisions of the code that trained the run, as far as its starts noted them."""
    starts = RunFolder(run).starts()
    known = dict.fromkeys(start["revision"] for start in starts if start.get("revision"))
    return {"revision": ", ".join(known)} if known else {}


def _weights_description(run: Path) -> str:
    training = ModelConfig.from_file(run / "config.json").training
    return f"The {'moving average' if training.ema else 'generator'} after {training.steps:,} steps"


def _rounding(run: Path, config: ModelConfig, rounded: torch.Tensor, device: str) -> str:
    """Measure what float16 changes in the images, compared with the float32 weights of the last checkpoint."""
    newest = checkpoint.newest(run / "checkpoints")
    if newest is None:
        return "its float32 weights are not kept, so what rounding changes in the images could not be measured"
    where = pick_device(device)
    networks = Networks.build(config, where)
    checkpoint.load(newest, networks)
    exact = GAN(config, networks.sampler(), device=where).sample(len(rounded), seed=0, exact=True).uint8
    difference = (rounded.int() - exact.int()).abs()
    return (
        f"rounding changes pixels by {difference.float().mean():.2g} of 255 on average and {int(difference.max())} at "
        f"most in {len(rounded):,} images"
    )


def _nearest(generated: torch.Tensor, real, config: ModelConfig, picture: Path) -> NearestTraining:
    """Measure nearest distances, and write a picture of the first images with their nearest training images."""
    found = nearest(generated, real.images, _NEIGHBOURS, config.data.flip)
    own = usual_distances(real.images, _COMPARED)
    rows = {
        f"image {i}": Images(torch.cat((generated[i : i + 1], real.images[found.numbers[i]]))).grid(_NEIGHBOURS + 1)
        for i in range(_SHOWN)
    }
    titles = ["generated", "nearest", *(f"{i}." for i in range(2, _NEIGHBOURS + 1))]
    files.write_atomically(picture, run_plots.strips(rows, titles))
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
    deviation: Annotated[
        list[str] | None,
        typer.Option(help="Allow another recipe than the registry's, and say this of how it differs; repeatable."),
    ] = None,
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
        deviations=deviation,
    )
    for score in config.weights[0].scores:
        print(f"{score.metric}: {score} ({score.counts})")


if __name__ == "__main__":
    try:
        typer.run(main)
    except ZooError as error:
        raise SystemExit(f"bundle: {error}") from None
