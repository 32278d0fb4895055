"""How a run is run: where, on what data, how often it is saved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..compiling import Choice


@dataclass(frozen=True)
class Options:
    """How to run; the config says what to train."""

    out: Path
    data: Path | None = None  # a folder of images, an archive, an .npz file, or the folder of the publisher's files
    seed: int | None = None  # of weights, batches and latents; None: 0, or that of the run that is resumed
    device: str = "auto"
    resume: bool = False
    log_every: int = 50  # generator steps
    save_every: int = 1000  # generator steps between checkpoints, sheets and exports
    keep: int = 2  # newest checkpoints
    plugins: tuple[Path, ...] = ()  # files that register the config's own terms; kept with the run
    cuda_graph: bool = True  # on GPUs
    compile: Choice = "auto"  # the step: "auto" where the run is long enough to pay for it
    minutes: float | None = None  # of this start; then save and stop, as after a signal
    preview: Path | None = None  # a contact sheet of the images, written before the first step
    classes: int | None = None  # use only this number of first classes; None: all
    start_from: str | Path | None = None  # a model with whose networks the run begins; see `starting_point.read`
    data_name: str | None = None  # of own data; one of the catalogue says that these are the publisher's
    command: str | None = None  # that began the run, for its record
    note: str | None = None  # a line for the beginning of the log
