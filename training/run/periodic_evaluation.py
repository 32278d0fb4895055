"""Scores of the generator while it trains: a hook of `trainer.train`."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.sampling.gan import GAN

if TYPE_CHECKING:
    from .trainer import Run


@dataclass
class PeriodicEvaluation:
    """Measures the Frechet distance of the sampling generator to the training images every `every` steps.

    The score is logged under the metric's name with its extractor, and the best checkpoint is kept, whatever its
    age, with its generator as best.safetensors. All scores use the images of seed 0, so they differ by the weights
    alone. All processes of a run share the work. After the first one, its time and that of all others is told.
    """

    every: int  # generator steps
    extractor: str = "efficientnet-lite0"
    num_images: int = 10_000  # generated, and at most as many real ones
    _told: bool = False

    def __call__(self, run: Run) -> dict[str, float] | None:
        if run.step % self.every and run.step != run.config.training.steps:
            return None
        started = time.monotonic()
        metric, value = self.score(run)
        if not self._told and run.processes.is_writer:
            print(self.forecast(run.step, run.config.training.steps, time.monotonic() - started), file=sys.stderr)
        self._told = True
        run.offer_best(metric, value)
        return {metric: value}

    def forecast(self, step: int, total: int, seconds: float) -> str:
        """Say how long a score took, and how long those will take that are due after this step."""
        due = total // self.every - step // self.every + (total % self.every != 0 and step < total)
        took = f"a score of {self.num_images:,} images took {_spoken(seconds)}"
        if not due:
            return took
        rest = _spoken(due * seconds)
        return f"{took}; {due} more until step {total:,}: about {rest} (fewer images: --evaluate-images)"

    def score(self, run: Run) -> tuple[str, float]:
        """Return the metric's name and its value now; lower is better."""
        import zoo

        report = zoo.evaluate(
            GAN(run.config, run.networks.sampler(), device=run.device),
            ("fid",),
            extractor=self.extractor,
            data=run.dataset,
            num_fake=self.num_images,
            num_real=min(self.num_images, len(run.dataset)),
            seeds=1,
            device=str(run.device),
        )
        (result,) = report.results
        return result.metric, result.value


def _spoken(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
