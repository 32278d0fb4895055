"""One generator step as one CUDA graph: the hundreds of small kernels of a step cost one launch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.nets import copy_all

from .data import Fake, Real
from .engine import Engine, Metrics

_WARM_UP = 3  # eager steps before the capture: cuDNN picks its algorithms, Adam makes its state


class GraphedEngine:
    """Runs `Engine.step` with everything but learning rates and the average replayed from a graph.

    The first steps run eagerly (on the stream that captures); all steps are steps of the run, none is thrown away.
    Batches are copied into the buffers that the graph reads.
    """

    def __init__(self, engine: Engine):
        self.engine = engine
        self._stream = torch.cuda.Stream(engine.networks.device)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._done = 0

    def step(self, reals: Sequence[Real], fakes: Sequence[Fake], step: int) -> Metrics:
        """As `Engine.step`; the metrics' tensors are overwritten by the next step."""
        self.engine.prepare(step)
        if self._graph is None and self._done >= _WARM_UP:
            self._graph = self._capture(reals, fakes)
        if self._graph is None:
            metrics = self._eager(reals, fakes)
        else:
            copy_all(self._inputs, _tensors(reals, fakes))
            self._graph.replay()
            metrics = self._metrics
        self._done += 1
        self.engine.average(step)
        return metrics

    def _eager(self, reals: Sequence[Real], fakes: Sequence[Fake]) -> Metrics:
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            metrics = self.engine.updates(reals, fakes)
        current.wait_stream(self._stream)
        return metrics

    def _capture(self, reals: Sequence[Real], fakes: Sequence[Fake]) -> torch.cuda.CUDAGraph:
        reals = [Real(images.clone(), _buffer(labels)) for images, labels in reals]
        fakes = [Fake(z.clone(), _buffer(labels)) for z, labels in fakes]
        self._inputs = _tensors(reals, fakes)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream):
            self._metrics = self.engine.updates(reals, fakes)
        return graph


def _buffer(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.clone()


def _tensors(reals: Sequence[Real], fakes: Sequence[Fake]) -> list[Tensor]:
    return [part for batch in (*reals, *fakes) for part in batch if part is not None]
