"""How published scores were measured, as data: counts, splits, seeds, quantisation, batch norm, resizing.

A score belongs to its protocol. `PROTOCOLS` holds those behind the scores in `hub_configs`, quirks included, and
`clean`, which has none and is the default for weights of this repository. `Protocol.differences` says what sets two
apart. Sources: appendix A.3 of InfoMax-GAN (arXiv 2007.04589); section 4.3 of ContraGAN (arXiv 2006.12681);
torch_mimicry/metrics at a7fda06; PyTorch-StudioGAN's README, src/metrics and src/utils/misc.py at 26f7b7f and 947b35e.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from ..architecture import Part
from ..config import Measured, ModelConfig, Score
from ..errors import ZooError

METRICS = ("fid", "kid", "is", "pr")
_NOT_SETTINGS = ("name", "title", "source", "published_in", "datasets", "quirks", "doubts")


class Sampling(Part):
    """How a generator's output becomes the images that are measured."""

    # fixed: [-1, 1] to 0 ... 255, rounded. min-max: by the smallest and largest value found, over all images or over
    # each batch, rounded (Mimicry). none: the fixed scale without rounding (StudioGAN, 2020 and 2021).
    quantise: Literal["fixed", "min-max", "min-max-batch", "none"] = "fixed"
    # running: evaluation mode. batch: statistics of each batch. standing: running statistics collected anew.
    batch_norm: Literal["running", "batch", "standing"] = "running"
    batch_size: PositiveInt | Literal["training"] | None = None  # images that share statistics, or a smallest value
    labels: Literal["uniform", "data"] = "uniform"  # drawn evenly, or in the proportions of the real images
    truncation: PositiveFloat | None = None

    @model_validator(mode="after")
    def _batch_size_where_it_matters(self):
        matters = self.batch_norm != "running" or self.quantise == "min-max-batch"
        if matters != (self.batch_size is not None):
            raise ValueError("batch_size belongs to batch or standing statistics and to min-max-batch, and only there")
        return self


class FID(Part):
    num_real: PositiveInt | None = None  # None = the whole split
    num_fake: PositiveInt = 50_000
    sampling: Sampling = Sampling()


class KID(Part):
    num_real: PositiveInt | None = None
    num_fake: PositiveInt = 50_000
    subsets: PositiveInt = 100
    subset_size: PositiveInt = 1000
    sampling: Sampling = Sampling()


class IS(Part):
    num_fake: PositiveInt = 50_000
    splits: PositiveInt = 10
    shuffle: bool = True
    logits: Literal["with-bias", "without-bias"] = "without-bias"  # of Inception's last layer
    sampling: Sampling = Sampling()


class PrecisionRecall(Part):
    """As many real as generated images, so that neither side's neighbourhoods are the wider ones by count alone."""

    max_count: PositiveInt = 10_000
    neighbours: PositiveInt = 3
    sampling: Sampling = Sampling()


class Doubt(Part):
    """A published row whose stated protocol is probably not the one it was measured with."""

    metric: str
    dataset: str
    resolution: PositiveInt
    num_fake: PositiveInt  # what it was probably measured with
    why: str


class Protocol(Part):
    """What has to be the same for two scores to be compared."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    title: str
    source: str
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0, 1, 2)  # the score is the mean over these
    splits: dict[str, str] = {}  # data set -> split of the real images; others: the split the model was trained on
    selection: Literal["random", "balanced"] = "random"  # which real images, where not all; balanced: as many a class
    resize: Literal["tensorflow", "bilinear", "pillow"] = "tensorflow"  # how images reach Inception's 299x299
    fid: FID | None = None
    kid: KID | None = None
    isc: IS | None = None
    pr: PrecisionRecall | None = None
    published_in: tuple[str, ...] = ()  # how the `source` of the scores that were measured so begins
    datasets: tuple[str, ...] = ()  # the data sets it is for; empty = any
    quirks: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(metric for metric in METRICS if self.settings(metric) is not None)

    def settings(self, metric: str) -> FID | KID | IS | PrecisionRecall | None:
        """The settings of "fid", "kid", "is" or "pr"; None where the protocol has no such metric."""
        return getattr(self, "isc" if metric == "is" else metric)

    def split(self, dataset: str, trained_on: str) -> str:
        return self.splits.get(dataset, trained_on)

    def updated(self, **changes: Any) -> Protocol:
        """A checked copy; a change to `num_real`, `num_fake` or a field of Sampling goes to every metric.

        Precision and recall take as many images as `num_fake` says where that is fewer than they take by themselves.
        """
        data = self.model_dump()
        own = {key: value for key, value in changes.items() if key in data}
        everywhere = {key: value for key, value in changes.items() if key not in data}
        for metric in ("fid", "kid", "isc", "pr"):
            if data[metric] is not None:
                for key, value in everywhere.items():
                    if metric == "pr" and key == "num_fake":
                        data[metric]["max_count"] = min(value, data[metric]["max_count"])
                    elif key in data[metric]:
                        data[metric][key] = value
                    elif key in data[metric]["sampling"]:
                        data[metric]["sampling"][key] = value
        return Protocol.model_validate(data | own)

    def differences(self, other: Protocol, metrics: tuple[str, ...] = METRICS) -> tuple[str, ...]:
        """What differs in the settings of these metrics, such as "fid.num_fake: 10000, not 50000"."""
        kept = [m for m in metrics if self.settings(m) is not None and other.settings(m) is not None]
        mine, theirs = (dict(_flat(_settings(protocol, kept))) for protocol in (self, other))
        return tuple(
            f"{key}: {_told(mine.get(key))}, not {_told(theirs.get(key))}"
            for key in sorted({*mine, *theirs})
            if mine.get(key) != theirs.get(key)
        )


def _settings(protocol: Protocol, metrics: list[str]) -> dict[str, Any]:
    chosen = {metric: protocol.settings(metric).model_dump() for metric in metrics}
    unrelated = (*_NOT_SETTINGS, "fid", "kid", "isc", "pr")
    return {key: value for key, value in protocol.model_dump().items() if key not in unrelated} | chosen


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else key)
    else:
        yield path, value


def _told(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(str, value))})"
    return "the default" if value is None else str(value)


# ------------------------------------------------------------------------------------------------------ the table

_MIN_MAX = Sampling(quantise="min-max")
_SMALL = ("cifar10", "cifar100", "tiny-imagenet")
_UNROUNDED = Sampling(quantise="none", batch_norm="batch", batch_size="training")
_STANDING = Sampling(quantise="none", batch_norm="standing", batch_size="training")
_STANDING_ROUNDED = Sampling(batch_norm="standing", batch_size="training")

_CLEAN = Protocol(
    name="clean",
    title="Fixed scale, evaluation mode, torch-fidelity's settings",
    source="this repository",
    fid=FID(),
    kid=KID(),
    isc=IS(),
    pr=PrecisionRecall(),
)
_MIMICRY = Protocol(
    name="mimicry",
    title="Mimicry's README: 50K real and 50K generated images, three seeds",
    source="kwotsin/mimicry a7fda06: README.md (Metrics) and torch_mimicry/metrics",
    published_in=("Mimicry README",),
    fid=FID(num_real=50_000, sampling=_MIN_MAX),
    kid=KID(num_real=50_000, subsets=10, subset_size=5000, sampling=_MIN_MAX),
    isc=IS(shuffle=False, sampling=Sampling(quantise="min-max-batch", batch_norm="batch", batch_size=50)),
    splits={"stl10": "unlabeled"},
    selection="balanced",
    quirks=(
        "Generated images are scaled by the smallest and largest value found, over all images for FID and KID and "
        "over each batch of 50 for IS, not by the fixed range [-1, 1].",
        "The IS routine leaves the generator in training mode: batch statistics of 50 images.",
        "The spread is the population standard deviation over seeds; that over IS splits and KID subsets is dropped.",
        "Original scores come from TensorFlow's Inception graph of 2015-12-05; torch-fidelity's is a port of it.",
        "Which real images were drawn, where not all, is not known; here they are drawn from a seed.",
    ),
    doubts=(
        Doubt(
            metric="fid",
            dataset="imagenet",
            resolution=128,
            num_fake=10_000,
            why="the three ImageNet 128 FIDs equal the paper's 10K figures to the last digit, though the README says "
            "50K for its tables; in the other twelve rows of Table 1 the two differ",
        ),
    ),
)
_CONTRAGAN = Protocol(
    name="contragan",
    title="ContraGAN's tables: 10K real images of the test or validation split, 10K generated",
    source="arXiv 2006.12681, section 4.3; PyTorch-StudioGAN at 27e951d and 26f7b7f for what the paper leaves open",
    published_in=("ContraGAN",),
    datasets=_SMALL,
    seeds=(0,),
    splits={"cifar10": "test", "cifar100": "test", "tiny-imagenet": "valid"},
    resize="bilinear",
    fid=FID(num_real=10_000, num_fake=10_000, sampling=_UNROUNDED),
    quirks=(
        "Images go into Inception unrounded, resized by PyTorch's bilinear interpolation.",
        "Batch statistics of training-sized batches; the code's default changed six times between September 2020 and "
        "May 2021, and which one belongs to a row is inferred from dates.",
        "Tiny ImageNet rows are the best of the evaluations during training; spreads are over training runs.",
    ),
)
_STUDIOGAN_2021 = _CONTRAGAN.model_copy(
    update={
        "name": "studiogan-2021",
        "title": "PyTorch-StudioGAN's README of November 2021",
        "source": "POSTECH-CVLab/PyTorch-StudioGAN 26f7b7f: README.md and src/metrics",
        "published_in": ("PyTorch-StudioGAN README, 26f7b7f",),
        "isc": IS(num_fake=10_000, splits=1, shuffle=False, logits="with-bias", sampling=_UNROUNDED),
        "quirks": (
            *_CONTRAGAN.quirks[:2],
            "Each row is one run at the best of its evaluations every 2,000 steps, without a spread.",
            "IS is one split over all images, softmax over 1,008 outputs with bias.",
            "F_1/8 and F_8 (precision and recall of Sajjadi et al.) are not among torch-fidelity's metrics.",
            "Tiny ImageNet, WGAN-WC and WGAN-GP: the README's two rows are swapped according to the training logs; "
            "the configs follow the logs.",
        ),
    }
)
_STUDIOGAN_2023 = Protocol(
    name="studiogan-2023",
    title="PyTorch-StudioGAN's README of 2023: the training split, 50K generated images rounded to 8 bits",
    source="POSTECH-CVLab/PyTorch-StudioGAN 947b35e: README.md, src/utils/resize.py and src/metrics",
    seeds=(0,),
    splits=dict.fromkeys((*_SMALL, "imagenet"), "train"),
    resize="pillow",
    fid=FID(sampling=_STANDING_ROUNDED),
    isc=IS(splits=1, shuffle=False, logits="with-bias", sampling=_STANDING_ROUNDED),
    quirks=(
        "Batch norm statistics are collected anew from random batches; the README leaves their number and size open.",
        "Its scores were published as a picture and are not in the configs.",
    ),
)

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        _CLEAN,
        _MIMICRY,
        _MIMICRY.model_copy(
            update={
                "name": "infomax-gan",
                "title": "InfoMax-GAN's tables: FID of 10K generated images, KID and IS of 50K, three seeds",
                "source": "arXiv 2007.04589, appendix A.3; Mimicry's code for what the paper leaves open",
                "published_in": ("InfoMax-GAN",),
                "fid": FID(num_real=50_000, num_fake=10_000, sampling=_MIN_MAX),
                "doubts": (),
            }
        ),
        _CONTRAGAN,
        _STUDIOGAN_2021,
        _STUDIOGAN_2021.model_copy(
            update={
                "name": "studiogan-2021-imagenet",
                "title": "PyTorch-StudioGAN's README of November 2021, ImageNet",
                "datasets": ("imagenet",),
                "splits": {"imagenet": "valid"},
                "fid": FID(num_real=50_000, num_fake=50_000, sampling=_STANDING),
                "isc": IS(splits=1, shuffle=False, logits="with-bias", sampling=_STANDING),
                "quirks": (
                    _CONTRAGAN.quirks[0],
                    "Batch norm statistics are collected anew from random batches; the README leaves their number and "
                    "size open, and scores logged during training follow the default of their date.",
                    *_STUDIOGAN_2021.quirks[1:4],
                    "ContraGAN: the FID is from the evaluation during training, IS and F from a second one of the "
                    "same step, whose FID is 25.405.",
                ),
            }
        ),
        _STUDIOGAN_2023,
    )
}


def find(protocol: str | Protocol) -> Protocol:
    """The protocol of a name; raises ZooError with the choice."""
    if isinstance(protocol, Protocol):
        return protocol
    if protocol not in PROTOCOLS:
        raise ZooError(f'no protocol is called "{protocol}"; there are {", ".join(PROTOCOLS)}, and published')
    return PROTOCOLS[protocol]


def of_score(score: Score, config: ModelConfig) -> Protocol | None:
    """The protocol that a score was measured with, in its own counts and split; None if it is not one of these."""
    if isinstance(score, Measured):
        protocol = PROTOCOLS.get(score.protocol)
    else:
        dataset = config.data.dataset
        fits = (
            p
            for p in PROTOCOLS.values()
            if score.source.startswith(p.published_in or ("\0",)) and (not p.datasets or dataset in p.datasets)
        )
        protocol = next(fits, None)
    if protocol is None:
        return None
    # Precision and recall take a part of the real images of the split, so their count is not the split's.
    stated = ("num_fake",) if score.metric.startswith(("precision", "recall")) else ("num_real", "num_fake")
    counts = {key: value for key in stated if (value := getattr(score, key)) is not None}
    if doubt := doubt_about(score, config, protocol):
        counts["num_fake"] = doubt.num_fake
    if score.split:
        counts["splits"] = {config.data.dataset: score.split}
    if isinstance(score, Measured):
        counts["seeds"] = tuple(range(score.seeds))
    return protocol.updated(**counts)


def doubt_about(score: Score, config: ModelConfig, protocol: Protocol) -> Doubt | None:
    """What is doubtful about the counts that a published score states."""
    where = (score.metric.lower(), config.data.dataset, config.data.resolution)
    return next((d for d in protocol.doubts if (d.metric, d.dataset, d.resolution) == where), None)
