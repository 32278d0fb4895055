"""Write images that a command has made; the same command again changes nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..sampling.images import Images


def stem(name: str) -> str:
    """Return the default name of an output, without a suffix: that of the folder or the model."""
    import zoo

    from ..schema import registry

    folder = registry.folder_of(name)
    return folder.resolve().name if folder else zoo.info(name).slug


def refuse_early(out: str | os.PathLike, known: bool, force: bool) -> str:
    """Check the output before any work; returns its kind, as `output_kind` does.

    Args:
        known: the seed is given, so that an existing file may be what will be made.
    """
    from ..common.files import refuse_unwritable
    from ..sampling.animation import require_pyav
    from ..sampling.outputs import output_kind, refuse_overwriting

    kind = output_kind(out)
    if kind == ".mp4":
        require_pyav()
    if not known:
        refuse_overwriting([out], force)
    refuse_unwritable(Path(out))
    return kind


def save(images: Images, out: str | os.PathLike, force: bool, **options) -> bool:
    """Write images unless the file holds the same already; returns True if it does."""
    from ..sampling.outputs import holds, output_kind

    existed = holds(Path(out), lambda: images.to_bytes(output_kind(out), **options))
    if not existed:
        images.save(out, force=force, **options)
    return existed
