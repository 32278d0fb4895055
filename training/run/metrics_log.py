"""The log of a run: metrics.jsonl, and TensorBoard events if the package is installed."""

from __future__ import annotations

import json
from pathlib import Path

from .run_folder import RunFolder


class MetricsLog:
    """The open log of one start; it writes only if `writes` is set."""

    def __init__(self, folder: RunFolder, step: int, writes: bool):
        self.folder, self.start, self.writes = folder, step, writes

    def __enter__(self) -> MetricsLog:
        if self.writes:
            earlier = self.folder.records()
            self._seconds = earlier[-1].get("seconds", 0.0) if earlier else 0.0
            self._file = self.folder.metrics.open("a", encoding="utf-8")
            self._events = _event_writer(self.folder.path / "tensorboard", self.start)
        return self

    def write(self, step: int, values: dict[str, float], rate: float) -> None:
        """Write one line: the step, seconds of training over all starts, and every loss."""
        if not self.writes:
            return
        seconds = round(self._seconds + (step - self.start) / max(rate, 1e-9), 1)
        record = {"step": step, "seconds": seconds} | {name: round(value, 5) for name, value in values.items()}
        print(json.dumps(record), file=self._file, flush=True)
        if self._events:
            for name, value in values.items():
                self._events.add_scalar(name, value, step)

    def __exit__(self, *exception) -> None:
        if self.writes:
            self._file.close()
            if self._events:
                self._events.close()


def _event_writer(folder: Path, step: int):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # an optional package; metrics.jsonl has everything
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)
