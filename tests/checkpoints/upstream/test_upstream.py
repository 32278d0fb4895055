"""Published checkpoints: every layout their authors' code makes has a place here, old names too, and nothing else."""

import json
from pathlib import Path

import checkpoints
import pytest
import torch

import zoo
from zoo import nets
from zoo.checkpoints import upstream
from zoo.checkpoints.upstream.importer import import_checkpoint
from zoo.common import files
from zoo.common.errors import ConfigError, WeightsCorruptedError, WeightsUnavailableError, ZooError
from zoo.schema import registry

LAYOUTS = json.loads((Path(__file__).parents[2] / "published" / "state_dict_layouts.json").read_text())
# method, data set or resolution of a layout -> our model; StudioGAN's names of 2021-01 differ from the README's
_STUDIOGAN = {
    "DCGAN": {"CIFAR10": "dcgan-deepconv", "CIFAR100": "dcgan-deepconv", "Tiny_ImageNet": "dcgan-resnet"},
    "WGAN-GP": "wgan-gp-bn",
    "WGAN-WC": "wgan",
    "SNGAN": "sngan-pd",
    "BigGAN-Mod": "biggan",
    "ACGAN-Mod": "acgan",
}


def _meta(layout: str) -> dict[str, torch.Tensor]:
    shapes = LAYOUTS["layouts"][layout]["tensors"]
    return {
        name: torch.zeros(shape, dtype=torch.int64 if name.endswith("num_batches_tracked") else torch.float32)
        for name, shape in shapes.items()
    }


MIMICRY = [model for model in LAYOUTS["models"] if model["repo"] == "kwotsin/mimicry"]
STUDIOGAN = [model for model in LAYOUTS["models"] if model["repo"] != "kwotsin/mimicry"]


def _id(model: dict) -> str:
    return "-".join(str(model[key]) for key in ("commit", "method", "dataset", "resolution", "network") if key in model)


@pytest.mark.parametrize("model", MIMICRY, ids=_id)
def test_every_layout_of_mimicry_converts(model):
    state = _meta(model["layout"])
    classes = next((t.shape[0] for name, t in state.items() if "embed" in name or name.startswith("l_y")), 0)
    make = upstream.mimicry.generator if model["network"] == "G" else upstream.mimicry.discriminator
    spec = make(model["class"], num_classes=classes)
    upstream.convert({"model_state_dict": state}, "mimicry", spec)


@pytest.mark.parametrize("model", STUDIOGAN, ids=_id)
def test_every_layout_of_studiogan_converts(model):
    method = _STUDIOGAN.get(model["method"], model["method"].lower())
    if isinstance(method, dict):
        method = method[model["dataset"]]
    dataset = {"CIFAR10": "cifar10", "CIFAR100": "cifar100", "Tiny_ImageNet": "tiny-imagenet"}[model["dataset"]]
    config = registry.config(f"{method}/{dataset}")
    state = _meta(model["layout"])
    spec = config.generator
    if model["network"] == "D":
        bias = "linear4.bias" in state  # the class layer of January 2021 had one
        spec = config.updated({"discriminator.head.bias": True}).discriminator if bias else config.discriminator
    upstream.convert({"state_dict": {f"module.{name}": t for name, t in state.items()}}, "studiogan", spec)


def _random_state(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: torch.randn_like(t) if t.is_floating_point() else t for name, t in network.state_dict().items()}


def test_studiogan_names_of_2021_give_the_same_generator():
    """Embeddings (classes, channels) became linear layers: transposed, u and v swapped (conversions in the layouts)."""
    spec = registry.config("sagan/cifar10").updated({"generator.channels": [16] * 4}).generator
    ours = _random_state(nets.build_generator(spec))
    today, old = {}, {}
    for name, sources in upstream.studiogan.generator_keys(spec).sources.items():
        if name not in ours:
            continue
        today[next(s.name for s in sources if "embed" not in s.name)] = ours[name]
        before = next((s for s in sources if "embed" in s.name), None)
        if before is None:
            old[sources[0].name] = ours[name]
        else:
            old[before.name] = before.reshape(ours[name]) if before.reshape else ours[name]
    for state in (today, old):
        converted = upstream.convert(state, "studiogan", spec)
        assert all(torch.equal(converted[name], ours[name]) for name in ours)


@pytest.mark.parametrize("name", ["projgan/cifar10", "projgan-sndcgan/cifar10"])
def test_the_shared_embedding_of_early_2022_is_folded(name):
    """Gain and bias of a class are W e(y); a spectral norm of W, or another W, is not folded but refused."""
    config = checkpoints.narrow(name)
    current = checkpoints.foreign_state(config, "studiogan")
    folded = [key for key in current if ".gain.weight" in key or ".bias.weight" in key]
    assert folded
    embedding = torch.randn(10, 128, dtype=torch.float64)
    state = {**current, "shared.weight": embedding.float()}
    for key in folded:  # (channels, classes) = W E^T has a solution, as E has full rank
        state[key] = (torch.linalg.pinv(embedding) @ current[key].double().t()).t().float()
    expected = upstream.convert(current, "studiogan", config)
    found = upstream.convert(state, "studiogan", config)
    for key, tensor in expected.items():
        torch.testing.assert_close(found[key], tensor, rtol=1e-4, atol=1e-5)
    state[folded[0]] = state[folded[0]][:, 1:]
    with pytest.raises(WeightsCorruptedError, match="does not make"):
        upstream.convert(state, "studiogan", config)


@pytest.fixture
def mimicry_state():
    """A state dict as Mimicry's SNGANGenerator32 would save it, by reading the key map backwards."""
    config = registry.config("infomax-gan/cifar10")
    ours = _random_state(nets.build_generator(config.generator))
    sources = upstream.mimicry.generator_keys(config.generator).sources
    return {next(s.name for s in sources[name] if "orig" not in s.name): t for name, t in ours.items()}


def test_missing_left_over_and_misshapen_tensors_are_all_reported(mimicry_state):
    spec = registry.config("infomax-gan/cifar10").generator
    del mimicry_state["l1.bias"]
    mimicry_state["extra.weight"] = torch.zeros(1)
    mimicry_state["c5.weight"] = torch.zeros(3, 8, 3, 3)
    mimicry_state["c5.bias"] = mimicry_state["c5.bias"].int()
    with pytest.raises(WeightsCorruptedError) as error:
        upstream.convert(mimicry_state, "mimicry", spec)
    for part in ("input.bias", "extra.weight has no place", "c5.weight is (3, 8, 3, 3)", "c5.bias is torch.int32"):
        assert part in str(error.value)
    with pytest.raises(ConfigError, match="mimicry, studiogan"):
        upstream.convert(mimicry_state, "stylegan", spec)
    with pytest.raises(ConfigError, match="known families"):
        upstream.mimicry.generator("StyleGANGenerator32")


def test_import_makes_the_name_loadable(mimicry_state, tmp_path):
    path = tmp_path / "netG.pth"
    torch.save({"model_state_dict": mimicry_state, "optimizer_state_dict": {}, "global_step": 100000}, path)
    cache = tmp_path / "cache"
    with pytest.raises(WeightsUnavailableError, match="zoo import infomax-gan/cifar10@mimicry --from FILE"):
        zoo.load("infomax-gan/cifar10", cache_dir=cache)
    target = import_checkpoint("InfoMaxGAN-CIFAR10", tmp_path, cache)
    model = zoo.load("infomax-gan/cifar10@mimicry", cache_dir=cache)
    assert torch.equal(model.generator.state_dict()["input.weight"], mimicry_state["l1.weight"])
    with pytest.raises(ZooError, match="--force"):
        import_checkpoint("infomax-gan/cifar10", path, cache)
    assert import_checkpoint("infomax-gan/cifar10", path, cache, force=True) == target
    assert files.sha256(path) in target.read_bytes()[:4096].decode("latin-1"), "the original's sha256 is on record"


def test_unsafe_or_wrong_files_are_refused(tmp_path):
    evil = tmp_path / "netG.pth"
    torch.save({"model_state_dict": torch.nn.Linear(2, 2)}, evil)  # a whole module: code, not tensors
    with pytest.raises(WeightsCorruptedError, match="opened safely"):
        import_checkpoint("infomax-gan/cifar10", evil, tmp_path / "cache")
    with pytest.raises(WeightsUnavailableError, match="does not exist"):
        import_checkpoint("infomax-gan/cifar10", tmp_path / "no.pth", tmp_path / "cache")
    with pytest.raises(WeightsUnavailableError, match="null is a pipe, a socket or a device"):
        import_checkpoint("infomax-gan/cifar10", "/dev/null", tmp_path / "cache")
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsUnavailableError, match="none of the 0 files"):
        import_checkpoint("infomax-gan/celeba64", tmp_path / "empty", tmp_path / "cache")
    with pytest.raises(WeightsUnavailableError, match="is not imported"):
        import_checkpoint("contragan/digits", evil, tmp_path / "cache")
    assert not (tmp_path / "cache").exists(), "nothing half-written"
