"""What a protocol is: counts, splits, seeds, quantisation, batch norm, resizing; and what sets two apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from ...schema.architecture import ConfigPart
from .. import names

METRICS = tuple(metric for metric in names.METRICS if metric != "classes")  # `classes` has the settings of fid
_NOT_SETTINGS = ("name", "title", "source", "extractor", "published_in", "datasets", "quirks", "doubts")


class Sampling(ConfigPart):
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


class FID(ConfigPart):
    num_real: PositiveInt | None = None  # None = the whole split
    num_fake: PositiveInt = 50_000
    sampling: Sampling = Sampling()


class KID(ConfigPart):
    num_real: PositiveInt | None = None
    num_fake: PositiveInt = 50_000
    subsets: PositiveInt = 100
    subset_size: PositiveInt = 1000
    sampling: Sampling = Sampling()


class IS(ConfigPart):
    num_fake: PositiveInt = 50_000
    splits: PositiveInt = 10
    shuffle: bool = True
    logits: Literal["with-bias", "without-bias"] = "without-bias"  # of Inception's last layer
    sampling: Sampling = Sampling()


class EqualCounts(ConfigPart):
    """As many real as generated images, at most so many: neither side is the denser one by count alone."""

    max_count: PositiveInt = 10_000
    sampling: Sampling = Sampling()


class PrecisionRecall(EqualCounts):
    neighbours: PositiveInt = 3


class DensityCoverage(EqualCounts):
    neighbours: PositiveInt = 5  # of the paper and of StudioGAN


class PRD(EqualCounts):
    """Precision and recall of distributions, as F_8 and F_1/8."""

    clusters: PositiveInt = 20
    runs: PositiveInt = 10


class MIND(EqualCounts):
    max_count: PositiveInt = 5_000
    projections: PositiveInt = 1000


class CMMD(EqualCounts):
    """The discrepancy of embeddings under a Gaussian kernel."""


class AuthPct(ConfigPart):
    num_real: PositiveInt | None = None
    num_fake: PositiveInt = 10_000
    sampling: Sampling = Sampling()


class CT(AuthPct):
    """Beside the training images, it takes all held-out ones that there are."""

    cells: PositiveInt = 3
    components: PositiveInt = 64
    smallest_cell: PositiveInt = 20


class CAS(ConfigPart):
    """A classifier trained on generated images, tested on all held-out real ones."""

    num_fake: PositiveInt = 50_000
    network: Literal["resnet20", "resnet50"] = "resnet20"
    epochs: PositiveInt = 20
    batch_size: PositiveInt = 128
    learning_rate: PositiveFloat = 0.1
    sampling: Sampling = Sampling()


Settings = FID | KID | IS | EqualCounts | AuthPct | CAS


class Doubt(ConfigPart):
    """A published row whose stated protocol is probably not the one it was measured with."""

    metric: str
    dataset: str
    resolution: PositiveInt
    num_fake: PositiveInt  # what it was probably measured with
    why: str


class Protocol(ConfigPart):
    """What has to be the same for two scores to be compared."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    title: str
    source: str
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0, 1, 2)  # the score is the mean over these
    splits: dict[str, str] = {}  # data set -> split of the real images; others: the split the model was trained on
    selection: Literal["random", "balanced"] = "random"  # which real images, where not all; balanced: as many a class
    extractor: str = names.INCEPTION  # where none is asked for
    # how images reach the extractor's size, where it knows this way; else in its usual way
    resize: Literal["tensorflow", "bilinear", "pillow", "bicubic", "pillow-bicubic"] = "tensorflow"
    fid: FID | None = None
    kid: KID | None = None
    isc: IS | None = None
    pr: PrecisionRecall | None = None
    dc: DensityCoverage | None = None
    prd: PRD | None = None
    mind: MIND | None = None
    cmmd: CMMD | None = None
    authpct: AuthPct | None = None
    ct: CT | None = None
    cas: CAS | None = None
    published_in: tuple[str, ...] = ()  # how the `source` of the scores that were measured so begins
    datasets: tuple[str, ...] = ()  # the data sets it is for; empty = any
    quirks: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(metric for metric in METRICS if self.settings(metric) is not None)

    def settings(self, metric: str) -> Settings | None:
        """The settings of one of `METRICS`; None where the protocol has no such metric."""
        return getattr(self, _field(metric))

    def split(self, dataset: str, trained_on: str) -> str:
        return self.splits.get(dataset, trained_on)

    def updated(self, **changes: Any) -> Protocol:
        """A checked copy; a change to `num_real`, `num_fake` or a field of Sampling goes to every metric.

        Metrics of equal counts take as many images as `num_fake` says where that is fewer than they take by themselves.
        """
        data = self.model_dump()
        own = {key: value for key, value in changes.items() if key in data}
        everywhere = {key: value for key, value in changes.items() if key not in data}
        for metric in map(_field, METRICS):
            if data[metric] is not None:
                for key, value in everywhere.items():
                    if key == "num_fake" and "max_count" in data[metric]:
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
            f"{key}: {_setting_text(mine.get(key))}, not {_setting_text(theirs.get(key))}"
            for key in sorted({*mine, *theirs})
            if mine.get(key) != theirs.get(key)
        )


def _field(metric: str) -> str:
    return "isc" if metric == "is" else metric  # `is` is no name of a field


def _settings(protocol: Protocol, metrics: list[str]) -> dict[str, Any]:
    chosen = {metric: found.model_dump() for metric in metrics if (found := protocol.settings(metric))}
    unrelated = (*_NOT_SETTINGS, *map(_field, METRICS))
    return {key: value for key, value in protocol.model_dump().items() if key not in unrelated} | chosen


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else key)
    else:
        yield path, value


def _setting_text(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(str, value))})"
    return "the default" if value is None else str(value)
