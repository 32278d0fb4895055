"""The same images through every FID tool: each row is the tool's own number, from its own command's code on files."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch_fidelity import feature_extractor_inceptionv3 as inceptionv3

import zoo
from zoo import datasets
from zoo.common.errors import ZooError
from zoo.evaluation import fid_tools
from zoo.evaluation.features import extractors
from zoo.evaluation.fid_tools import OURS, TOOLS, Pair

COUNT, WIDTH = 8, 64  # the first pooling's features: the network's stem, at its full size of 299x299
BY_NAME = {tool.name: tool for tool in TOOLS}


@pytest.fixture(scope="module")
def images():
    return zoo.load("infomax-gan/digits", device="cpu").sample(COUNT, seed=0).uint8, datasets.load("digits").images[:10]


@pytest.fixture(scope="module")
def folders(images, tmp_path_factory):
    out = tmp_path_factory.mktemp("pairs")
    for name, pictures in zip(("fake", "real"), images, strict=True):
        (out / name).mkdir()
        for i, image in enumerate(pictures):
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(out / name / f"{i:03d}.png")
    return [str(out / "fake"), str(out / "real")]


@pytest.fixture(scope="module")
def extractor(inception_weights):
    return extractors.load("inception", inception_weights=inception_weights)


@pytest.fixture(scope="module")
def pair(images, inception_weights, extractor):
    return Pair(*images, inception_weights, extractor, torch.device("cpu"), batch_size=10, width=WIDTH)


@pytest.fixture(scope="module")
def number(pair):
    """The number of a tool by its name, measured once; skips where the tool is not installed."""
    found = {}

    def number(name: str) -> float:
        pytest.importorskip(BY_NAME[name].module)
        if name not in found:
            found[name] = fid_tools.measure(BY_NAME[name], pair)
        return found[name]

    return number


def reference_network(weights):
    """torch-fidelity's network on what is at 299x299 already: floats 0 ... 255, scaled by (x - 128) / 128."""
    module = inceptionv3.FeatureExtractorInceptionV3("inception-v3-compat", ["64"], str(weights), verbose=False)

    def features(x):
        x = module.MaxPool_1(module.Conv2d_2b_3x3(module.Conv2d_2a_3x3(module.Conv2d_1a_3x3((x - 128) / 128))))
        return x.mean((2, 3))

    return features


def test_torch_fidelity_s_own_number_is_ours(number, pair, folders):
    import torch_fidelity

    theirs = torch_fidelity.calculate_metrics(
        input1=folders[0],
        input2=folders[1],
        fid=True,
        feature_layer_fid=str(WIDTH),
        feature_extractor_weights_path=str(pair.weights),
        batch_size=10,
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
    )["frechet_inception_distance"]
    assert fid_tools.measure(OURS, pair) == number("torch-fidelity") == theirs


def test_clean_fid_s_own_number(number, pair, folders):
    found = number("clean-fid")
    from cleanfid import fid

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)
        theirs = fid.compare_folders(
            *folders, reference_network(pair.weights), "clean", batch_size=4, device=torch.device("cpu"), verbose=False
        )
    assert found == pytest.approx(theirs, rel=1e-4)


def test_pytorch_fid_s_own_number(number, pair, folders, monkeypatch):
    found = number("pytorch-fid")
    from pytorch_fid import fid_score, inception

    monkeypatch.setattr(
        inception, "load_state_dict_from_url", lambda *_, **__: torch.load(pair.weights, weights_only=True)
    )
    monkeypatch.setattr(fid_score, "tqdm", lambda x: x)
    monkeypatch.setattr("warnings.warn", lambda *_, **__: None)
    theirs = fid_score.calculate_fid_given_paths(folders, 4, "cpu", WIDTH, num_workers=0)
    assert found == pytest.approx(theirs, rel=1e-4)


def test_torchmetrics_own_number(number, pair, images):
    found = number("torchmetrics")
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(WIDTH, feature_extractor_weights_path=str(pair.weights))
    metric.update(images[1], real=True)
    metric.update(images[0], real=False)
    assert found == pytest.approx(float(metric.compute()), rel=1e-4)


def test_the_same_resizing_gives_the_same_number(number):
    """clean-fid's older mode and pytorch-fid resize and scale alike, so only precision is left between them."""
    assert number("clean-fid legacy_pytorch") == pytest.approx(number("pytorch-fid"), rel=1e-3)
    assert number("clean-fid") != pytest.approx(number("pytorch-fid"), rel=1e-3)


def cheap(value: float):
    return lambda pair: value * len(pair.fake) / COUNT


@pytest.fixture
def cheap_tools(monkeypatch, extractor):
    """Two tools without a network, one that breaks, and one that is not installed."""

    def breaks(pair):
        raise TypeError("sqrtm() got an unexpected keyword argument 'disp'\nand more")

    monkeypatch.setattr(extractors, "load", lambda *_, **__: extractor)
    monkeypatch.setattr(fid_tools, "OURS", replace(OURS, fid=cheap(8.0)))
    tools = [
        replace(BY_NAME["torch-fidelity"], fid=cheap(8.0)),
        replace(BY_NAME["torchmetrics"], module="math", distribution="numpy", fid=cheap(9.0)),
        replace(BY_NAME["pytorch-fid"], module="math", distribution="torch", fid=breaks),
        BY_NAME["clean-fid"],
    ]
    monkeypatch.setattr(fid_tools, "TOOLS", tuple(tools))
    monkeypatch.setitem(sys.modules, "cleanfid", None)
    monkeypatch.delitem(sys.modules, "cleanfid.fid", raising=False)


def test_one_table_says_what_differs(cheap_tools, command, inception_weights):
    arguments = ("infomax-gan/digits", "--num-fake", COUNT, "--num-real", 10, "--inception-weights", inception_weights)
    out = command("compare", *arguments, "--device", "cpu")
    assert out.returncode == 0, out.stderr
    rows = {line.split()[0]: line for line in out.stdout.splitlines()[2:]}
    assert "FD (inception-" in out.stdout, "random weights give no FID"
    assert "10 / 8" in rows["zoo"]
    assert "nothing: the same" in rows["torch-fidelity"]
    assert "+1 (+12.50 %)" in rows["torchmetrics"]
    assert "antialiased" in rows["torchmetrics"]
    assert "failed with TypeError: sqrtm() got an unexpected keyword argument 'disp'" in rows["pytorch-fid"]
    assert "not installed; run: pip install 'clean-fid>=" in rows["clean-fid"]
    found = json.loads(command("compare", *arguments, "--device", "cpu", "--json").stdout)
    assert [row["value"] for row in found["rows"]] == [8.0, 8.0, 9.0, None, None]
    assert (found["num_real"], found["num_fake"], found["reference"]) == (10, COUNT, "digits train")


def test_images_of_every_kind_are_the_same_images(cheap_tools, images, folders, inception_weights, tmp_path):
    np.savez(tmp_path / "images.npz", images=images[0].permute(0, 2, 3, 1).numpy())
    options = {"inception_weights": inception_weights, "tools": "torch-fidelity", "device": "cpu"}
    for source in (images[0], folders[0], tmp_path / "images.npz"):
        found = zoo.compare(source, "digits", num_real=10, **options)
        assert [row.value for row in found.rows] == [8.0, 8.0]
    half = zoo.compare(folders[0], folders[1], num_fake=COUNT // 2, **options)
    assert (half.rows[0].value, half.num_real) == (4.0, 10)


def test_what_cannot_be_compared_is_one_line(cheap_tools, command, inception_weights, tmp_path):
    assert "did you mean torchmetrics?" in command("compare", "infomax-gan/digits", "--tools", "torchmetric").stderr
    with pytest.raises(ZooError, match="no tool is called"):
        zoo.compare("infomax-gan/digits", tools=["fid"], inception_weights=inception_weights)
    with pytest.raises(ZooError, match="no tool is named"):
        zoo.compare("infomax-gan/digits", tools=[], inception_weights=inception_weights)
    with pytest.raises(ZooError, match="the Inception weights are not on this machine") as error:
        zoo.compare("infomax-gan/digits")
    assert "--inception-weights" in str(error.value)
    assert "--extractor" not in str(error.value), "an option that zoo compare has not"
    with pytest.raises(ZooError, match="give the real ones as data"):
        zoo.compare(torch.zeros(4, 3, 32, 32, dtype=torch.uint8), inception_weights=inception_weights)


def test_ctrl_c_ends_it_and_progress_counts_each_tool(cheap_tools, inception_weights):
    seen = []

    def stop(title, done, total):
        seen.append((title, done, total))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        zoo.compare("infomax-gan/digits", num_fake=COUNT, inception_weights=inception_weights, progress=stop)
    assert seen == [("infomax-gan/digits", COUNT, COUNT)]
