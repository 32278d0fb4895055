"""The front matter of a model card: what the Hugging Face Hub reads, `model-index` included."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .config import ModelConfig
from .entries import Measured, Published, Score

TASK = {"type": "unconditional-image-generation", "name": "Image generation"}
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
    "PyTorch-StudioGAN README, 26f7b7f": "https://github.com/POSTECH-CVLab/PyTorch-StudioGAN/tree/26f7b7f",
}


def front_matter(config: ModelConfig) -> str:
    """YAML between two lines of dashes. Scores are those of the default weights, published or measured here."""
    data = config.data.dataset
    fields: dict[str, Any] = {
        "license": config.license.lower(),
        "library_name": "contrastive-gan-zoo",
        "pipeline_tag": TASK["type"],
        "tags": ["gan", config.method, data] + ["class-conditional"] * config.conditional,
        "datasets": [_HUB_DATASETS.get(data, data)],
    }
    results = list(_results(config))
    if results:
        fields["model-index"] = [{"name": config.name, "results": results}]
    return "\n".join(["---", *_yaml(fields), "---"])


def _results(config: ModelConfig) -> Iterator[dict]:
    entry = config.default_weights
    if entry is None:
        return
    for score in (*(s for s in config.published if s.tag == entry.tag), *entry.scores):
        data = config.data.dataset
        dataset = {"name": data, "type": _HUB_DATASETS.get(data, data), "split": score.split or config.data.split}
        result = {"task": TASK, "dataset": dataset, "metrics": [_metric(score)]}
        if isinstance(score, Published):
            result["source"] = {"name": score.source, "url": source_url(score.source)}
        yield result


def source_url(source: str) -> str | None:
    """Where a published score stands."""
    return next((url for start, url in _SOURCES.items() if source.startswith(start)), None)


def _metric(score: Score) -> dict:
    """Type, value and protocol. Only Inception's FID, KID and IS have the types of these names."""
    kind = score.metric.split()[0].lower() if score.metric in ("FID", "KID", "IS") else _slug(score.metric)
    protocol = {
        "std": score.std,
        "num_real": score.num_real,
        "num_fake": score.num_fake,
        "extractor": score.extractor,
        "protocol": score.protocol if isinstance(score, Measured) else None,
        "seeds": score.seeds if isinstance(score, Measured) else None,
    }
    args = {key: value for key, value in protocol.items() if value is not None}
    return {"name": score.metric, "type": kind, "value": score.value, "args": args}


def _slug(name: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def _scalar(value: Any) -> str:
    """As JSON, which is YAML; without "<", since some pages show the front matter as it is."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


def _yaml(value: Any, indent: int = 0) -> Iterator[str]:
    """Block-style YAML of plain data. JSON's scalars are YAML's."""
    pad = " " * indent
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, (dict, list)) and item:
                yield f"{pad}{key}:"
                yield from _yaml(item, indent + 2)
            else:
                yield f"{pad}{key}: {_scalar(item)}"
    else:
        for item in value:
            if isinstance(item, dict):
                first, *rest = _yaml(item, indent + 2)
                yield f"{pad}- {first.lstrip()}"
                yield from rest
            else:
                yield f"{pad}- {_scalar(item)}"
