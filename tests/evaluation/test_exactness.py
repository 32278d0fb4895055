"""The same images and weights give torch-fidelity's own scores, exactly, and scipy's; by every way of naming images."""

import numpy as np
import pytest
import scipy.linalg
import torch
import torch_fidelity
from PIL import Image

import zoo
from zoo import datasets
from zoo.common import quantise
from zoo.evaluation.features import efficientnet, extractors
from zoo.evaluation.features import extraction as features
from zoo.evaluation.features.sources import Fixed, pictures
from zoo.evaluation.metrics import formulas
from zoo.evaluation.protocols.protocol import FID, IS, KID, Protocol

COUNT = 16
SMALL = Protocol(
    name="small",
    title="a few images",
    source="this test",
    seeds=(0,),
    fid=FID(num_fake=COUNT),
    kid=KID(num_fake=COUNT, subsets=3, subset_size=8),
    isc=IS(num_fake=COUNT, splits=2),
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Generated images and real ones, as PNG files."""
    out = tmp_path_factory.mktemp("images")
    zoo.load("infomax-gan/digits", device="cpu").sample(COUNT, seed=0).save(out / "fake")
    (out / "real").mkdir()
    for i, image in enumerate(datasets.load("digits").images[:COUNT]):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(out / "real" / f"{i:03d}.png")
    return out


def by_fidelity(folders, **options):
    return torch_fidelity.calculate_metrics(
        input1=str(folders / "fake"),
        input2=str(folders / "real"),
        isc=True,
        fid=True,
        kid=True,
        kid_subsets=3,
        kid_subset_size=8,
        isc_splits=2,
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
        **options,
    )


@pytest.fixture(scope="module")
def theirs(folders, inception_weights):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch_fidelity.feature_extractor_inceptionv3.FeatureExtractorInceptionV3, "INPUT_IMAGE_SIZE", 75)
        return by_fidelity(folders, feature_extractor_weights_path=str(inception_weights))


def real_data():
    digits = datasets.load("digits")
    return datasets.Dataset(digits.images[:COUNT], digits.labels[:COUNT], 10)


@pytest.mark.parametrize("way", ["a model", "a folder", "a tensor"])
def test_inception_scores_are_torch_fidelitys(way, folders, theirs, inception_weights, small_inception):
    sources = {
        "a model": "infomax-gan/digits",
        "a folder": folders / "fake",
        "a tensor": zoo.load("infomax-gan/digits", device="cpu").sample(COUNT, seed=0).uint8,
    }
    report = zoo.evaluate(
        sources[way],
        ("fid", "kid", "is"),
        protocol=SMALL,
        data=real_data(),
        num_fake=COUNT,
        inception_weights=inception_weights,
        device="cpu",
    )
    assert report["fid"].value == theirs["frechet_inception_distance"]
    assert report["kid"].value == theirs["kernel_inception_distance_mean"]
    assert report["kid"].spread == theirs["kernel_inception_distance_std"]
    assert report["is"].value == theirs["inception_score_mean"]
    assert report["is"].spread == theirs["inception_score_std"]
    assert not report.extractor.official
    names = {result.metric.split()[0] for result in report.results}
    assert names == {"FD", "KD", "CS"}, "random weights do not give an FID"


def test_inception_at_its_own_size(folders, inception_weights):
    """Four images through 299x299, the features themselves."""
    extractor = extractors.load("inception", inception_weights=inception_weights)
    images = pictures(folders / "fake").batch(0, 4)
    ours = extractor(images, ("2048", "logits_unbiased"))
    module = torch_fidelity.utils.create_feature_extractor(
        "inception-v3-compat",
        ["2048", "logits_unbiased"],
        cuda=False,
        verbose=False,
        feature_extractor_weights_path=str(inception_weights),
    )
    theirs = module.convert_features_tuple_to_dict(module(images))
    assert all(torch.equal(ours[layer], theirs[layer]) for layer in theirs)


OFFLINE = pytest.mark.parametrize("name", efficientnet.VARIANTS)


def require(name: str) -> None:
    pytest.importorskip(efficientnet.VARIANTS[name].package)


@OFFLINE
def test_an_offline_extractor_is_registered_with_torch_fidelity(name, folders):
    require(name)
    efficientnet.register()
    theirs = by_fidelity(folders, feature_extractor=name)
    report = zoo.evaluate(
        folders / "fake",
        ("fid", "kid", "is"),
        protocol=SMALL,
        data=real_data(),
        num_fake=COUNT,
        extractor=name,
        device="cpu",
    )
    assert report[f"FD ({name})"].value == theirs["frechet_inception_distance"]
    assert report[f"KD ({name})"].value == theirs["kernel_inception_distance_mean"]
    assert report[f"CS ({name})"].value == theirs["inception_score_mean"]
    assert report.extractor.official
    assert "FID" not in report.to_json().replace("not called FID", "")


@OFFLINE
def test_an_offline_extractor_is_the_packaged_network(name):
    """Folded batch norm is the package's network to rounding, fed as it was trained."""
    require(name)
    from efficientnet_lite_pytorch import EfficientNet

    side = EfficientNet.get_image_size(name) // 2
    reference = EfficientNet.from_name(name, image_size=side).eval()
    reference.load_state_dict(torch.load(efficientnet.weights_path(name), weights_only=True))
    images = torch.randint(0, 256, (3, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    extractor = extractors.load(name)
    with torch.inference_mode():
        x = (images.float() - 127) / 128
        features = reference.extract_features(x).mean((2, 3))
        logits = reference(x)
    ours = extractor(images, ("1280", "logits"))
    assert torch.allclose(ours["1280"], features, atol=1e-4 * float(features.abs().max()))
    assert torch.allclose(ours["logits"], logits, atol=1e-4 * float(logits.abs().max()))
    assert extractor.sha256 == efficientnet.VARIANTS[name].sha256
    assert f"{side}x{side}" in extractor.preprocessing
    assert torch.allclose(ours["1280"], extractor(images.float(), ("1280",))["1280"])


def test_the_frechet_distance_is_scipys():
    """With more samples than features, float64 against scipy's matrix square root."""
    draw = np.random.RandomState(0)
    mix = draw.randn(40, 40)
    samples = [torch.from_numpy(draw.randn(n, 40) @ mix * s + m).float() for n, s, m in ((300, 1, 0), (200, 1.2, 0.5))]
    found = [formulas.statistics(x) for x in samples]
    exact = [(x.double().mean(0).numpy(), np.cov(x.double().numpy(), rowvar=False)) for x in samples]
    root = scipy.linalg.sqrtm(exact[0][1] @ exact[1][1]).real
    difference = exact[0][0] - exact[1][0]
    expected = difference @ difference + np.trace(exact[0][1] + exact[1][1] - 2 * root)
    assert formulas.frechet_distance(*found) == pytest.approx(expected, rel=1e-6)
    assert formulas.CovarianceRoot(found[0]).distance(found[1]) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("resize", ["bilinear", "pillow"])
def test_inception_with_studiogans_input(resize, inception_weights, small_inception):
    """What reaches the first convolution is what StudioGAN fed: [-1, 1], resized by PyTorch or Pillow, unrounded."""
    extractor = extractors.load("inception", inception_weights=inception_weights, resize=resize)
    seen = []
    extractor.module.Conv2d_1a_3x3.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = extractor(quantise.unrounded(images), ("2048",))["2048"]
    if resize == "bilinear":
        expected = torch.nn.functional.interpolate(images, (75, 75), mode="bilinear", align_corners=False)
    else:
        planes = [[Image.fromarray(plane.numpy()).resize((75, 75), Image.BILINEAR) for plane in x] for x in images]
        expected = torch.tensor(np.array([[np.asarray(plane) for plane in x] for x in planes]))
    assert torch.allclose(seen[0], expected, atol=1e-5)
    assert found.shape == (2, 2048)
    usual = extractors.load("inception", inception_weights=inception_weights)
    assert usual.preprocessing != extractor.preprocessing
    assert not torch.allclose(usual(quantise.fixed(images), ("2048",))["2048"], found, rtol=1e-3)


def test_batches_do_not_change_features():
    images = datasets.load("digits").images[:200]
    extractor = extractors.load("tiny")
    whole, parts = (features.extract(Fixed(images), extractor, ("12",), size).layers["12"] for size in (256, 64))
    assert torch.allclose(whole, parts, atol=1e-6)
    assert len(whole) == 200


@OFFLINE
@pytest.mark.parametrize(("threads", "count"), [(1, 64), (2, 37)])
def test_an_offline_extractor_is_fast_in_the_same_bits(name, threads, count):
    """Fused activations and parts of a batch side by side, against torch-fidelity's registered network.

    Whole parts of 16 images to the bit; others to rounding, as between batches of different sizes.
    """
    require(name)
    images = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    layers, before = ["1280", "logits"], torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            plain = efficientnet.EfficientNetLite(name, layers)(images)
        torch.set_num_threads(threads)
        fast = extractors.load(name)(images, tuple(layers))
    finally:
        torch.set_num_threads(before)
    for layer, values in zip(layers, plain, strict=True):
        bound = 0.0 if count % 16 == 0 else 1e-4
        torch.testing.assert_close(fast[layer], values, rtol=bound, atol=bound)
