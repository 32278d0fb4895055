"""Models whose labels are permuted on purpose: rows of the conditional weights are swapped."""

from __future__ import annotations

import copy
from pathlib import Path

import torch

from zoo.release.export import export_folder
from zoo.sampling.gan import GAN

ORDER = [3, 0, 4, 1, 9, 5, 8, 7, 2, 6]  # of the labels of a permuted model; 5 and 7 stay


def permuted(model: GAN, classes) -> GAN:
    """A copy of a conditional model, whose label i draws what label classes[i] drew.

    The label enters through the class embedding's rows (BigGAN), or the columns of the conditional norms' weights.
    """
    generator = copy.deepcopy(model.generator)
    order = torch.as_tensor(classes)
    if hasattr(generator, "embedding"):
        _reorder(generator.embedding.weight, order, 0)
    else:
        for name, tensor in generator.state_dict().items():
            parent, leaf = name.split(".")[-2:]
            if parent in ("gain", "bias") and leaf in ("weight", "v"):
                _reorder(tensor, order, tensor.ndim - 1)
    return GAN(model.config, generator, device=model.device)


def as_run(model: GAN, folder: Path) -> Path:
    """Export a model of the registry as one of its own, of which nothing was measured."""
    config = model.config.model_copy(update={"weights": (), "default_tag": None, "published": ()})
    return export_folder(GAN(config, model.generator, device="cpu"), folder)


@torch.no_grad()
def _reorder(tensor: torch.Tensor, order: torch.Tensor, axis: int) -> None:
    assert tensor.shape[axis] == len(order)
    tensor.copy_(tensor.index_select(axis, order))
