"""Feature extractors by name, through torch-fidelity's registry, with their weights identified.

A score carries its extractor: only torch-fidelity's TF-compatible Inception with its own weights gives FID, KID and IS.
With any other extractor the same formulas are called FD, KD and CS (Frechet distance, kernel distance, classifier
score) and carry the extractor's name. Likewise CMMD is CLIP's ViT-L/14 at 336 pixels.
"""

from __future__ import annotations

import os

from ...common import choices, extras, network_settings
from ...common.errors import UsageError, ZooError
from ...common.tensors import state_sha256
from ..names import CLIP, INCEPTION, OFFLINE, SECOND_OFFLINE
from .extractor import Extractor

_RESIZING = {INCEPTION: ("tensorflow", "bilinear", "pillow")}  # the ways of an extractor to resize, its usual one first
_BICUBIC = {"dinov2": ("bicubic", "pillow-bicubic"), "clip": ("pillow-bicubic", "bicubic")}  # by family
_OURS, _ALIAS = {INCEPTION, OFFLINE, SECOND_OFFLINE}, "inception-v3-compat"  # torch-fidelity's name of Inception
_NAMES = {  # with Inception, with another extractor
    "fid": ("FID", "FD"),
    "kid": ("KID", "KD"),
    "is": ("IS", "CS"),
    "mind": ("MIND", "MD"),
    "cmmd": ("CMMD", "CMMD-like"),
    "cas": ("CAS",) * 2,
    **{name: (name.upper(),) * 2 for name in ("f_8", "f_1/8", "c_t")},
    "authpct": ("AuthPct",) * 2,
}
_OWN_EXTRACTOR = {"cmmd": CLIP, "cas": "resnet50"}  # of a metric's first name; of the others Inception
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
    "cmmd",
    "authpct",
    "c_t",
    "cas as assigned",
    "cas",
    "class accuracy as assigned",
    "class accuracy",
    *(
        f"{distance}{how}"
        for distance in ("shrunk intra-class fid", "intra-class fid", "intra-class kid")
        for how in (" as assigned", "")
    ),
)


def metric_name(metric: str, extractor: str) -> str:
    """Return the name of a score: "FID" for Inception's own weights, "FD (efficientnet-lite0)" for another extractor.

    Likewise "intra-class FID", "intra-class FD as assigned (efficientnet-lite0)".
    """
    words = metric.split()
    place = next((i for i, word in enumerate(words) if word in _NAMES), None)
    if place is None:
        return f"{metric} ({extractor})"
    own, other = _NAMES[words[place]]
    if extractor == own_extractor(words[place]):
        return " ".join([*words[:place], own, *words[place + 1 :]])
    return " ".join([*words[:place], other, *words[place + 1 :], f"({extractor})"])


def own_extractor(metric: str) -> str:
    """Return the extractor whose scores carry the metric's own name."""
    return _OWN_EXTRACTOR.get(metric, INCEPTION)


def way_of_resizing(name: str, wanted: str) -> str:
    """Return the way in which an extractor resizes: a protocol's if it has it, else its usual one."""
    ways = _RESIZING.get(name) or _BICUBIC.get(_family(name) or "", ("its own",))
    return wanted if wanted in ways else ways[0]


def _family(name: str) -> str | None:
    """Return the family whose resizing is not torch-fidelity's; DINOv2's largest network is torch-fidelity's alone."""
    family = name.partition("-")[0]
    return family if family in _BICUBIC and name != "dinov2-vit-g-14" else None


def metric_and_extractor(name: str) -> tuple[str, str] | None:
    """Parse "FID" to ("fid", "inception"), "FD (x)" to ("fid", "x") for an extractor x; None if unknown.

    Also without the parentheses, as older configs and reports have it.
    """
    for metric in _METRICS:
        if name == metric_name(metric, own := own_extractor(metric)):
            return metric, own
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
        resize: how images are resized, where the extractor knows several ways (see `way_of_resizing`).

    Raises:
        ZooError: not installed, unknown, or its weights are not available; the message says what to do.
    """
    check_name(name)
    from torch_fidelity import registry

    resize = way_of_resizing(name, resize)
    if name == INCEPTION:
        from . import inception

        return inception.load(inception_weights, resize)
    if name in (OFFLINE, SECOND_OFFLINE):
        from . import efficientnet

        return efficientnet.load(name)
    if name in registry.FEATURE_EXTRACTORS_REGISTRY and (family := _family(name)):
        from . import clip, dinov2

        return {"clip": clip, "dinov2": dinov2}[family].load(name, resize)
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


def check_name(name: str) -> None:
    """Raise UsageError for a name that no extractor has, with the nearest; ZooError if the packages are missing."""
    require_fidelity()
    from torch_fidelity import registry

    known = {*_OURS, *registry.FEATURE_EXTRACTORS_REGISTRY}
    if name not in known:
        raise UsageError(choices.unknown("extractor", name, sorted(known - {_ALIAS})))


def require_fidelity() -> None:
    """Raise ZooError if the extra packages are missing."""
    try:
        import torch_fidelity  # noqa: F401
    except ImportError as error:
        raise ZooError(f"evaluation needs torch-fidelity ({error}); run: {extras.install('eval')}") from None
