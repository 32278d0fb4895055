"""The `zoo` command. Each subcommand is one public call; errors are one line."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.__main__ import train

from .. import __version__
from ..common import failures
from ..common.errors import ZooError
from ..common.text import plain
from . import cache as cache_commands
from . import data, sweep
from .align import align
from .arguments import Name
from .demo import demo
from .doctor import doctor
from .evaluate import evaluate, verify
from .export import export
from .publish import publish
from .sample import sample

if TYPE_CHECKING:
    from ..schema.config import ModelConfig

app = typer.Typer(
    name="zoo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A zoo of GANs: list, inspect and sample models by name.",
)
app.command("train")(train)


def main() -> None:
    """Run the command; exit status 2 for a usage error, 1 for any other."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a character, or a file's name, that its encoding cannot hold
            stream.reconfigure(errors="backslashreplace")
    failures.run(app, "zoo")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"zoo {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


# --------------------------------------------------------------------------------------------------------- zoo list


@app.command("list")
def list_command(
    pattern: Annotated[str, typer.Argument(help='Glob over names, such as "*/cifar10" or "contragan*".')] = "*",
    conditional: Annotated[
        bool | None, typer.Option("--conditional/--unconditional", help="Only models with, or without, classes.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Only models of this data set, such as cifar10.")] = None,
    available: Annotated[
        str | None, typer.Option(help='"offline": default weights are here; "trained": weights exist somewhere.')
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List models."""
    from ..schema import registry

    found = registry.list_models(pattern, conditional=conditional, dataset=dataset, available=available)
    if not found:
        raise ZooError(f"no model fits {pattern!r} and the options given; `zoo list` without them shows all")
    rows = [_row(registry.config(name)) for name in found]
    if as_json:
        for row in rows:
            print(json.dumps(row))
        return
    _print_table(rows)


def _row(config: ModelConfig) -> dict:
    from ..checkpoints import weights

    return {
        "name": config.name,
        "data set": config.data.dataset,
        "size": config.generator.resolution,
        "classes": config.num_classes,
        "default": config.default_tag,
        "weights": {entry.tag: entry.place for entry in config.weights},
        "here": [entry.tag for entry in config.weights if weights.is_local(config, entry)],
        "published FID": _published_fid(config),
        "deviations": {entry.tag: entry.deviations for entry in config.weights if entry.deviations},
    }


def _cells(row: dict) -> dict:
    """A row as the table shows it: tags, the default first, and the place of each."""
    tags = sorted(row["weights"], key=lambda tag: tag != row["default"])
    marked = [f"{tag}*" if tag in row["deviations"] else tag for tag in tags]
    fetched = set(row["here"]) - {tag for tag in tags if row["weights"][tag] == "bundled"}
    places = [row["weights"][tag] + (" (here)" if tag in fetched else "") for tag in tags]
    return {
        "name": row["name"],
        "data set": row["data set"],
        "size": f"{row['size']}x{row['size']}",
        "classes": row["classes"] or "",
        "tags": ", ".join(marked),
        "where": ", ".join(dict.fromkeys(places)) or "none",
        "published FID": row["published FID"],
    }


def _published_fid(config: ModelConfig) -> float | None:
    """The FID published with the default weights, else the first of the paper under its own settings."""
    fids = [score for score in config.published if score.metric == "FID" and not score.settings]
    with_tag = [score for score in fids if score.tag == config.default_tag]
    return next((score.value for score in with_tag or fids), None)


def _print_table(rows: list[dict]) -> None:
    from rich.table import Table

    from .printing import to_stdout

    table = Table(box=None, pad_edge=False, header_style="bold")
    shown = [_cells(row) for row in rows]
    for column in shown[0]:
        table.add_column(column, justify="right" if column in ("size", "classes", "published FID") else "left")
    for cells in shown:
        table.add_row(*(plain("" if cell is None else str(cell)) for cell in cells.values()))
    console = to_stdout(200)
    console.print(table)
    if any(row["deviations"] for row in rows):
        console.print("* not trained by the whole recipe; `zoo info NAME` says how it differs", style="dim")
    if sys.stdout.isatty():
        console.print(f"{len(rows)} models; `zoo info NAME` tells more, `zoo sample NAME` makes images", style="dim")


# --------------------------------------------------------------------------------------------------------- zoo info


@app.command()
def info(
    name: Name,
    as_json: Annotated[bool, typer.Option("--json", help="The config itself.")] = False,
) -> None:
    """Show what a model is: architecture, data, recipe, weights, published scores."""
    import zoo

    config = zoo.info(name)
    if as_json:
        print(config.to_json(), end="")
        return
    from .describe import describe
    from .printing import to_stdout

    to_stdout(120, highlight=False).print(describe(config, *_of_folder(name)))


def _of_folder(name: str) -> tuple:
    """The weights file of a run, an exported folder or a repository, and the alignment that holds for it; nothing for a
    registered name, and for a run that has saved no weights yet. No weights are fetched."""
    from ..checkpoints import alignments, hub
    from ..sampling.loading import Found
    from ..schema import registry

    place = hub.local_folder(name, with_weights=False)
    config, file, ours = registry.exported(place), Path(place) / hub.WEIGHTS_FILE, not name.startswith(hub.PREFIX)
    if config is None or (ours and not file.is_file()):
        return ()
    if not file.is_file():  # of the same commit as its config
        return file, config.alignment
    return file, alignments.of(Found(config, file, config.default_tag, exported=True, is_ours=ours))


@app.command("card")
def card_command(
    name: Name,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Folder for <method>-<dataset>.md and its sample sheet; default: print."),
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="With -o: also keep the log, curves and sheets of this run folder there.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite.")] = False,
) -> None:
    """Render a model card from the config."""
    import zoo

    from ..release import card
    from ..sampling.images import refuse_overwriting

    config = zoo.info(name)
    if of_folder := _of_folder(name):
        config = config.model_copy(update={"alignment": of_folder[1]})
    if out is None:
        if run:
            raise ZooError("--run keeps files beside the card; say in which folder with -o")
        print(card.render(config), end="")
        return
    names = [card.filename(config), card.sheet_filename(config), *(card.record_filenames(config) if run else ())]
    refuse_overwriting([out / name for name in names], force)
    if run:
        from training.run.record import write_record

        write_record(run, out, config)
    card.write(config, out)


# ------------------------------------------------------------------------------------------------------- zoo import


@app.command("import")
def import_command(
    name: Name,
    source: Annotated[Path, typer.Option("--from", help="The downloaded checkpoint, or the folder that holds it.")],
    force: Annotated[bool, typer.Option("--force", help="Import again over an earlier import.")] = False,
) -> None:
    """Convert a checkpoint that was downloaded by hand; afterwards the name loads it.

    zoo import infomax-gan/cifar10@mimicry --from netG.pth
    """
    from ..checkpoints.upstream.importer import import_checkpoint

    print(import_checkpoint(name, source, force=force))


# ------------------------------------------------------------------------------------------------ topics of their own

app.add_typer(cache_commands.app, name="cache")
app.add_typer(data.app, name="data")
app.add_typer(sweep.app, name="sweep")
app.command("align")(align)
app.command("demo")(demo)
app.command("evaluate")(evaluate)
app.command("verify")(verify)
app.command("export")(export)
app.command("publish")(publish)
app.command("sample")(sample)
app.command("doctor")(doctor)
