"""Feature extractors by name, through torch-fidelity's registry, with their weights identified.

A score carries its extractor: only torch-fidelity's TF-compatible Inception with its own weights gives FID, KID and IS.
With any other extractor the same formulas are called FD, KD and CS (Frechet distance, kernel distance, classifier
score) and carry the extractor's name.
"""

from __future__ import annotations

import os
from functools import cache

import torch
from torch import Tensor

from ...common import extras, network_settings
from ...common.errors import ZooError
from ...common.tensors import state_sha256

INCEPTION, OFFLINE, SECOND_OFFLINE = "inception", "efficientnet-lite0", "efficientnet-lite2"
_FIDELITY_METRICS = {"fid": "fid", "kid": "kid", "is": "isc", "pr": "prc"}
_NAMES = {  # with Inception, with another extractor
    "fid": ("FID", "FD"),
    "kid": ("KID", "KD"),
    "is": ("IS", "CS"),
    "mind": ("MIND", "MD"),
    **{name: (name.upper(),) * 2 for name in ("f_8", "f_1/8", "c_t")},
    "authpct": ("AuthPct",) * 2,
}
_METRICS = (  # a longer name before the one that it begins with
    "fid",
    "kid",
    "is",
    "precision",
    "recall",
    "density",
    "coverage",
    "f_8",
    "f_1/8",
    "mind",
    "authpct",
    "c_t",
    "class accuracy as assigned",
    "class accuracy",
    *(f"intra-class {distance}{how}" for distance in ("fid", "kid") for how in (" as assigned", "")),
)


class Extractor:
    """A frozen network from images to features.

    Attributes:
        name: "inception", "efficientnet-lite0", "efficientnet-lite2", or a name in torch-fidelity's registry.
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
            raise ZooError(f"{self.name} has no features for {metric}; leave that metric out") from None

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


def metric_name(metric: str, extractor: str) -> str:
    """Return the name of a score: "FID" for Inception's own weights, "FD (efficientnet-lite0)" for another extractor.

    Likewise "intra-class FID", "intra-class FD as assigned (efficientnet-lite0)".
    """
    words = metric.split()
    place = next((i for i, word in enumerate(words) if word in _NAMES), None)
    if place is None:
        return f"{metric} ({extractor})"
    own, other = _NAMES[words[place]]
    if extractor == INCEPTION:
        return " ".join([*words[:place], own, *words[place + 1 :]])
    return " ".join([*words[:place], other, *words[place + 1 :], f"({extractor})"])


def metric_and_extractor(name: str) -> tuple[str, str] | None:
    """Parse "FID" to ("fid", "inception"), "FD (x)" to ("fid", "x") for an extractor x; None if unknown.

    Also without the parentheses, as older configs and reports have it.
    """
    for metric in _METRICS:
        if name == metric_name(metric, INCEPTION):
            return metric, INCEPTION
        stem = metric_name(metric, "").removesuffix("()")  # ends in a space
        extractor = name.removeprefix(stem).strip("()")
        if name.startswith(stem) and extractor and " " not in extractor:
            return metric, extractor
    return None


def load(name: str, *, inception_weights: str | os.PathLike | None = None, resize: str = "tensorflow") -> Extractor:
    """Load an extractor by name, on the CPU.

    Args:
        name: "inception", "efficientnet-lite0", "efficientnet-lite2", or any name in torch-fidelity's registry.
        inception_weights: the file for "inception"; None looks in torch.hub's folder, then downloads.
        resize: how "inception" resizes: "tensorflow" (torch-fidelity's own), "bilinear" or "pillow".

    Raises:
        ZooError: not installed, unknown, or its weights are not available; the message says what to do.
    """
    require_fidelity()
    from torch_fidelity import registry

    if name == INCEPTION:
        from . import inception

        return inception.load(inception_weights, resize)
    if name in (OFFLINE, SECOND_OFFLINE):
        from . import efficientnet

        return efficientnet.load(name)
    if name not in registry.FEATURE_EXTRACTORS_REGISTRY:
        known = sorted(
            {INCEPTION, OFFLINE, SECOND_OFFLINE, *registry.FEATURE_EXTRACTORS_REGISTRY} - {"inception-v3-compat"}
        )
        raise ZooError(f'no extractor is called "{name}"; there are {", ".join(known)}')
    from torch_fidelity.utils import create_feature_extractor

    layers = registry.FEATURE_EXTRACTORS_REGISTRY[name].get_provided_features_list()
    try:
        with network_settings.told(network_settings.URLLIB, "https://github.com"):  # by torch.hub
            module = create_feature_extractor(name, list(layers), cuda=False, verbose=False)
    except (OSError, RuntimeError, ImportError) as error:
        raise ZooError(
            f"the weights of {name} cannot be had ({error}); torch-fidelity downloads them, so run it once with a "
            f"network, or use --extractor {OFFLINE}, which needs none"
        ) from None
    digest = state_sha256(module.state_dict())
    return Extractor(name, module, weights="torch-fidelity's", sha256=digest, official=True, preprocessing="its own")


def require_fidelity() -> None:
    """Raise ZooError if the extra packages are missing."""
    try:
        import torch_fidelity  # noqa: F401
    except ImportError as error:
        raise ZooError(f"evaluation needs torch-fidelity ({error}); run: {extras.install('eval')}") from None
