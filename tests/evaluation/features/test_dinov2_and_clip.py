"""DINOv2 and CLIP with random weights: the networks are torch-fidelity's, the pixels those of the published metrics."""

import warnings

import numpy as np
import pytest
import scipy.linalg
import torch
import torchvision.transforms as T
from PIL import Image
from tiny import hub_file
from torch_fidelity import feature_extractor_clip, feature_extractor_dinov2

import zoo
from zoo import datasets
from zoo.common.errors import WeightsCorruptedError, WeightsUnavailableError, ZooError
from zoo.common.files import sha256
from zoo.evaluation.features import clip, dinov2, extractors
from zoo.evaluation.features.vision_transformer import VisionTransformer
from zoo.evaluation.metrics import cmmd

LARGE, WIDE_CLIP = "dinov2-vit-l-14", "clip-vit-l-14-336px"


def some_images(count=4, side=32, seed=0):
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=torch.manual_seed(seed))


@pytest.fixture
def small_clip(monkeypatch):
    """CLIP's architecture at 28x28 with few features, as the archive of TorchScript that OpenAI publishes."""
    torch.manual_seed(0)

    class Archive(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.visual = feature_extractor_clip.VisionTransformer(28, 14, 64, 1, 1, 8).eval()
            self.text_projection = torch.nn.Parameter(torch.zeros(5, 8))

        def forward(self, x):
            return self.visual(x) + 0 * self.text_projection.sum()

    path = hub_file("archive.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated, and OpenAI's format
        torch.jit.trace(Archive(), torch.zeros(1, 3, 28, 28)).save(path)
    digest = sha256(path)
    monkeypatch.setitem(feature_extractor_clip.MODEL_METADATA, WIDE_CLIP, {"hash": digest, "filename": "x"})
    return path.rename(hub_file(f"{WIDE_CLIP}-{digest}.pt"))


# -------------------------------------------------------------------------------------------------------------- DINOv2


def test_the_features_are_torch_fidelitys(dino, monkeypatch):
    """At 224x224, where nothing is resized."""
    monkeypatch.setattr(torch.hub, "load", lambda repository, name: dino if name == "dinov2_vitl14" else None)
    theirs = feature_extractor_dinov2.FeatureExtractorDinoV2(LARGE, ["dinov2"])
    ours, images = extractors.load(LARGE), some_images(2, 224)
    assert ours.official
    expected = theirs(images)[0]
    assert float(expected.std()) > 0.1
    assert torch.allclose(ours(images, ("dinov2",))["dinov2"], expected, atol=1e-5)


def test_every_size_has_the_parameters_of_the_published_file():
    counts = {
        "s": 22_056_576,
        "b": 86_580_480,
        "l": 304_368_640,
    }  # in the README of facebookresearch/dinov2: 21, 86, 300 M
    for letter, count in counts.items():
        size = dinov2.VARIANTS[f"dinov2-vit-{letter}-14"]
        with torch.device("meta"):
            network = VisionTransformer(size.width, size.depth, size.heads)
        assert sum(parameter.numel() for parameter in network.parameters()) == count


def pixels_of(name, resize, images, what="model"):
    """What the network of an extractor is given."""
    extractor = extractors.load(name, resize=resize)
    seen = []
    network = getattr(extractor.module, what)
    (getattr(network, "visual", network)).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    extractor(images, (extractor.layer("fid"),))
    return seen[0]


def test_pixels_as_dgm_eval_has_them(dino):
    """Its own transform, which takes Pillow's images."""
    transform = T.Compose([
        T.Resize((224, 224), T.InterpolationMode.BICUBIC),
        T.ToTensor(),
        T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ])  # fmt: skip
    for side in (32, 300):
        images = some_images(2, side)
        expected = torch.stack([transform(T.functional.to_pil_image(image)) for image in images])
        assert torch.allclose(pixels_of(LARGE, "pillow-bicubic", images), expected, atol=1e-5)


def test_pixels_as_edm2_has_them(dino):
    """Bicubic and antialiased in float: Pillow's algorithm on its images of floats, channel by channel."""
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    for side in (32, 300):
        images = some_images(2, side)
        resized = [
            np.asarray(Image.fromarray(c.float().numpy()).resize((224, 224), Image.Resampling.BICUBIC))
            for c in images.flatten(0, 1)
        ]
        expected = (torch.from_numpy(np.stack(resized)).unflatten(0, (2, 3)) / 255 - mean) / deviation
        assert torch.allclose(pixels_of(LARGE, "bicubic", images), expected, atol=1e-4)


@pytest.mark.parametrize("protocol", ["edm2", "dgm-eval"])
def test_the_protocols_name_the_extractor_and_give_the_papers_distance(dino, protocol):
    real, fake = some_images(40), some_images(30, seed=1) // 2
    data = datasets.Dataset(real, torch.arange(40) % 2, 2)
    report = zoo.evaluate(fake, ("fid",), protocol=protocol, data=data, num_fake=30, device="cpu")
    resize = {"edm2": "bicubic", "dgm-eval": "pillow-bicubic"}[protocol]
    extractor = extractors.load(LARGE, resize=resize)
    a, b = (extractor(images, ("dinov2",))["dinov2"].double().numpy() for images in (fake, real))
    s1, s2 = np.cov(a.T), np.cov(b.T)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s1 + s2 - 2 * scipy.linalg.sqrtm(s1 @ s2).real)
    assert report[f"FD ({LARGE})"].value == pytest.approx(expected, rel=1e-4)
    assert report.extractor.preprocessing == (extractor.preprocessing,)
    assert not report.differences or all("fid." in line for line in report.differences if "resize" not in line)


def test_without_anything_asked_for_a_protocol_gives_its_own_metrics(dino):
    data = datasets.Dataset(some_images(40), torch.arange(40) % 2, 2)
    report = zoo.evaluate(some_images(30), protocol="dgm-eval", data=data, num_fake=30, device="cpu")
    assert {result.kind for result in report.results} == {"fid", "kid", "precision", "recall"}
    with pytest.raises(ZooError, match=r"has no features for is; leave is out"):
        zoo.evaluate(some_images(30), ("is",), extractor=LARGE, data=data, num_fake=30, device="cpu")


# ---------------------------------------------------------------------------------------------------------------- CLIP


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_the_embeddings_are_torch_fidelitys(small_clip):
    theirs = feature_extractor_clip.FeatureExtractorCLIP(
        WIDE_CLIP, ["clip"], feature_extractor_weights_path=str(small_clip)
    )
    images = some_images(2, 28)
    expected = theirs(images)[0]
    assert float(expected.std()) > 0.01
    assert torch.allclose(extractors.load(WIDE_CLIP)(images, ("clip",))["clip"], expected, atol=1e-5)


def test_pixels_as_cmmd_has_them(small_clip):
    """The authors' code: Pillow's bicubic to the network's side, then CLIP's normalisation."""
    images = some_images(2, 40)
    resized = [T.functional.to_pil_image(image).resize((28, 28), Image.Resampling.BICUBIC) for image in images]
    normal = T.Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
    expected = torch.stack([normal(T.functional.to_tensor(image)) for image in resized])
    assert torch.allclose(pixels_of(WIDE_CLIP, "tensorflow", images), expected, atol=1e-5)


def test_only_its_own_extractor_gives_a_cmmd(small_clip):
    real, fake = some_images(20), some_images(20, seed=1) // 3
    data = datasets.Dataset(real, torch.arange(20) % 2, 2)
    report = zoo.evaluate(fake, protocol="cmmd", data=data, device="cpu")
    extractor = extractors.load(WIDE_CLIP)
    expected = cmmd.cmmd(*(extractor(images, ("clip",))["clip"] for images in (fake, real)))
    assert [result.metric for result in report.results] == ["CMMD"]
    assert report["CMMD"].value == pytest.approx(expected)
    other = zoo.evaluate(fake, ("cmmd",), extractor="tiny", data=data, device="cpu")
    assert [result.metric for result in other.results] == ["CMMD-like (tiny)"]
    for name in ("CMMD", "CMMD-like (tiny)"):
        metric, extractor = extractors.metric_and_extractor(name)
        assert extractors.metric_name(metric, extractor) == name
        assert extractor == (WIDE_CLIP if name == "CMMD" else "tiny")


# ------------------------------------------------------------------------------------------------------------- weights


@pytest.mark.parametrize("name", [LARGE, WIDE_CLIP])
def test_offline_one_line_says_what_to_fetch_and_where_to_put_it(name, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsUnavailableError) as error:
        extractors.load(name)
    file = {LARGE: dinov2, WIDE_CLIP: clip}[name].file_of(name)
    for word in (file.url, file.name, file.sha256[:8], "hub/checkpoints", "efficientnet-lite0"):
        assert word in str(error.value)
    assert "\n" not in str(error.value)
    assert file.url.startswith("https://")


@pytest.mark.parametrize("name", [LARGE, WIDE_CLIP])
def test_another_file_in_torch_hubs_folder_is_not_opened(name):
    hub_file({LARGE: dinov2, WIDE_CLIP: clip}[name].file_of(name).name).write_bytes(b"something else")
    with pytest.raises(WeightsCorruptedError, match="sha256 does not begin with"):
        extractors.load(name)


def test_a_file_of_other_sizes_is_one_line(dino, monkeypatch):
    monkeypatch.setitem(dinov2.VARIANTS, LARGE, dinov2.VARIANTS[LARGE]._replace(depth=3))
    with pytest.raises(WeightsCorruptedError, match=r"does not hold the weights of dinov2-vit-l-14 .* fetch https"):
        extractors.load(LARGE)
