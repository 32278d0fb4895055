"""`zoo info`: describe a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .arguments import Name


def info(
    name: Name,
    as_json: Annotated[bool, typer.Option("--json", help="Print the resolved config.")] = False,
) -> None:
    """Describe a model: architecture, data, recipe, weights, published scores.

    zoo info contragan/cifar10
    """
    import zoo

    config = zoo.info(name)
    if as_json:
        print(config.to_json(), end="")
        return
    from .describe import describe
    from .printing import PAGE, show

    show(describe(config, *of_folder(name)), piped=PAGE)


def of_folder(name: str) -> tuple:
    """Return the weights file of a run, an exported folder or a repository, and its alignment; fetch nothing.

    Returns () for a registered name, and for a run without saved weights.
    """
    from ..checkpoints import alignments, hub
    from ..checkpoints.resolve import ResolvedModel
    from ..schema import registry

    place = hub.local_folder(name, with_weights=False)
    config, file, ours = registry.exported(place), Path(place) / hub.WEIGHTS_FILE, not name.startswith(hub.PREFIX)
    if config is None or (ours and not file.is_file()):
        return ()
    if not file.is_file():  # it would have the commit of its config
        return file, config.alignment
    return file, alignments.lookup(ResolvedModel(config, file, config.default_tag, exported=True, is_ours=ours))
