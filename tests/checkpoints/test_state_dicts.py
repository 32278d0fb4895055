"""A state dict is read whatever wrapped its network and whatever the defaults are, if its values are numbers."""

from __future__ import annotations

import copy
import time

import checkpoints
import pytest
import torch
from hostile_defaults import HOSTILE
from narrow import tiny
from torch import nn

import zoo
from zoo import nets
from zoo.checkpoints import upstream, weights
from zoo.checkpoints.discriminators import OfFolder
from zoo.checkpoints.state_dicts import check_finite, load_into
from zoo.checkpoints.tensor_names import unwrapped
from zoo.checkpoints.upstream.importer import import_checkpoint
from zoo.common import files
from zoo.common.errors import WeightsCorruptedError
from zoo.release.export import export_folder
from zoo.sampling.discriminator_methods import load_discriminator
from zoo.sampling.gan import GAN
from zoo.schema import registry

SGAN = "sagan/cifar10"  # batch norm, spectral norm and attention


def _spec(name: str):
    return tiny(registry.config(name))


def _equal(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# -------------------------------------------------------------------------------------------------- wrapped networks


def _compiled_part(network: nn.Module) -> nn.Module:
    """As `torch.compile` or FSDP of a part leaves the names, without compiling."""
    network.blocks[0] = _Wrapper("_orig_mod", network.blocks[0])
    network.blocks[1] = _Wrapper("_fsdp_wrapped_module", _Wrapper("_checkpoint_wrapped_module", network.blocks[1]))
    return network


class _Wrapper(nn.Module):
    def __init__(self, name: str, network: nn.Module):
        super().__init__()
        self.add_module(name, network)


WRAPPED = {
    "DataParallel": nn.DataParallel,
    "compiled": torch.compile,  # only named so: nothing is compiled before a forward
    "average": torch.optim.swa_utils.AveragedModel,
    "average of a compiled, in parallel": lambda n: nn.DataParallel(
        torch.optim.swa_utils.AveragedModel(torch.compile(n))
    ),
    "compiled in parallel, twice": lambda n: torch.compile(nn.DataParallel(torch.compile(nn.DataParallel(n)))),
    "parts": _compiled_part,
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
@pytest.mark.parametrize("part", ["generator", "discriminator"])
def test_prefixes_come_off_in_every_reader(wrap, part, tmp_path):
    spec = getattr(_spec(SGAN), part)
    network = (nets.build_generator if part == "generator" else nets.build_discriminator)(spec)
    bare = copy.deepcopy(network).state_dict()
    wrapped = wrap(network).state_dict()
    assert wrapped.keys() != bare.keys()
    files.save(tmp_path / "x.safetensors", {name: tensor.clone() for name, tensor in wrapped.items()})
    loaded = (nets.build_generator if part == "generator" else nets.build_discriminator)(spec, device="meta")
    load_into(loaded, weights.read(tmp_path / "x.safetensors"), "x")
    assert _equal(loaded.state_dict(), bare)


def test_prefixes_come_off_foreign_names():
    config = checkpoints.narrow("sngan/cifar10")
    ours, theirs = checkpoints.random_state(config), checkpoints.foreign_state(config, "mimicry")
    state = {f"_orig_mod.module.{name.replace('block2.', 'block2._orig_mod.')}": t for name, t in theirs.items()}
    assert _equal(upstream.convert({"model_state_dict": state}, "mimicry", config), ours)


def test_wrapped_weights_of_ones_own_load_by_name(tmp_path):
    model = zoo.load("infomax-gan/digits", device="cpu")
    state = {f"module._orig_mod.{name}": t for name, t in model.generator.state_dict().items()}
    files.save(tmp_path / "mine.safetensors", state | {"n_averaged": torch.tensor(3)})
    again = zoo.load("infomax-gan/digits", weights=tmp_path / "mine.safetensors", device="cpu")
    assert torch.equal(again.sample(2, seed=0).uint8, model.sample(2, seed=0).uint8)


def test_an_export_writes_bare_names(tmp_path):
    config = _spec("sngan/cifar10").updated({"weights": [], "default_tag": None, "published": []})
    model = GAN(config, nets.build_generator(config.generator), device="cpu")
    discriminator = nn.DataParallel(nets.build_discriminator(config.discriminator))
    out = export_folder(model, tmp_path / "out", discriminator=discriminator)
    assert weights.read(out / "discriminator.safetensors").keys() == discriminator.module.state_dict().keys()
    assert _equal(zoo.load(out, device="cpu").discriminator.state_dict(), discriminator.module.state_dict())


def test_two_names_that_become_one_are_refused():
    one = torch.ones(1)
    with pytest.raises(WeightsCorruptedError, match=r"x holds two networks: a\.b and module\.a\.b are"):
        unwrapped({"a.b": one, "module.a.b": one}, "x")
    with pytest.raises(WeightsCorruptedError, match="called 3"):
        unwrapped({3: one}, "x")
    assert unwrapped({"module": one, "a.module": one}, "x").keys() == {"module", "a.module"}


def test_without_a_count_of_batches():
    spec = _spec(SGAN).generator
    state = nets.build_generator(spec).state_dict()
    old = {name: t for name, t in state.items() if not name.endswith("num_batches_tracked")}
    assert len(old) < len(state)
    loaded = nets.build_generator(spec, device="meta")
    load_into(loaded, old, "x")
    assert _equal(loaded.state_dict(), state)
    config = checkpoints.narrow("sngan/cifar10")
    theirs = checkpoints.foreign_state(config, "mimicry")
    theirs = {name: t for name, t in theirs.items() if not name.endswith("num_batches_tracked")}
    assert _equal(upstream.convert(theirs, "mimicry", config), checkpoints.random_state(config))


def test_a_discriminator_with_buffers_that_no_file_holds_loads(tmp_path):
    """Mimicry's SSGAN has vectors of spectral norm that every forward computes anew."""
    config = _spec("ssgan/cifar10")
    network = nets.build_discriminator(config.discriminator).eval()
    files.save(tmp_path / "discriminator.safetensors", network.state_dict())
    loaded = load_discriminator(config, OfFolder(tmp_path / "model.safetensors"))
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(loaded(images).logits, network(images).logits)


# -------------------------------------------------------------------------------------------- values that are numbers


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_finite_is_finite_in_every_precision(dtype):
    largest = torch.full((1000,), torch.finfo(dtype).max, dtype=dtype)  # the sum overflows, the values do not
    check_finite({"a": largest, "b": torch.zeros(0, dtype=dtype), "c": torch.ones((), dtype=torch.int64)}, "x")
    for bad in (float("nan"), float("inf"), -float("inf")):
        with pytest.raises(WeightsCorruptedError, match=r"x\.pth .*not numbers.* in deep\.name;"):
            check_finite({"a": largest, "deep.name": torch.tensor([0, bad, 1], dtype=dtype)}, "x.pth")
    both = torch.tensor([float("inf"), -float("inf")], dtype=dtype)
    with pytest.raises(WeightsCorruptedError):
        check_finite({"a": both}, "x")


def test_looking_costs_next_to_nothing():
    state = {str(i): torch.ones(1 << 20) for i in range(16)}  # 64 MB
    begin = time.monotonic()
    check_finite(state, "x")
    assert time.monotonic() - begin < 0.5


def test_an_import_refuses_what_is_not_a_number(tmp_path):
    state = checkpoints.foreign_state(registry.config("infomax-gan/cifar10"), "mimicry")
    state["block2.c1.weight"][0, 0, 0, 0] = float("nan")
    for name, saved in (("netG.pth", {"model_state_dict": {f"module.{n}": t for n, t in state.items()}}),):
        torch.save(saved, tmp_path / name)
        with pytest.raises(WeightsCorruptedError, match=r"netG\.pth .*not numbers.* in module\.block2\.c1\.weight"):
            import_checkpoint("infomax-gan/cifar10@mimicry", tmp_path / name, tmp_path / "cache")
    files.save(tmp_path / "netG.safetensors", state)
    with pytest.raises(WeightsCorruptedError, match=r"netG\.safetensors .* in block2\.c1\.weight"):
        import_checkpoint("infomax-gan/cifar10@mimicry", tmp_path / "netG.safetensors", tmp_path / "cache")
    with pytest.raises(WeightsCorruptedError, match=r"block2\.c1\.weight"):
        upstream.convert(state, "mimicry", registry.config("infomax-gan/cifar10"))
    assert not (tmp_path / "cache").exists()


def test_a_diverged_model_is_not_written(tmp_path):
    config = _spec("sngan/cifar10").updated({"weights": [], "default_tag": None, "published": []})
    generator, discriminator = nets.build_generator(config.generator), nets.build_discriminator(config.discriminator)
    bad = {**discriminator.state_dict(), "heads.logit.bias": torch.tensor([float("inf")])}
    with pytest.raises(WeightsCorruptedError, match=r"the discriminator of sngan/cifar10 .* heads\.logit\.bias"):
        export_folder(GAN(config, generator, device="cpu"), tmp_path / "out", discriminator=bad)
    generator.output.bias.data[0] = 1e6
    with pytest.raises(WeightsCorruptedError, match="too large for float16; write it as float32"):
        export_folder(GAN(config, generator, device="cpu"), tmp_path / "out", dtype="float16")
    generator.output.bias.data[0] = float("nan")
    with pytest.raises(WeightsCorruptedError, match=r"output\.bias"):
        GAN(config, generator, device="cpu").save_pretrained(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_discriminator_that_is_not_a_number_is_not_loaded(tmp_path):
    config = _spec("sngan/cifar10")
    state = nets.build_discriminator(config.discriminator).state_dict()
    state["blocks.0.conv1.bias"][:] = float("nan")
    files.save(tmp_path / "discriminator.safetensors", state)
    with pytest.raises(WeightsCorruptedError, match=r"discriminator\.safetensors .* in blocks\.0\.conv1\.bias"):
        load_discriminator(config, OfFolder(tmp_path / "model.safetensors"))


# ------------------------------------------------------------------------------------------------ hostile defaults


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """(config of a generator, its checkpoint as a pickle, the bytes that an import writes in a quiet process)."""
    folder = tmp_path_factory.mktemp("published")
    config = checkpoints.with_weights(
        checkpoints.narrow("sngan/cifar10"),
        upstream={"source": "mimicry", "google_drive_file": "1" * 30, "path": "netG.pth"},
    )
    torch.save({"model_state_dict": checkpoints.foreign_state(config, "mimicry")}, folder / "netG.pth")
    return config, folder / "netG.pth", _imported(config, folder / "netG.pth", folder / "cache")


def _imported(config, source, cache) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "config", lambda _: config)
        return import_checkpoint("sngan/cifar10", source, cache).read_bytes()


@pytest.mark.parametrize("state", HOSTILE)
def test_an_import_writes_the_same_bytes_under_any_defaults(state, published, tmp_path):
    config, source, expected = published
    with HOSTILE[state]():
        written = _imported(config, source, tmp_path)
    assert written == expected
    ours = checkpoints.random_state(config)
    assert _equal(weights.read(next(tmp_path.glob("weights/*/*/*.safetensors"))), ours), "bit for bit"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder of a small generator and its discriminator, in half precision."""
    config = _spec(SGAN).updated({"weights": [], "default_tag": None, "published": []})
    model = GAN(config, nets.build_generator(config.generator), device="cpu")
    discriminator = nets.build_discriminator(config.discriminator)
    return export_folder(
        model, tmp_path_factory.mktemp("exported") / "out", discriminator=discriminator, dtype="float16"
    )


@pytest.mark.parametrize("state", HOSTILE)
def test_weights_load_as_float32_that_can_be_trained(state, exported):
    with HOSTILE[state]():
        model = zoo.load(exported, device="cpu", discriminator=True)
        networks = {"model": model.generator, "discriminator": model.discriminator}
    for file, network in networks.items():
        stored = weights.read(exported / f"{file}.safetensors")
        for name, tensor in network.state_dict().items():
            assert tensor.device.type == "cpu"
            assert not tensor.is_inference()
            assert tensor.dtype == (torch.float32 if stored[name].is_floating_point() else torch.int64)
            assert torch.equal(tensor, stored[name].to(tensor.dtype))
    parameter = next(model.discriminator.parameters()).requires_grad_(True)
    model.discriminator(torch.zeros(1, 3, 32, 32), torch.zeros(1, dtype=torch.int64)).logits.sum().backward()
    assert parameter.grad.isfinite().all()
    with torch.no_grad():
        parameter.add_(1)
    assert parameter._version > 0


def _built() -> list[dict]:
    torch.manual_seed(0)
    configs = [registry.config(name).at_width(8) for name in (SGAN, "biggan/cifar10", "dcgan-deepconv/cifar10")]
    networks = [nets.build_generator(config.generator) for config in configs]
    networks += [nets.build_discriminator(config.discriminator) for config in configs]
    return [network.state_dict() for network in networks]


@pytest.fixture(scope="module")
def quiet():
    return _built()


@pytest.mark.parametrize("state", HOSTILE)
def test_networks_are_built_alike_under_any_defaults(state, quiet):
    with HOSTILE[state]():
        found = _built()
    for one, other in zip(quiet, found, strict=True):
        assert _equal(one, other)
        assert {t.dtype for t in other.values() if t.is_floating_point()} == {torch.float32}
        assert not any(t.is_inference() for t in other.values())
