"""Checks the tasks of an evaluation and has them measured.

Everything that can be wrong is checked before sampling begins: weights of the extractor, data, counts, classes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace

from ..common import ranks
from ..common.devices import pick_device, rank_device
from ..common.errors import DataUnavailableError
from ..common.progress import Progress, ProgressCallback
from ..datasets.catalogue import own_split
from . import cas_task, plan
from .features import extractors, held_out, references
from .features.extraction import images_per_batch
from .features.unfinished import UnfinishedWork
from .metrics import convergence
from .plan import Task
from .scoring_pass import ScoringPass
from .scoring_pass import TaskResults as TaskResults
from .targets import Target


class Scorer:
    """The tools of one evaluation: extractor (in the protocols' ways of resizing), data, device."""

    def __init__(
        self,
        target: Target,
        extractor: str,
        data: references.ReferenceData,
        *,
        inception_weights: str | os.PathLike | None = None,
        device: str = "auto",
        batch_size: int | None = None,
        cache_dir: str | os.PathLike | None = None,
        held_out: references.ReferenceData | None = None,
    ):
        self.target, self.extractor_name, self.data, self._held_out = target, extractor, data, held_out
        self.inception_weights, self.cache_dir = inception_weights, cache_dir
        self.device = target.model.device if target.model else pick_device(rank_device(device))
        self.batch_size = images_per_batch(self.device, batch_size)
        self._unseen: references.ReferenceData | None = None
        self._extractors: dict[str, extractors.Extractor] = {}
        self._data: dict[str, references.ReferenceData] = {}

    def extractor(self, resize: str) -> extractors.Extractor:
        """Return the extractor with this way of resizing, or its usual one, loaded once."""
        resize = extractors.way_of_resizing(self.extractor_name, resize)
        if resize not in self._extractors:
            found = extractors.load(self.extractor_name, inception_weights=self.inception_weights, resize=resize)
            self._extractors[resize] = found.to(self.device)
        return self._extractors[resize]

    @property
    def loaded_extractors(self) -> list[extractors.Extractor]:
        return list(self._extractors.values())

    def data_of(self, task: Task) -> references.ReferenceData:
        """Return the real images of a task: the split that the user or the protocol names."""
        config = self.target.config
        trained_on = config.data.split if config else "train"
        split = self.data.split or task.protocol.split(self.data.dataset, trained_on)
        split = own_split(self.data.dataset, split)
        if split not in self._data:
            self._data[split] = replace(self.data, split=split)
        return self._data[split]

    def held_out_of(self, task: Task) -> references.ReferenceData:
        """Return real images that the model was not trained on: those given, else another split of its data."""
        if self._unseen is None:
            self._unseen = held_out.find(self.data_of(task), task.metric, self._held_out)
        return self._unseen

    # ------------------------------------------------------------------------------------------------------ checks

    def check(self, tasks: Iterable[Task]) -> list[Task]:
        """Return the tasks with their counts; raises ZooError for whatever would fail later."""
        tasks = list(tasks)
        settled = []
        for task in tasks:
            if task.metric == "cas":
                settled.append(cas_task.settle(task, self.target, self.held_out_of(task)))
                continue
            extractor = self.extractor(task.protocol.resize)
            task.layer(extractor)
            data, available = self.data_of(task), 0
            if task.needs_real:
                with_features = self.needs_features(task, tasks)
                available = self._available(task, data, extractor, with_features)
            if task.metric == "ct":
                references.size_of(self.held_out_of(task), None, extractor, with_features=True)
            settled.append(plan.settle(task, self.target, extractor, data, available))
        return settled

    def _available(self, task: Task, data: references.ReferenceData, extractor, with_features: bool) -> int:
        """Return the number of real images; if only their statistics are available offline, the error says so."""
        try:
            return references.size_of(data, task.wanted_real, extractor, with_features)
        except DataUnavailableError as error:
            if data.shipped(task.wanted_real, extractor):
                hint = f"The metrics fid and is need no images of {data}: leave the others out (--metrics fid,is)"
                raise DataUnavailableError(f"{error}. {hint}") from None
            raise

    def num_real(self, task: Task, with_features: bool | None = None) -> int:
        """Return the number of real images of a task; raises DataUnavailableError if what it needs is not here."""
        needed = task.needs_features if with_features is None else with_features
        extractor = self.extractor(task.protocol.resize)
        return references.size_of(self.data_of(task), task.wanted_real, extractor, needed)

    def reference_key(self, task: Task) -> tuple:
        """Return what tells the real images of a task, and their features, from those of others."""
        return self.data_of(task).split, task.selection, self.extractor(task.protocol.resize).preprocessing

    def needs_features(self, task: Task, tasks: Iterable[Task]) -> bool:
        """True if any task with the same real images needs their features."""
        key = self.reference_key(task)
        return any(other.needs_features and self.reference_key(other) == key for other in tasks)

    # --------------------------------------------------------------------------------------------------------- run

    def run(self, tasks: list[Task], *, curve: bool, progress: bool | ProgressCallback) -> TaskResults | None:
        """Measure all scores, on rank 0; returns None on other ranks.

        Raises:
            StoppedError: Ctrl-C; the features that were extracted are kept, and the same call continues.
        """
        if curve:
            convergence.check({task.metric: task.num_fake for task in tasks})
        shown = progress if callable(progress) else progress and ranks.rank() == 0
        with UnfinishedWork(self.cache_dir).kept() as unfinished, Progress(shown) as bars:
            found = ScoringPass(self, tasks, bars, unfinished).made(curve)
        return found if ranks.rank() == 0 else None
