"""Train a model and export its generator; `zoo.load(OUT)` samples from it.

This is `zoo train`, and `python -m training`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.common import torchrun
from zoo.common.json_files import parse_json


def train(
    name: Annotated[str, typer.Argument(help="Model name in any spelling, a config file, or a run folder.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Run folder; default: NAME, where that is a run folder.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="A folder of images, an .npz file, or where the publisher's files are.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Generator steps, instead of the recipe's.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=2, help="Instead of the recipe's.")] = None,
    width: Annotated[
        int | None, typer.Option(min=8, help="Channels of each network's narrowest layer; the others keep their ratio.")
    ] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="field=value, such as training.optimizer.beta1=0.5; repeatable.")
    ] = None,
    as_paper: Annotated[
        bool, typer.Option("--as-paper", help="The paper's values where the published run differs.")
    ] = False,
    plugin: Annotated[
        list[Path] | None, typer.Option(help="A Python file that registers losses of your own; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, batches and latents.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda.")] = "auto",
    precision: Annotated[
        str | None,
        typer.Option(help="float32, tf32 or bfloat16 (autocast), instead of the recipe's."),
    ] = None,
    compile_: Annotated[
        str,
        typer.Option(
            "--compile",
            help="auto, on or off: compile the step, which takes a minute and makes a GPU's steps twice as fast; "
            "auto: where that pays.",
        ),
    ] = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest checkpoint in the run folder, to the bit.")
    ] = False,
    evaluate_every: Annotated[
        int | None, typer.Option(min=1, help="Generator steps between scores; the best checkpoint is kept.")
    ] = None,
    extractor: Annotated[
        str, typer.Option(help="Of these scores: efficientnet-lite0, inception.")
    ] = "efficientnet-lite0",
    keep: Annotated[int, typer.Option(min=1, help="Newest checkpoints to keep.")] = 2,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Then save and stop, with exit status 142; go on with --resume.")
    ] = None,
    log_every: Annotated[int, typer.Option(min=1, help="Generator steps between log lines.")] = 50,
    save_every: Annotated[int, typer.Option(min=1, help="Generator steps between checkpoints.")] = 1000,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the config that would be trained, and stop.")
    ] = False,
) -> None:
    """Train a model and export its generator; `zoo.load(OUT)` samples from it.

    zoo train infomax-gan/digits --out runs/digits
    """
    from zoo.schema import registry
    from zoo.schema.config import ModelConfig

    if compile_ not in ("auto", "on", "off"):
        raise typer.BadParameter(f"{compile_!r} is none of auto, on, off", param_hint="--compile")
    run_config = registry.exported(name)
    config = run_config or (ModelConfig.from_file(name) if name.endswith(".json") else registry.config(name))
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
    config = config.updated(changes)
    if dry_run:
        print(config.to_json(), end="")
        return
    if out is None:
        if run_config is None:
            raise typer.BadParameter("give a folder for the run", param_hint="--out")
        out = Path(name)
    from .objectives import load_plugin
    from .run.evaluation import Evaluation
    from .run.trainer import Options
    from .run.trainer import train as run

    for path in plugin or ():
        load_plugin(path)
    hooks = [Evaluation(evaluate_every, extractor)] if evaluate_every else []
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
    )
    run(config, options, hooks)
    if torchrun.rank() == 0:
        name = registry.argument_for(out)
        print(f'{out}: trained; sample with: zoo sample {name} -o grid.png, or zoo.load("{name}")')


def _parsed(item: str) -> tuple[str, object]:
    """("field", value) from field=value; the value is JSON where it reads as JSON, else text."""
    field, equals, value = item.partition("=")
    if not equals or not field:
        raise typer.BadParameter(f"{item!r} is not field=value", param_hint="--set")
    try:
        return field, parse_json(value)
    except ValueError:
        return field, value
