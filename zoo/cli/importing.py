"""`zoo import`: convert a published checkpoint that was downloaded by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .arguments import Name


def import_command(
    name: Name,
    source: Annotated[
        Path, typer.Option("--from", help="The downloaded checkpoint, its folder, or a zip archive that has it.")
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier import.")] = False,
    discriminator: Annotated[
        bool, typer.Option("--discriminator", help="The checkpoint is the discriminator of these weights.")
    ] = False,
    member: Annotated[str | None, typer.Option("--member", help="Name of the checkpoint in the zip archive.")] = None,
) -> None:
    """Convert a checkpoint that was downloaded by hand, so that its name loads it.

    zoo import infomax-gan/cifar10@mimicry --from netG.pth
    """
    from ..checkpoints.upstream.importer import import_checkpoint

    print(import_checkpoint(name, source, force=force, discriminator=discriminator, member=member))
