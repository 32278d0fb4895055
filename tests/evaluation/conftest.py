"""The extractor that costs nothing, Inception with random weights, and two small models."""

from __future__ import annotations

import pytest
import torch
from tiny import hub_file, register
from torch_fidelity import feature_extractor_inceptionv3 as inceptionv3

import zoo
from zoo.common.files import sha256
from zoo.evaluation.features import dinov2
from zoo.evaluation.features.vision_transformer import VisionTransformer


@pytest.fixture(scope="session", autouse=True)
def _tiny_extractor():
    register()


@pytest.fixture(autouse=True)
def _nobodys_inception(monkeypatch, tmp_path):
    """Neither weights in the user's cache nor a network decide a test."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


@pytest.fixture(scope="session")
def inception_weights(tmp_path_factory):
    """torch-fidelity's Inception with random weights that keep activations in range, as a file of its format."""
    path = tmp_path_factory.mktemp("inception") / "random.pth"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inceptionv3, "load_state_dict_from_url", lambda *_, **__: None)
        patch.setattr(inceptionv3.FeatureExtractorInceptionV3, "load_state_dict", lambda *_, **__: None)
        network = inceptionv3.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], verbose=False)
    generator = torch.Generator().manual_seed(0)
    state = network.state_dict()
    for name, tensor in state.items():
        if tensor.ndim > 1:
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5, generator=generator)
        elif name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif name.endswith(("bias", "running_mean")):
            tensor.uniform_(-0.1, 0.1, generator=generator)
    torch.save(state, path)
    return path


@pytest.fixture
def small_inception(monkeypatch):
    """Inception at 75x75, its smallest size: the same architecture in a sixteenth of the time."""
    monkeypatch.setattr(inceptionv3.FeatureExtractorInceptionV3, "INPUT_IMAGE_SIZE", 75)


@pytest.fixture
def dino(monkeypatch):
    """A network of DINOv2's architecture with twelve features, and its file where torch.hub keeps the published one."""
    torch.manual_seed(0)
    network = VisionTransformer(12, 2, 2).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    path = hub_file("dinov2_vitl14_pretrain.pth")
    torch.save(network.state_dict(), path)
    monkeypatch.setitem(dinov2.VARIANTS, "dinov2-vit-l-14", dinov2.PublishedSize(12, 2, 2, sha256(path)))
    return network


@pytest.fixture(scope="session")
def model():
    return zoo.load("contragan/digits", device="cpu")


@pytest.fixture(scope="session")
def unconditional():
    return zoo.load("infomax-gan/digits", device="cpu")
