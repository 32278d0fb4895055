"""The `zoo` command. Each subcommand is one public call; errors are one line."""

from __future__ import annotations

from typing import Annotated

import typer

from ..common import failures
from ..common.version import __version__
from . import cache, data, panels, reference, registry, usage
from .align import align
from .card import card_command
from .compare import compare
from .demo import demo
from .doctor import doctor
from .evaluate import evaluate, verify
from .export import export
from .importing import import_command
from .info import info
from .installed import Commands
from .interpolate import interpolate
from .labels import labels_command
from .listing import list_command
from .mirror import mirror_command
from .panel import panel
from .printing import say
from .publish import publish
from .sample import sample

app = typer.Typer(
    name="zoo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    cls=Commands,
    help="A zoo of GANs: list, inspect and sample models by name.",
)


def main() -> None:
    """Run the command; exit with status 2 for a usage error, 1 for any other error."""
    failures.run(lambda: usage.run(app, "zoo"), "zoo")


def _version(wanted: bool) -> None:
    if wanted:
        say(f"zoo {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


app.command("list", rich_help_panel=panels.FIND)(list_command)
app.command("info", rich_help_panel=panels.FIND)(info)
app.command("labels", rich_help_panel=panels.FIND)(labels_command)
app.command("sample", rich_help_panel=panels.SAMPLE)(sample)
app.command("interpolate", rich_help_panel=panels.SAMPLE)(interpolate)
app.command("demo", rich_help_panel=panels.SAMPLE)(demo)
app.command("evaluate", rich_help_panel=panels.EVALUATE)(evaluate)
app.command("verify", rich_help_panel=panels.EVALUATE)(verify)
app.command("compare", rich_help_panel=panels.EVALUATE)(compare)
app.command("panel", rich_help_panel=panels.EVALUATE)(panel)
app.command("align", rich_help_panel=panels.EVALUATE)(align)
app.add_typer(reference.app, name="reference", rich_help_panel=panels.EVALUATE)
app.command("export", rich_help_panel=panels.SHARE)(export)
app.command("publish", rich_help_panel=panels.SHARE)(publish)
app.command("card", rich_help_panel=panels.SHARE)(card_command)
app.command("import", rich_help_panel=panels.MANAGE)(import_command)
app.command("mirror", rich_help_panel=panels.MANAGE)(mirror_command)
app.command("doctor", rich_help_panel=panels.MANAGE)(doctor)
app.add_typer(cache.app, name="cache", rich_help_panel=panels.MANAGE)
app.add_typer(data.app, name="data", rich_help_panel=panels.MANAGE)
app.add_typer(registry.app, name="registry", rich_help_panel=panels.MANAGE)
