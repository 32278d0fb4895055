"""Checkpoints of mmagic, BigGAN-PyTorch and BigGAN-deep: which network of a file is taken, and what is refused."""

import json
from pathlib import Path

import pytest
import torch
from pydantic import TypeAdapter
from safetensors.torch import load_file

import zoo
from zoo.checkpoints import upstream
from zoo.checkpoints.upstream import importer
from zoo.common.errors import WeightsCorruptedError, ZooError
from zoo.schema import registry
from zoo.schema.architecture import Discriminator, Generator

GOLDEN = Path(__file__).parents[2] / "golden" / "sources"
_ALL = json.loads((GOLDEN / "manifest.json").read_text())["cases"]
CASES = {case["file"]: case["meta"] for case in _ALL if case["kind"].startswith("source_")}
ALL = sorted(name.removesuffix(".safetensors") for name in CASES)


def published(name: str):
    """(state dict as its library wrote it, source, our spec)."""
    meta = CASES[f"{name}.safetensors"]
    tensors = load_file(GOLDEN / f"{name}.safetensors")
    state = {key.removeprefix("state."): tensor for key, tensor in tensors.items() if key.startswith("state.")}
    kind = Generator if "latent_dim" in meta["spec"] else Discriminator
    return state, meta["source"], TypeAdapter(kind).validate_python(meta["spec"])


def test_the_moving_average_is_taken_from_a_whole_checkpoint():
    average, source, spec = published("mmagic_biggan")
    bare = {key.removeprefix("generator_ema.module."): tensor for key, tensor in average.items()}
    others = {f"generator.{key}": torch.randn(tensor.shape) for key, tensor in bare.items()}
    others |= {"discriminator.decision.weight": torch.zeros(3), "generator_ema.steps": torch.tensor(9)}
    whole = {"meta": {"epoch": 1}, "state_dict": {**others, **average}, "optimizer": {}}
    expected = upstream.convert(bare, source, spec)
    for state in (whole, average, {f"generator.{key}": tensor for key, tensor in bare.items()}):
        found = upstream.convert(state, source, spec)
        assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_what_mmagic_converted_from_others_is_not_turned_round():
    state, _, spec = published("mmagic_sngan")
    own, converted = (upstream.convert(state, source, spec) for source in ("mmagic", "mmagic-rgb"))
    different = {key for key in own if not torch.equal(own[key], converted[key])}
    assert different == {"output.weight", "output.bias"}
    assert torch.equal(own["output.weight"].flip(0), converted["output.weight"])


@pytest.mark.parametrize("name", ALL)
def test_a_wrong_or_cut_file_is_refused_in_one_line(name):
    state, source, spec = published(name)
    key = next(key for key in sorted(state) if state[key].ndim > 1)
    without = {k: t for k, t in state.items() if k != key}
    prefix = key[: key.find(".") + 1] if key.startswith("generator_ema.") or source == "mmagic" else ""
    broken = {
        "missing": without,
        "cut": {**state, key: state[key][:-1]},
        "left over": {**state, f"{prefix}another.weight": torch.zeros(2, 2)},
        "not finite": {**state, key: torch.full_like(state[key], torch.nan)},
        "too large for float32": {**state, key: state[key].double() * 1e300},
        "not a tensor": {**state, key: "code"},
    }
    for wrong in broken.values():
        with pytest.raises(WeightsCorruptedError) as caught:
            upstream.convert(wrong, source, spec)
        assert "\n" not in str(caught.value)


def test_a_file_of_another_library_is_refused():
    for name in ALL:
        state, source, spec = published(name)
        for other in {"mmagic", "biggan-pytorch", "biggan-deep", "studiogan"} - {source}:
            with pytest.raises((ZooError, AttributeError)) as caught:
                upstream.convert(state, other, spec)
            assert isinstance(caught.value, ZooError), (name, other, caught.value)


def test_a_hostile_file_is_refused_and_nothing_is_run(tmp_path):
    class Hostile:
        def __reduce__(self):
            return Path(tmp_path / "was-run").touch, ()

    path = tmp_path / "dcgan.pth"
    torch.save({"state_dict": {"generator.noise2feat.conv.weight": Hostile()}}, path)
    name = "dcgan/mnist64"
    zoo.register(registry.config(name).updated({"weights.0.upstream.sha256_start": None}), replace=True)
    with pytest.raises(WeightsCorruptedError, match="nothing was run") as caught:
        importer.import_checkpoint(name, path, tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "was-run").exists()


def test_a_discriminator_that_was_never_published_is_refused_in_one_line():
    config = registry.config("biggan-deep/imagenet128")
    with pytest.raises(ZooError, match="give the config of a generator"):
        upstream.convert({"a": torch.zeros(1)}, "biggan-deep", config.discriminator)


def test_both_networks_of_a_whole_checkpoint_of_mmagic_are_found():
    generator, source, spec = published("mmagic_sngan")
    discriminator, _, other_spec = published("mmagic_sngan_discriminator")
    whole = {"state_dict": {**generator, **discriminator}}
    for part, its_spec in ((generator, spec), (discriminator, other_spec)):
        found, expected = (upstream.convert(state, source, its_spec) for state in (whole, part))
        assert all(torch.equal(found[key], expected[key]) for key in expected)
    with pytest.raises(WeightsCorruptedError, match="does not fit"):
        upstream.convert(generator, source, other_spec)
