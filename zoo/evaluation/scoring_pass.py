"""One pass over the tasks of an evaluation: real images once, then seed after seed, each set of samples once for all.

`Scorer` has checked the tasks, and knows the extractor and the real images.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import Tensor

from ..common import ranks
from ..common.progress import Progress
from ..datasets.catalogue import CATALOGUE
from . import cas_task, plan
from .features import references
from .features.extraction import Features, Timings, extract, whole_batches
from .features.sources import Generated, ImageSource
from .features.unfinished import UnfinishedWork
from .metrics import classwise, convergence, formulas, scores
from .plan import Task
from .protocols.protocol import Sampling

if TYPE_CHECKING:
    from .scorer import Scorer

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


class ScoringPass:
    """The tasks, what is shown and kept while they are worked on, and what was found so far."""

    def __init__(self, scorer: Scorer, tasks: list[Task], bars: Progress, unfinished: UnfinishedWork):
        self.scorer, self.tasks, self.bars, self.unfinished = scorer, tasks, bars, unfinished
        self.target = scorer.target
        self.found = TaskResults(values={task: {} for task in tasks})

    def made(self, curve: bool) -> TaskResults:
        """Measure all; on other ranks than 0 the values are missing.

        Args:
            curve: measure the Frechet distance at growing sample counts, too.
        """
        for task in self.tasks:
            self._reference(task)
        classifier = self._classifier()
        for seed in sorted({seed for task in self.tasks for seed in self._seeds(task)}):
            for key, together in self._passes(seed).items():
                features = self._sample(key, together, seed)
                if features is None:
                    continue
                of_seed = "" if self.target.fixed else f", seed {seed}"
                costs = {task.metric: self.found.costs.get(task.metric, 1.0) for task in together}
                with self.bars.steps(f"{self.target.subject.name}{of_seed}, metrics", costs) as end_step:
                    for task in together:
                        self._score(task, features, classifier)
                        end_step()
                first = next((t for t in together if t.metric == "fid"), None)
                if curve and first and self.found.convergence is None:
                    self._converge(first, features)
            for task in self.tasks:
                if task.metric == "cas" and seed in self._seeds(task):
                    self._train(task, seed)
        return self.found

    def _seeds(self, task: Task) -> tuple[int, ...]:
        return task.protocol.seeds[:1] if self.target.fixed else task.protocol.seeds

    def _reference(self, task: Task) -> None:
        if not task.needs_real:
            return
        with_features = self.scorer.needs_features(task, self.tasks)
        self._measure(self.scorer.reference_key(task), self.scorer.data_of(task), task, task.selection, with_features)
        if task.metric == "ct":
            data = self.scorer.held_out_of(task)
            self._measure(self._held_out_key(task), data, task, references.Selection(), True)

    def _held_out_key(self, task: Task) -> tuple:
        return "held out", *self.scorer.reference_key(task)

    def _measure(self, key: tuple, data: references.ReferenceData, task: Task, selection, with_features: bool) -> None:
        """Add the features or statistics of some real images, unless they are there."""
        if key in self.found.references:
            return
        self.found.references[key] = references.get(
            data,
            selection,
            self.scorer.extractor(task.protocol.resize),
            with_features=with_features,
            batch_size=self.scorer.batch_size,
            cache_dir=self.scorer.cache_dir,
            timings=self.found.timings,
            advance=self.bars.task_of_unknown_length(f"real images, {data}"),
            unfinished=self.unfinished.of,
        )
        real = self.found.references[key]
        if real is None or data.root is None or real.about["dataset"] not in CATALOGUE:
            return
        if real.about["from"] != "computed":
            where = "in the cache" if real.about["from"] == "cache" else "shipped with the package"
            of = f"{real.about['dataset']} {real.about['split']}"
            print(f"zoo: {data.place} has the images of {of}, whose features are {where}", file=sys.stderr)

    def _classifier(self) -> classwise.FeatureClassifier | None:
        task = next((task for task in self.tasks if task.metric == "classes"), None)
        if task is None or ranks.rank() != 0:
            return None
        clock = time.perf_counter()
        real = self.found.references[self.scorer.reference_key(task)]
        assert real is not None
        with self.bars.steps("classifier of real images", {"logistic regression": 1}):
            classifier = classwise.train_classifier(*real.labelled_features)
        self.found.timings.add("classifier", clock)
        return classifier

    def _passes(self, seed: int) -> dict[tuple, list[Task]]:
        """Tasks that can share one set of samples: same sampling, same resizing, and the same count where the scale of
        one image depends on all."""
        passes: dict[tuple, list[Task]] = {}
        for task in self.tasks:
            if seed not in self._seeds(task) or not task.needs_extractor:
                continue
            sampling = task.sampling(self.target.config)
            together = task.num_fake if sampling.quantise == "min-max" and not self.target.fixed else 0
            key = (sampling.model_dump_json(), task.protocol.resize, together)
            passes.setdefault(key, []).append(task)
        return passes

    def _sample(self, key: tuple, tasks: list[Task], seed: int) -> Features | None:
        sampling, n = Sampling.model_validate_json(key[0]), max(task.num_fake for task in tasks)
        extractor = self.scorer.extractor(tasks[0].protocol.resize)
        layers = tuple(dict.fromkeys(task.layer(extractor) for task in tasks))
        source = self._source(sampling, n, seed, tasks[0])
        about = source.identity() | extractor.identity | {"layers": layers, "batch_size": self.scorer.batch_size}
        title = "images" if self.target.fixed else f"{self.target.subject.name}, seed {seed}"
        features = extract(
            source,
            extractor,
            layers,
            self.scorer.batch_size,
            timings=self.found.timings,
            advance=self.bars.task(title, n),
            keep_first=_SHEET if self.found.samples is None else 0,
            unfinished=self.unfinished.of(about),
        )
        if features is not None:
            for values in features.layers.values():
                formulas.check_finite(values, self.target.subject.name)
            if self.found.samples is None:
                self.found.samples = _in_order_of_class(features)
        return features

    def _source(self, sampling: Sampling, n: int, seed: int, task: Task) -> ImageSource:
        model, images = self.target.model, self.target.images
        if images is None:
            assert model is not None
            return Generated(model, sampling, n, seed, plan.proportions(sampling, self.scorer.data_of(task)))
        if n == len(images):
            return images
        chosen = scores.random_indices(len(images), n)
        return images.subset(chosen)

    def _fake(self, task: Task, features: Features) -> Tensor:
        """Return the features of a task's generated images: the first of a seed, or a random choice of given images."""
        values = features.layers[task.layer(self.scorer.extractor(task.protocol.resize))]
        if self.target.fixed and task.num_fake < len(values):
            return values[scores.random_indices(len(values), task.num_fake)]
        return values[: task.num_fake]

    def _score(self, task: Task, features: Features, classifier) -> None:
        clock = time.perf_counter()
        fake = self._fake(task, features)
        real = self.found.references[self.scorer.reference_key(task)] if task.needs_real else None
        for kind, spread in self._values(task, fake, features, real, classifier).items():
            self.found.values[task].setdefault(kind, []).append(spread)
        self.found.costs[task.metric] = self.found.timings.add("metrics", clock) - clock

    def _values(self, task: Task, fake: Tensor, features: Features, real, classifier) -> dict[str, formulas.Spread]:
        if task.metric == "classes":
            labels, model = features.labels, self.target.model
            assert labels is not None
            assert model is not None
            labels, names = labels[: task.num_fake], model.class_names
            report = classwise.report(fake, labels, real.features, real.labels, names, classifier, model.alignment)
            self.found.classes = self.found.classes or report
            return {kind: formulas.Spread(value) for kind, value in report.by_kind.items() if value is not None}
        held_out = self.found.references.get(self._held_out_key(task)) if task.metric == "ct" else None
        return scores.values(task.settings, fake, real, held_out)

    def _train(self, task: Task, seed: int) -> None:
        """Score a classifier that learns from generated images."""
        clock = time.perf_counter()
        source = self._source(task.sampling(self.target.config), task.num_fake, seed, task)
        made = cas_task.values(
            task,
            self.target,
            source,
            self.scorer.held_out_of(task),
            seed=seed,
            batch_size=whole_batches(self.scorer.batch_size, source),
            device=self.scorer.device,
            bars=self.bars,
        )
        for kind, spread in made.items():
            self.found.values[task].setdefault(kind, []).append(spread)
        self.found.timings.add("classifier", clock)

    def _converge(self, task: Task, features: Features) -> None:
        clock = time.perf_counter()
        fake, real = self._fake(task, features), self.found.references[self.scorer.reference_key(task)]
        assert real is not None
        advance = self.bars.task("distance against sample count", convergence.POINTS, "")
        self.found.convergence = convergence.curve(fake, real.statistics, advance=advance)
        self.found.timings.add("convergence", clock)


def _in_order_of_class(features: Features) -> Tensor | None:
    """Return the first images, ordered by class if there are classes."""
    if features.first is None or features.labels is None:
        return features.first
    return features.first[features.labels[: len(features.first)].argsort(stable=True)]
