"""Runs the tasks of an evaluation: real images once, then seed after seed, each set of samples once for all metrics.

Everything that can be wrong is checked before sampling begins: weights of the extractor, data, counts, classes.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from torch import Tensor

from ..common import ranks
from ..common.devices import pick_device, rank_device
from ..common.errors import DataUnavailableError, StoppedError
from ..common.progress import Progress, ProgressCallback
from ..common.signals import before_forced_end
from ..datasets.catalogue import own_split
from . import cas_task, plan
from .features import extractors, references
from .features.extraction import Features, Timings, extract, images_per_batch, whole_batches
from .features.sources import Generated, ImageSource
from .features.unfinished import UnfinishedFeatures, stopped
from .metrics import classwise, convergence, formulas, scores
from .plan import Task
from .protocols.protocol import Sampling
from .targets import Target

_SHEET = 64  # images on a sample sheet


@dataclass
class TaskResults:
    """The values of each task by kind, a list over seeds; and the samples and reports of the first seed."""

    values: dict[Task, dict[str, list[formulas.Spread]]] = field(default_factory=dict)
    classes: classwise.ClassReport | None = None
    convergence: convergence.Convergence | None = None
    samples: Tensor | None = None
    references: dict[tuple, references.Reference | None] = field(default_factory=dict)  # None on other ranks than 0
    timings: Timings = field(default_factory=Timings)
    costs: dict[str, float] = field(default_factory=dict)  # seconds of each metric of the last seed


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
        self._unfinished: list[UnfinishedFeatures] = []
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
            self._unseen = references.held_out(self.data_of(task), task.metric, self._held_out)
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
                with_features = self._needs_features(task, tasks)
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

    def _reference_key(self, task: Task) -> tuple:
        return self.data_of(task).split, task.selection, self.extractor(task.protocol.resize).preprocessing

    def _needs_features(self, task: Task, tasks: Iterable[Task]) -> bool:
        """True if any task with the same real images needs their features."""
        key = self._reference_key(task)
        return any(other.needs_features and self._reference_key(other) == key for other in tasks)

    # --------------------------------------------------------------------------------------------------------- run

    def run(self, tasks: list[Task], *, curve: bool, progress: bool | ProgressCallback) -> TaskResults | None:
        """Measure all scores, on rank 0; returns None on other ranks."""
        if curve:
            convergence.check({task.metric: task.num_fake for task in tasks})
        found = TaskResults(values={task: {} for task in tasks})
        _running.append(self)
        try:
            with Progress(progress if callable(progress) else progress and ranks.rank() == 0) as bars:
                self._run(tasks, found, curve, bars)
        except KeyboardInterrupt:
            raise StoppedError(stopped(self._unfinished)) from None
        except Exception:
            self._forget()
            raise
        finally:
            _running.remove(self)
        self._forget()
        return found if ranks.rank() == 0 else None

    def _forget(self) -> None:
        for features in self._unfinished:
            features.remove()

    def say_stopped(self) -> None:
        """Say what is kept, where the process ends in the middle of a computation."""
        if ranks.rank() == 0:
            print(f"zoo: {stopped(self._unfinished)}", file=sys.stderr, flush=True)

    def _run(self, tasks: list[Task], found: TaskResults, curve: bool, bars: Progress) -> None:
        for task in tasks:
            self._reference(task, tasks, found, bars)
        classifier = self._classifier(tasks, found, bars)
        for seed in sorted({seed for task in tasks for seed in self._seeds(task)}):
            for key, together in self._passes(tasks, seed).items():
                features = self._sample(key, together, seed, found, bars)
                if features is None:
                    continue
                of_seed = "" if self.target.fixed else f", seed {seed}"
                costs = {task.metric: found.costs.get(task.metric, 1.0) for task in together}
                with bars.steps(f"{self.target.subject.name}{of_seed}, metrics", costs) as end_step:
                    for task in together:
                        self._score(task, features, found, classifier)
                        end_step()
                first = next((t for t in together if t.metric == "fid"), None)
                if curve and first and found.convergence is None:
                    self._converge(first, features, found, bars)
            for task in tasks:
                if task.metric == "cas" and seed in self._seeds(task):
                    self._train(task, seed, found, bars)

    def _keep(self, about: dict) -> UnfinishedFeatures:
        """Return the place of features that an interruption would lose."""
        self._unfinished.append(UnfinishedFeatures(about, self.cache_dir))
        return self._unfinished[-1]

    def _seeds(self, task: Task) -> tuple[int, ...]:
        return task.protocol.seeds[:1] if self.target.fixed else task.protocol.seeds

    def _reference(self, task: Task, tasks: list[Task], found: TaskResults, bars: Progress) -> None:
        if not task.needs_real:
            return
        with_features = self._needs_features(task, tasks)
        self._measure(self._reference_key(task), self.data_of(task), task, task.selection, with_features, found, bars)
        if task.metric == "ct":
            data = self.held_out_of(task)
            self._measure(self._held_out_key(task), data, task, references.Selection(), True, found, bars)

    def _held_out_key(self, task: Task) -> tuple:
        return "held out", *self._reference_key(task)

    def _measure(self, key, data, task, selection, with_features: bool, found: TaskResults, bars: Progress) -> None:
        """Add the features or statistics of some real images, unless they are there."""
        if key in found.references:
            return
        found.references[key] = references.get(
            data,
            selection,
            self.extractor(task.protocol.resize),
            with_features=with_features,
            batch_size=self.batch_size,
            cache_dir=self.cache_dir,
            timings=found.timings,
            advance=bars.task_of_unknown_length(f"real images, {data}"),
            unfinished=self._keep,
        )
        real = found.references[key]
        if real is not None and data.root is not None and real.about["from"] != "computed":
            where = "in the cache" if real.about["from"] == "cache" else "shipped with the package"
            of = f"{real.about['dataset']} {real.about['split']}"
            print(f"zoo: {data.place} has the images of {of}, whose features are {where}", file=sys.stderr)

    def _classifier(self, tasks: list[Task], found: TaskResults, bars: Progress) -> classwise.FeatureClassifier | None:
        task = next((task for task in tasks if task.metric == "classes"), None)
        if task is None or ranks.rank() != 0:
            return None
        clock = time.perf_counter()
        real = found.references[self._reference_key(task)]
        assert real is not None
        with bars.steps("classifier of real images", {"logistic regression": 1}):
            classifier = classwise.train_classifier(*real.labelled_features)
        found.timings.add("classifier", clock)
        return classifier

    def _passes(self, tasks: list[Task], seed: int) -> dict[tuple, list[Task]]:
        """Tasks that can share one set of samples: same sampling, same resizing, and the same count where the scale of
        one image depends on all."""
        passes: dict[tuple, list[Task]] = {}
        for task in tasks:
            if seed not in self._seeds(task) or not task.needs_extractor:
                continue
            sampling = task.sampling(self.target.config)
            together = task.num_fake if sampling.quantise == "min-max" and not self.target.fixed else 0
            key = (sampling.model_dump_json(), task.protocol.resize, together)
            passes.setdefault(key, []).append(task)
        return passes

    def _sample(self, key: tuple, tasks: list[Task], seed: int, found: TaskResults, bars: Progress) -> Features | None:
        sampling, n = Sampling.model_validate_json(key[0]), max(task.num_fake for task in tasks)
        extractor = self.extractor(tasks[0].protocol.resize)
        layers = tuple(dict.fromkeys(task.layer(extractor) for task in tasks))
        source = self._source(sampling, n, seed, tasks[0])
        about = source.identity() | extractor.identity | {"layers": layers, "batch_size": self.batch_size}
        features = extract(
            source,
            extractor,
            layers,
            self.batch_size,
            timings=found.timings,
            advance=bars.task(f"{self.target.subject.name}, seed {seed}" if not self.target.fixed else "images", n),
            keep_first=_SHEET if found.samples is None else 0,
            unfinished=self._keep(about),
        )
        if features is not None:
            for values in features.layers.values():
                formulas.check_finite(values, self.target.subject.name)
            if found.samples is None:
                found.samples = _in_order_of_class(features)
        return features

    def _source(self, sampling: Sampling, n: int, seed: int, task: Task) -> ImageSource:
        model, images = self.target.model, self.target.images
        if images is None:
            assert model is not None
            return Generated(model, sampling, n, seed, plan.proportions(sampling, self.data_of(task)))
        if n == len(images):
            return images
        chosen = scores.random_indices(len(images), n)
        return images.subset(chosen)

    def _fake(self, task: Task, features: Features) -> Tensor:
        """Return the features of a task's generated images: the first of a seed, or a random choice of given images."""
        values = features.layers[task.layer(self.extractor(task.protocol.resize))]
        if self.target.fixed and task.num_fake < len(values):
            return values[scores.random_indices(len(values), task.num_fake)]
        return values[: task.num_fake]

    def _score(self, task: Task, features: Features, found: TaskResults, classifier) -> None:
        clock = time.perf_counter()
        fake = self._fake(task, features)
        real = found.references[self._reference_key(task)] if task.needs_real else None
        for kind, spread in self._values(task, fake, features, real, found, classifier).items():
            found.values[task].setdefault(kind, []).append(spread)
        found.costs[task.metric] = found.timings.add("metrics", clock) - clock

    def _values(
        self, task: Task, fake: Tensor, features: Features, real, found, classifier
    ) -> dict[str, formulas.Spread]:
        if task.metric == "classes":
            labels, model = features.labels, self.target.model
            assert labels is not None
            assert model is not None
            labels, names = labels[: task.num_fake], model.class_names
            report = classwise.report(fake, labels, real.features, real.labels, names, classifier, model.alignment)
            found.classes = found.classes or report
            return {kind: formulas.Spread(value) for kind, value in report.by_kind.items() if value is not None}
        held_out = found.references.get(self._held_out_key(task)) if task.metric == "ct" else None
        return scores.values(task.settings, fake, real, held_out)

    def _train(self, task: Task, seed: int, found: TaskResults, bars: Progress) -> None:
        """Score a classifier that learns from generated images."""
        clock = time.perf_counter()
        source = self._source(task.sampling(self.target.config), task.num_fake, seed, task)
        made = cas_task.values(
            task,
            self.target,
            source,
            self.held_out_of(task),
            seed=seed,
            batch_size=whole_batches(self.batch_size, source),
            device=self.device,
            bars=bars,
        )
        for kind, spread in made.items():
            found.values[task].setdefault(kind, []).append(spread)
        found.timings.add("classifier", clock)

    def _converge(self, task: Task, features: Features, found: TaskResults, bars: Progress) -> None:
        clock = time.perf_counter()
        fake, real = self._fake(task, features), found.references[self._reference_key(task)]
        assert real is not None
        advance = bars.task("distance against sample count", convergence.POINTS, "")
        found.convergence = convergence.curve(fake, real.statistics, advance=advance)
        found.timings.add("convergence", clock)


_running: list[Scorer] = []


def _say_stopped() -> None:
    for scorer in _running:
        scorer.say_stopped()


before_forced_end(_say_stopped)


def _in_order_of_class(features: Features) -> Tensor | None:
    """Return the first images, ordered by class if there are classes."""
    if features.first is None or features.labels is None:
        return features.first
    return features.first[features.labels[: len(features.first)].argsort(stable=True)]
