"""`zoo publish`: upload a model to the Hugging Face Hub."""

from __future__ import annotations

from typing import Annotated

import typer

from . import completion, panels
from .printing import say

HALVES = ("float32", "float16", "fp16", "half")


def publish(
    name: Annotated[
        str | None,
        typer.Argument(
            autocompletion=completion.model,
            help="Model name in any spelling, name@tag, an exported folder, or hf://user/repo; omit it with --space.",
        ),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="The repository: user/repo.", rich_help_panel=panels.OUTPUT)
    ] = None,
    space: Annotated[
        bool,
        typer.Option(
            "--space", help="Upload the web demo as a Gradio Space instead of a model.", rich_help_panel=panels.MODEL
        ),
    ] = False,
    requirement: Annotated[
        str | None,
        typer.Option(
            help="How the Space installs this package; default: the commit installed here, else a wheel in it.",
            rich_help_panel=panels.MODEL,
        ),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Make a new repository private.", rich_help_panel=panels.OUTPUT)
    ] = False,
    dtype: Annotated[
        str,
        typer.Option(
            **completion.among(HALVES),
            help="float32, or float16 (fp16) for half the size.",
            rich_help_panel=panels.MODEL,
        ),
    ] = "float32",
    message: Annotated[
        str | None, typer.Option("-m", "--message", help="Message of the commit.", rich_help_panel=panels.OUTPUT)
    ] = None,
    create_pr: Annotated[
        bool,
        typer.Option("--pr", help="Open a pull request instead of a commit.", rich_help_panel=panels.OUTPUT),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show what would be uploaded, and stop.", rich_help_panel=panels.OUTPUT),
    ] = False,
) -> None:
    """Upload a model with its card, or the demo as a Space; needs `hf auth login` or HF_TOKEN.

    zoo publish runs/digits --to me/contragan-digits --dry-run
    """
    from ..checkpoints import hub
    from ..release import publish as publishing

    if space == bool(name):
        raise typer.BadParameter("give the name of a model, or --space without a name", param_hint="NAME")
    if to is None and not (space and dry_run):
        raise typer.BadParameter("give the repository: user/repo", param_hint="--to")
    address = hub.parse(to).repo_id if to else "user/space"
    if dry_run:
        listed, readme = (
            publishing.preview(name, address, dtype)
            if name
            else publishing.preview_space(address, requirement, private)
        )
        place = f"{hub.endpoint()}/{'spaces/' if space else ''}{address}"
        say(f"Would upload to {place}{' (private)' if private else ''}:")
        longest = max(len(file.name) for file in listed)
        for file in listed:
            say(f"  {file.name:{longest}s} {file.size:>12,d} bytes  sha256 {file.sha256}")
        print(f"\nREADME.md:\n\n{readme}", end="")
    elif name:
        options = {"private": private, "commit_message": message, "create_pr": create_pr, "dtype": dtype}
        print(publishing.publish(name, address, **options))
    else:
        print(publishing.publish_space(address, requirement=requirement, private=private))
