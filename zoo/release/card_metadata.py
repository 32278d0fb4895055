"""The front matter of a model card: what the Hugging Face Hub reads, `model-index` included."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from ..schema.config import ModelConfig
from ..schema.entries import Measured, Published
from ..schema.identity import has_public_data
from ..schema.licenses import license_of_model

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

TASK = "unconditional-image-generation"
# Ids of data sets on the Hub where there is one that is the data set itself; others appear by their name here.
_HUB_DATASETS = {
    "cifar10": "uoft-cs/cifar10",
    "cifar100": "uoft-cs/cifar100",
    "mnist": "ylecun/mnist",
    "imagenet": "ILSVRC/imagenet-1k",
    "tiny-imagenet": "zh-plus/tiny-imagenet",
}
_SOURCES = {  # how a score's source begins -> where it is
    "Mimicry README": "https://github.com/kwotsin/mimicry",
    "InfoMax-GAN": "https://arxiv.org/abs/2007.04589",
    "ContraGAN": "https://arxiv.org/abs/2006.12681",
    "StudioGAN, benchmark table": "https://arxiv.org/abs/2206.09479",
    "mmagic README, 0a560bb": "https://github.com/open-mmlab/mmagic/tree/0a560bb",
    "BigGAN-PyTorch README": "https://github.com/ajbrock/BigGAN-PyTorch",
    "PyTorch-StudioGAN README, 26f7b7f": "https://github.com/POSTECH-CVLab/PyTorch-StudioGAN/tree/26f7b7f",
}


def front_matter(config: ModelConfig) -> str:
    """YAML between two lines of dashes. Scores are those of the default weights, published or measured here."""
    from huggingface_hub import CardData, ModelCardData

    data = config.data.dataset
    public = has_public_data(config)  # own data are on no Hub, and what others call by their name is something else
    fields = ModelCardData(
        license=license_of_model(config).lower(),
        library_name="contrastive-gan-zoo",
        pipeline_tag=TASK,
        tags=["gan", config.method] + [data] * public + ["class-conditional"] * config.conditional,
        datasets=[_HUB_DATASETS.get(data, data)] if public else None,
    ).to_dict()
    if scores := _scores(config):
        fields["model-index"] = [{"name": config.name, "results": _results(config, scores)}]
    text = CardData(**fields).to_yaml()
    return "\n".join(["---", text.replace("<", "‹"), "---"])  # some pages show it as it is, and "<" begins HTML


def _scores(config: ModelConfig) -> list[Published | Measured]:
    entry = config.default_weights
    return [] if entry is None else [*(s for s in config.published if s.tag == entry.tag), *entry.scores]


def _results(config: ModelConfig, scores: list[Published | Measured]) -> list[dict[str, Any]]:
    """The entries of the model index: one for each run of scores of one source and split.

    `ModelCardData` would make one of all scores of a split, under the source of the first.
    """
    from huggingface_hub.repocard_data import eval_results_to_model_index

    results = [_result(config, score) for score in scores]
    groups = groupby(results, key=lambda result: (result.source_name, result.dataset_split))
    return [
        entry for _, group in groups for entry in eval_results_to_model_index(config.name, list(group))[0]["results"]
    ]


def _result(config: ModelConfig, score: Published | Measured) -> EvalResult:
    """A score with its protocol. Only Inception's FID, KID and IS have the types of these names."""
    from huggingface_hub import EvalResult

    data = config.data.dataset
    protocol = {
        "std": score.std,
        "num_real": score.num_real,
        "num_fake": score.num_fake,
        "extractor": score.extractor,
        "protocol": score.protocol if isinstance(score, Measured) else None,
        "seeds": score.seeds if isinstance(score, Measured) else None,
    }
    source = score.source if isinstance(score, Published) else None
    address = source and source_url(source)
    return EvalResult(
        task_type=TASK,
        task_name="Image generation",
        dataset_name=data,
        dataset_type=_HUB_DATASETS.get(data, data),
        dataset_split=score.split or config.data.split,
        metric_type=score.metric.lower() if score.metric in ("FID", "KID", "IS") else _slug(score.metric),
        metric_name=score.metric,
        metric_value=score.value,
        metric_args={key: value for key, value in protocol.items() if value is not None},
        source_name=source if address else None,
        source_url=address,
    )


def source_url(source: str) -> str | None:
    """Where a published score stands."""
    return next((url for start, url in _SOURCES.items() if source.startswith(start)), None)


def _slug(name: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())
