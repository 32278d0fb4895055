"""`zoo.evaluate`: scores of a model or of images against real ones."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ..common import ranks
from ..common.devices import rank_device
from ..common.errors import UsageError, ZooError
from ..common.numbers import whole
from ..common.progress import ProgressCallback
from ..datasets.catalogue import CATALOGUE
from ..sampling import latents
from . import defaults
from .features import extractors, references
from .features.extractor import Extractor
from .names import C_T_OF_COPIES, INCEPTION
from .plan import Task, tasks_of
from .protocols import published
from .protocols.protocol import CAS, Protocol
from .report.environment import machine
from .report.report import Extraction, Report, Result
from .scorer import Scorer, TaskResults
from .targets import Target, check_names, data_for, data_of_file, open_target

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..datasets import Dataset
    from ..sampling.gan import GAN
    from ..sampling.images import Images


_MOST_SEEDS = 10_000
_NOTE_ON_COPIES = (
    "far below 0: the images lie nearer to training images than unseen real ones do. Copies do that, and so do images "
    "that crowd where training images are dense; where AuthPct is not below that of real test images (zoo panel has "
    "both), copying is not shown"
)


def evaluate(
    source: str | os.PathLike | GAN | Images | Dataset | Tensor | np.ndarray | Target,
    metrics: Sequence[str] | None = None,
    *,
    extractor: str | None = None,
    protocol: str | Protocol = "clean",
    data: Any = None,
    split: str | None = None,
    held_out: Any = None,
    reference: str | os.PathLike | None = None,
    num_real: int | None = None,
    num_fake: int | None = None,
    seeds: int | Sequence[int] | None = None,
    labels: str | None = None,
    curve: bool = False,
    weights: str = "default",
    inception_weights: str | os.PathLike | None = None,
    device: str = "auto",
    dtype: str | None = None,
    batch_size: int | None = None,
    cache_dir: str | os.PathLike | None = None,
    progress: bool | ProgressCallback = False,
    resolution: int | None = None,
) -> Report:
    """Score a model, or existing images, against real images.

    A model's images stream from the generator into the extractor on one device, without files and with no more in
    memory than a batch and the features. The same seeds give the same images as `zoo.load(name).sample`. Under torchrun
    the work is shared and every rank returns the same report.

    Args:
        source: a model's name (with @tag), an exported folder, a GAN; or images: `Images`, uint8 (N, 3, H, W) or
            (N, H, W, 3), a folder of pictures, an archive of one, an .npz of `zoo sample`, one split of any of these
            ("photographs:test"), "cifar10:test", a `zoo.datasets.Dataset`.
        metrics: of "fid", "kid", "is", "pr" (precision and recall), "dc" (density and coverage), "prd" (F_8 and F_1/8),
            "mind", "cmmd", "authpct" and "ct" (copies of training images), "cas" (a classifier trained on them) and
            "classes" (accuracy and distances by class); None for those of the first four that the protocol and the real
            images here allow.
        extractor: "inception" (FID, KID and IS), "efficientnet-lite0" or "efficientnet-lite2" (offline; FD, KD and CS),
            "dinov2-vit-l-14" (FD-DINOv2), or another that torch-fidelity has; None for the protocol's,
            but efficientnet-lite0 in place of an Inception whose weights are not on this machine.
        protocol: a name in `zoo.evaluation.PROTOCOLS`, "published" (the one behind the model's published FID), or a
            Protocol.
        data: the real images: None for the model's training data; a data set's name; the path of a folder, an archive
            or an .npz; a `zoo.datasets.Dataset`.
        split: of the real images; None for the protocol's.
        held_out: as `data`, real images that the model has not seen, for "ct" and "cas"; None for another split.
        reference: a file of `zoo reference make`, edm2, edm or dgm-eval, instead of the real images themselves.
        num_real, num_fake: other counts than the protocol's; num_fake goes for both with data that are drawn at
            random (Stacked MNIST). A score of fewer images than features carries a warning.
        seeds: other seeds than the protocol's; a number n stands for 0 ... n - 1.
        labels: "uniform" or "data": classes drawn evenly, or as often as in the real images; None for the protocol's.
        curve: measure the Frechet distance at 15 sample counts and extrapolate (arXiv 1911.07023). KID is unbiased and
            needs none.
        weights: "default", a tag, "random", or a .safetensors file.
        inception_weights: torch-fidelity's file, where it is not in torch.hub's folder and cannot be downloaded.
        device: "auto", "cpu", "cuda", ...
        dtype: precision of a named model: "float32" (default), "bfloat16" or "float16", which are not exact.
        batch_size: images at a time, rounded up to a multiple of 64 (default 64, on CUDA 256); does not change a score
            beyond rounding.
        cache_dir: default $ZOO_CACHE, else ~/.cache/contrastive-gan-zoo.
        progress: show bars with the time left; or a function of (title, done, total), called after each batch.
        resolution: prepare the pictures of `source` as those of `data` are, cropped and resized to this side; None
            takes them as they are, square and of one size.

    Raises:
        ZooError: the scores cannot be measured: weights or data that are not available offline, counts that do not
            allow the metric, a class without images (before sampling where possible); or images with NaN values.
    """
    if metrics is not None and (isinstance(metrics, str) or not isinstance(metrics, Iterable)):
        raise ZooError(f'metrics is a list of names, such as ("{metrics if isinstance(metrics, str) else "fid"}",)')
    metrics = None if metrics is None else tuple(metrics)
    if metrics == ():
        raise UsageError("no metric is named; name one or more, such as fid, or leave them out for the default")
    ranks.start()
    extractors.require_fidelity()
    needed = metrics is None or any(metric != "cas" for metric in metrics)
    check_names(source, weights, data, split)
    wanted_extractor = extractor or (INCEPTION if protocol == "published" else published.find(protocol).extractor)
    if extractor is not None:
        extractors.check_name(extractor)
    else:
        extractor = defaults.extractor_for(wanted_extractor, (defaults.OFFLINE,), inception_weights)
    if extractor == INCEPTION and needed:  # without it there is no score, so ask before anything is loaded
        from .features import inception

        inception.locate(inception_weights)
    num_real, num_fake = (
        None if value is None else whole(name, value, 1)
        for name, value in (("num_real", num_real), ("num_fake", num_fake))
    )
    where, shown = rank_device(device), progress if callable(progress) else progress and ranks.rank() == 0
    target = open_target(
        source,
        weights=weights,
        device=where,
        dtype=dtype,
        cache_dir=cache_dir,
        resolution=resolution,
        progress=shown,
    )
    if needed:
        defaults.announce(wanted_extractor, extractor)
    chosen = _protocol(protocol, target)
    if reference is not None and any(given is not None for given in (data, split, num_real)):
        raise ZooError("a reference file stands for the real images; leave out what else says which they are")
    if reference is None:
        real = replace(data_for(target, data, split), progress=shown)
    else:
        real = data_of_file(target, reference)
    entry = CATALOGUE.get(real.dataset)
    if num_real is None and real.file is None and entry and entry.drawn:
        num_real = num_fake
    changes = {"num_real": num_real, "num_fake": num_fake, "seeds": _seeds(seeds), "labels": labels}
    try:
        chosen = chosen.updated(**{key: value for key, value in changes.items() if value is not None})
    except ValueError as error:
        raise ZooError(f"these counts, seeds or labels are refused: {_first_problem(error)}") from None
    scorer = Scorer(
        target,
        extractor,
        real,
        inception_weights=inception_weights,
        device=device,
        batch_size=batch_size,
        cache_dir=cache_dir,
        held_out=None if held_out is None else replace(data_for(target, held_out, None), progress=shown),
    )
    few = num_fake is not None or num_real is not None
    wanted = defaults.metrics(chosen, scorer, few) if metrics is None else tuple(metrics)
    tasks = scorer.check(tasks_of(chosen, wanted, chosen=few))
    return report_of(scorer, tasks, scorer.run(tasks, curve=curve, progress=progress))


def _protocol(protocol: str | Protocol, target: Target) -> Protocol:
    if protocol != "published":
        return published.find(protocol)
    config = target.config
    scores = config.published if config else ()
    tagged = [s for s in scores if s.metric == "FID" and s.tag == target.subject.tag] or [
        s for s in scores if s.metric == "FID" and s.tag is None and not s.settings
    ]
    found = next((p for s in tagged if (p := published.of_score(s, config))), None) if config else None
    if found is None:
        raise ZooError(f"no protocol of a published FID of {target.subject.name} is known; use --protocol clean")
    return found


def _seeds(seeds: Any) -> tuple[int, ...] | None:
    """Return the seeds that an integer n (0 ... n - 1) or a sequence stands for; None for None."""
    if seeds is None:
        return None
    items = seeds.tolist() if hasattr(seeds, "tolist") else seeds
    if hasattr(items, "__iter__") and not isinstance(items, str):
        return tuple(latents.check_seed(item) for item in items)
    return tuple(range(whole("seeds", items, 1, _MOST_SEEDS)))


def _first_problem(error: ValueError) -> str:
    details = error.errors() if isinstance(error, ValidationError) else []
    return "; ".join(f"{'.'.join(map(str, d['loc']))}: {d['msg']}, got {d['input']!r}" for d in details[:2]) or str(
        error
    )


def results_of(scorer: Scorer, task: Task, found: TaskResults) -> list[Result]:
    """Return the results of one task, with mean and standard deviation over its seeds."""
    import numpy as np

    label = task.settings.network if isinstance(task.settings, CAS) else scorer.extractor(task.protocol.resize).label
    results = []
    for kind, spreads in found.values[task].items():
        values = [spread.value for spread in spreads]
        name = extractors.metric_name(kind, label)
        results.append(
            Result(
                metric=name,
                kind=kind,
                value=float(np.mean(values)),
                std=float(np.std(values)) if len(values) > 1 else None,
                per_seed=tuple(values),
                spread=spreads[0].std,
                num_real=task.num_real or None,
                num_fake=task.num_fake,
                split=_split(scorer, task),
                protocol=task.protocol.name,
                settings=_settings(scorer, task),
                note=_NOTE_ON_COPIES if kind == "c_t" and np.mean(values) < C_T_OF_COPIES else None,
            )
        )
    return results


def _split(scorer: Scorer, task: Task) -> str | None:
    if task.metric == "cas":
        return scorer.held_out_of(task).split
    return scorer.data_of(task).split if task.needs_real else None


def _settings(scorer: Scorer, task: Task) -> dict[str, Any]:
    settings = task.settings.model_dump(mode="json", exclude={"num_real", "num_fake", "max_count"})
    if scorer.target.fixed:
        del settings["sampling"]
    else:
        settings["sampling"] = task.sampling(scorer.target.config).model_dump(mode="json", exclude_defaults=True)
        settings["seeds"] = list(task.protocol.seeds)
    if task.metric == "cas":
        held_out = scorer.held_out_of(task)
        settings["tested on"] = f"{held_out}, checksum {references.checksum(held_out.loaded)[:16]}"
        settings["flips"] = bool(scorer.target.config and scorer.target.config.data.flip)
    return settings | ({"selection": task.protocol.selection} if task.needs_real else {})


def _extraction(loaded: list[Extractor]) -> Extraction:
    if not loaded:  # of a classifier that is trained on the images
        return Extraction(name="none", weights="none", sha256="", official=True, preprocessing=())
    extractor = loaded[0]
    return Extraction(
        name=extractor.name,
        weights=extractor.weights,
        sha256=extractor.sha256,
        official=extractor.official,
        preprocessing=tuple(e.preprocessing for e in loaded),
    )


def report_of(scorer: Scorer, tasks: list[Task], found: TaskResults | None) -> Report:
    """Make the report, the same on every rank."""
    text = None
    if found is not None:
        clean = published.PROTOCOLS["clean"]
        used = {task.protocol.name: task.protocol for task in reversed(tasks)}
        differences = {
            line if task.protocol.name == "clean" else f"{task.protocol.name}, {line}": None
            for task in tasks
            for line in task.protocol.differences(clean, ("fid",) if task.metric == "classes" else (task.metric,))
            if not scorer.target.fixed or ".sampling." not in line
        }
        used_references = [reference for reference in found.references.values() if reference is not None]
        cached = [reference.warnings for reference in used_references]
        report = Report(
            subject=scorer.target.subject,
            results=tuple(result for task in tasks for result in results_of(scorer, task, found)),
            protocols=tuple(reversed(used.values())),
            differences=tuple(differences),
            references=tuple(reference.about for reference in used_references),
            extractor=_extraction(scorer.loaded_extractors),
            classes=found.classes,
            convergence=found.convergence,
            warnings=tuple(dict.fromkeys(w for ws in (*(t.warnings for t in tasks), *cached) for w in ws)),
            environment=machine(str(scorer.device)),
            seconds={part: round(taken, 3) for part, taken in found.timings.seconds.items()},
        )
        text = report.to_json()
    report = Report.model_validate_json(ranks.from_first(text))
    return report.with_samples(found.samples if found is not None else None)
