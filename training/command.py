"""Train a model and export its generator; `zoo.load(OUT)` samples from it.

This module is `zoo train` and `python -m training`.
"""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from zoo.cli import completion, panels, places
from zoo.cli.preparing import Background, Crop, Resize, own_preparation
from zoo.cli.printing import say
from zoo.common import torchrun
from zoo.common.errors import ConfigError, UsageError
from zoo.common.json_files import parse_json

if TYPE_CHECKING:
    from zoo.schema.config import ModelConfig

HELP_PANEL = "Train"


class Augment(str, Enum):
    NONE = "none"
    DIFFAUG = "diffaug"
    ADA = "ada"


_PARTS = {Augment.DIFFAUG: {"type": "diff-augment"}, Augment.ADA: {"type": "adaptive-augment"}}


def train(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            autocompletion=completion.model,
            help="Model name in any spelling, a config file, or a run folder.",
            show_default="with --resume: OUT",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            callback=places.folder,
            help="Run folder; default: NAME, if it is a run folder.",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="A folder of images, an archive of one, an .npz file, or the folder of the publisher's files.",
            rich_help_panel=panels.DATA,
        ),
    ] = None,
    start_from: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="MODEL",
            autocompletion=completion.model,
            help="Begin with the networks of another model: a name, a run, a folder, hf://USER/REPO or a .safetensors "
            "file.",
            rich_help_panel=panels.DATA,
        ),
    ] = None,
    data_name: Annotated[
        str | None,
        typer.Option(
            "--data-name",
            help="What own data are called; default: as their folder. The name of a public data set says that these "
            "are its files in another form.",
            rich_help_panel=panels.DATA,
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes",
            help="Use only these classes, in this order, separated by commas; default: all folders.",
            rich_help_panel=panels.DATA,
        ),
    ] = None,
    crop: Crop = None,
    resize: Resize = None,
    background: Background = None,
    preview: Annotated[
        Path | None,
        typer.Option(
            help="Write a contact sheet of the training images, such as sheet.png, before the first step.",
            rich_help_panel=panels.DATA,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Generator steps; default: the recipe's. With --resume, a larger number extends a run.",
            rich_help_panel=panels.RECIPE,
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=2, help="Images per batch over all processes; default: the recipe's.", rich_help_panel=panels.RECIPE
        ),
    ] = None,
    width: Annotated[
        int | None,
        typer.Option(
            min=8,
            help="Channels of the narrowest layer of each network; the other layers keep their ratio.",
            rich_help_panel=panels.RECIPE,
        ),
    ] = None,
    augment: Annotated[
        Augment | None,
        typer.Option(
            help="What the discriminator is shown: images augmented by DiffAugment, or by ADA as much as it overfits; "
            "default: the recipe's, and ADA for fewer than 10,000 own pictures.",
            rich_help_panel=panels.RECIPE,
        ),
    ] = None,
    freeze_d: Annotated[
        int | None,
        typer.Option(
            "--freeze-d",
            min=0,
            help="Keep so many first blocks of the discriminator as they were in the model of --from; 0: none.",
            rich_help_panel=panels.RECIPE,
        ),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="field=value, such as training.optimizer.beta1=0.5; repeatable.",
            rich_help_panel=panels.RECIPE,
        ),
    ] = None,
    as_paper: Annotated[
        bool,
        typer.Option(
            "--as-paper", help="Use the paper's values where the published run differs.", rich_help_panel=panels.RECIPE
        ),
    ] = False,
    plugin: Annotated[
        list[Path] | None,
        typer.Option(
            help="A Python file that registers losses of your own; repeatable.", rich_help_panel=panels.RECIPE
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Seed of weights, batches and latents; default: 0, with --resume that of the run.",
            rich_help_panel=panels.RECIPE,
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(autocompletion=completion.device, help="auto, cpu, cuda.", rich_help_panel=panels.COMPUTE)
    ] = "auto",
    precision: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.offering("float32", "tf32", "bfloat16"),
            help="float32, tf32 or bfloat16 (autocast); default: the recipe's.",
            rich_help_panel=panels.COMPUTE,
        ),
    ] = None,
    compile_: Annotated[
        Literal["auto", "on", "off"],
        typer.Option(
            "--compile",
            help="Compile the step: auto (where it pays), on or off. Compiling takes a minute and makes the steps of a "
            "GPU twice as fast.",
            rich_help_panel=panels.COMPUTE,
        ),
    ] = "auto",
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Continue from the newest checkpoint in the run folder, with bit-identical results.",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = False,
    evaluate_every: Annotated[
        int | None,
        typer.Option(
            min=1, help="Generator steps between scores; the best checkpoint is kept.", rich_help_panel=panels.PROTOCOL
        ),
    ] = None,
    evaluate_images: Annotated[
        int,
        typer.Option(
            min=2,
            help="Generated images of each of these scores, and at most as many real ones.",
            rich_help_panel=panels.PROTOCOL,
        ),
    ] = 10_000,
    extractor: Annotated[
        str,
        typer.Option(
            **completion.among(("efficientnet-lite0", "inception")),
            help="Extractor of these scores: efficientnet-lite0, inception.",
            rich_help_panel=panels.PROTOCOL,
        ),
    ] = "efficientnet-lite0",
    keep: Annotated[
        int, typer.Option(min=1, help="Number of newest checkpoints to keep.", rich_help_panel=panels.OUTPUT)
    ] = 2,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Save and stop after this many minutes (exit status 142); continue with --resume.",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = None,
    log_every: Annotated[
        int, typer.Option(min=1, help="Generator steps between log lines.", rich_help_panel=panels.OUTPUT)
    ] = 50,
    save_every: Annotated[
        int, typer.Option(min=1, help="Generator steps between checkpoints.", rich_help_panel=panels.OUTPUT)
    ] = 1000,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print the config that would be trained, and stop.", rich_help_panel=panels.OUTPUT
        ),
    ] = False,
) -> None:
    """Train a model and export its generator; `zoo.load(OUT)` samples from it.

    zoo train infomax-gan/digits --out runs/digits
    """
    from zoo.schema import registry
    from zoo.schema.config import ModelConfig

    from .run import few_images, own_data
    from .run.resuming import planned_steps
    from .run.run_folder import RunFolder
    from .run.told import as_command, class_changes

    if name is None and not (resume and out):
        raise typer.BadParameter("name a model, or a run with --resume", param_hint="NAME")
    run_config = registry.exported(out if name is None and out else name or "")
    name = name or str(out)
    config = run_config or (ModelConfig.from_file(name) if name.endswith(".json") else registry.recipe_of(name))
    if run_config and not resume and (data or classes):
        config = own_data.anew(config)
    if as_paper:
        config = config.as_paper()
    if width is not None:
        config = config.at_width(width)
    changes = dict(_parsed(item) for item in change or ())
    if steps is not None:
        changes["training.steps"] = steps
    if batch_size is not None:
        changes["training.batch_size"] = batch_size
    if precision is not None:
        changes["training.precision"] = precision
    if own := own_preparation(crop, resize, background):
        changes["data.preparation"] = own.model_dump()
    if resume and "training.steps" not in changes:
        changes["training.steps"] = planned_steps(RunFolder(out or Path(name))) or config.training.steps
    if classes is not None:
        changes |= class_changes(config, classes)
    config = _changed(config, changes)
    if augment is not None or freeze_d is not None:
        config = for_small_data(config, augment, freeze_d)
    added = None
    if augment is None and data is not None and not resume:
        config, added = few_images.adapted(config, data, data_name)
    if dry_run:
        if added:
            print(added, file=sys.stderr)
        if data is not None:
            config = own_data.on_data(config, data, data_name)
        print(config.to_json(), end="")
        return
    if out is None:
        if run_config is None:
            raise typer.BadParameter("give a folder for the run", param_hint="--out")
        out = Path(name)
    from .objectives import load_plugin
    from .run.periodic_evaluation import PeriodicEvaluation
    from .run.trainer import Options
    from .run.trainer import train as run

    for path in plugin or ():
        load_plugin(path)
    hooks = [PeriodicEvaluation(evaluate_every, extractor, evaluate_images)] if evaluate_every else []
    options = Options(
        out,
        data,
        seed,
        device,
        resume,
        log_every,
        save_every,
        keep,
        tuple(plugin or ()),
        compile=compile_,
        minutes=minutes,
        preview=preview,
        start_from=start_from,
        data_name=data_name,
        command=as_command(context),
        note=added,
    )
    run(config, options, hooks)
    if torchrun.rank() == 0:
        name = registry.argument_for(out)
        say(f"{out}: trained; sample with: zoo sample {quote(name)} -o grid.png, or zoo.load({name!r})")


def _changed(config: ModelConfig, changes: dict[str, Any]) -> ModelConfig:
    """Return the config with the fields that options change; a refused value is an error of the command line."""
    try:
        return config.updated(changes)
    except ConfigError as error:
        raise UsageError(str(error)) from None


def for_small_data(config: ModelConfig, augment: Augment | None, freeze_d: int | None) -> ModelConfig:
    """Return a config with another augmentation and another number of frozen blocks; None leaves them as they are."""
    parts = config.to_dict()["training"]["regularizers"]
    if augment is not None:
        parts = [part for part in parts if part["type"] not in {part["type"] for part in _PARTS.values()}]
        parts += [_PARTS[augment]] if augment in _PARTS else []
    if freeze_d is not None:
        parts = [part for part in parts if part["type"] != "freeze-d"]
        parts += [{"type": "freeze-d", "blocks": freeze_d}] if freeze_d else []
    return config.updated({"training.regularizers": parts})


def _parsed(item: str) -> tuple[str, object]:
    """Return ("field", value) from field=value; a value that is not valid JSON is text."""
    field, equals, value = item.partition("=")
    if not equals or not field:
        raise typer.BadParameter(f"{item!r} is not of the form field=value", param_hint="--set")
    try:
        return field, parse_json(value)
    except ValueError:
        return field, value
