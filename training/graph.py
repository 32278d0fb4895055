"""One generator step as one CUDA graph: the hundreds of small kernels of a step cost one launch."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from zoo.common.cuda_graph import WARM_UP, CapturedWork
from zoo.nets import copy_all

from .data import Fake, Real
from .engine import Engine, Metrics


class GraphedEngine:
    """Runs `Engine.step` with everything but learning rates and the average replayed from a graph.

    The first steps run eagerly (on the stream that captures); all of them are steps of the run.
    Batches are copied into the buffers that the graph reads.
    """

    def __init__(self, engine: Engine):
        self.engine = engine
        self._work = CapturedWork(engine.networks.device)
        self._done = 0

    def step(self, reals: Sequence[Real], fakes: Sequence[Fake], step: int) -> Metrics:
        """Run a step as `Engine.step` does; the next step overwrites the metrics' tensors."""
        self.engine.prepare(step)
        if not self._work.is_captured and self._done < WARM_UP:
            metrics = self._work.run_on_stream(lambda: self.engine.updates(reals, fakes))
        else:
            if not self._work.is_captured:
                self._capture(reals, fakes)
            copy_all(self._inputs, _tensors(reals, fakes))
            self._work.replay()
            metrics = self._metrics
        self._done += 1
        self.engine.average(step)
        return metrics

    def _capture(self, reals: Sequence[Real], fakes: Sequence[Fake]) -> None:
        reals = [Real(images.clone(), _buffer(labels)) for images, labels in reals]
        fakes = [Fake(z.clone(), _buffer(labels)) for z, labels in fakes]
        self._inputs = _tensors(reals, fakes)
        self._metrics = self._work.capture(lambda: self.engine.updates(reals, fakes))


def _buffer(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.clone()


def _tensors(reals: Sequence[Real], fakes: Sequence[Fake]) -> list[Tensor]:
    return [part for batch in (*reals, *fakes) for part in batch if part is not None]
