"""`zoo card`: render a model card from the config."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import places
from .arguments import Name
from .info import of_folder
from .printing import say


def card_command(
    name: Name,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            callback=places.folder,
            help="Folder for <method>-<dataset>.md and its sample sheet; default: print the card.",
        ),
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="With -o: also copy the log, curves and sheets of this run folder.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
) -> None:
    """Render a model card from the config.

    zoo card contragan/digits
    """
    import zoo

    from ..release import card, card_files
    from ..sampling.outputs import refuse_overwriting
    from ..schema import identity, registry

    config, place, model = zoo.info(name), None, None
    if found := of_folder(name):
        place = registry.argument_for(name)
        config = identity.for_others(config).model_copy(update={"alignment": found[1]})
        model = zoo.load(name, device="cpu")
    if out is None:
        if run:
            raise typer.BadParameter("files are written beside the card; give a folder with -o", param_hint="--run")
        print(card.render(config, place=place, step=card_files.step_of(model)), end="")
        return
    names = [card.filename(config), card.sheet_filename(config), *(card.record_filenames(config) if run else ())]
    refuse_overwriting([out / name for name in names], force)
    if run:
        from ..release.run_record import write_record

        write_record(run, out, config)
    card_files.write(config, out, model, place)
    say(f"wrote {out / card.filename(config)}")
