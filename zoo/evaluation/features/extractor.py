"""A frozen network from images to features, with its weights identified."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from ...common.errors import ZooError
from ..names import INCEPTION, OFFLINE

_FIDELITY_METRICS = {"fid": "fid", "kid": "kid", "is": "isc", "pr": "prc"}


class Extractor:
    """A frozen network from images to features.

    Attributes:
        name: "inception", "efficientnet-lite0", or a name in torch-fidelity's registry.
        weights: the file, or the origin of the weights.
        sha256: of the weights file; of all tensors where there is no file.
        official: whether the weights are those that the name stands for.
        preprocessing: how pixels become the network's input.
    """

    def __init__(self, name: str, module, *, weights: str, sha256: str, official: bool, preprocessing: str):
        self.name, self.module = name, module
        self.weights, self.sha256, self.official, self.preprocessing = weights, sha256, official, preprocessing
        self.device = torch.device("cpu")
        self.takes_floats = hasattr(module, "takes_floats")

    def to(self, device: torch.device) -> Extractor:
        self.module.to(device)
        self.device = torch.device(device)
        return self

    def layer(self, metric: str, logits: str = "without-bias") -> str:
        """The feature layer of a metric of torch-fidelity: its choice, or Inception's logits with bias."""
        if self.name == INCEPTION and metric == "is" and logits == "with-bias":
            return "logits"
        try:
            return self.module.get_default_feature_layer_for_metric(_FIDELITY_METRICS[metric])
        except KeyError:
            raise ZooError(
                f"{self.name} has no features for {metric}; leave {metric} out of the metrics (--metrics)"
            ) from None

    @property
    def has_logits(self) -> bool:
        """Return True if a classifier score can be made of its features."""
        try:
            return bool(self.layer("is"))
        except ZooError:
            return False

    @cache  # noqa: B019 (extractors are few and live as long as the process)
    def width(self, layer: str) -> int:
        """Return the number of features of a layer."""
        return self(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), (layer,))[layer].shape[1]

    @property
    def identity(self) -> dict[str, str]:
        """Return the fields that identify an extractor."""
        return {"extractor": self.name, "sha256": self.sha256, "preprocessing": self.preprocessing}

    @property
    def label(self) -> str:
        """Return the name that scores carry; it includes weights that are not official."""
        return self.name if self.official else f"{self.name}-{self.sha256[:8]}"

    @torch.inference_mode()
    def __call__(self, images: Tensor, layers: tuple[str, ...]) -> dict[str, Tensor]:
        """Return features (N, D) float32 on the CPU by layer.

        Args:
            images: uint8 (N, 3, H, W), or float32 0 ... 255 for an extractor that takes unrounded images.
        """
        if images.is_floating_point() and not self.takes_floats:
            raise ZooError(
                f"{self.name} takes 8-bit images, and this protocol does not round; use --extractor {INCEPTION} or "
                f"{OFFLINE}, or --protocol clean"
            )
        self.module.features_list = list(layers)
        features = self.module(images.to(self.device, non_blocking=True))
        named = self.module.convert_features_tuple_to_dict(features)
        return {layer: named[layer].float().cpu() for layer in layers}
