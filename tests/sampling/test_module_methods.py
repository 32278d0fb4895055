"""A model has the methods of a PyTorch module, and its images are those of the weights that it has."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize, prune

import zoo
from zoo.common.errors import WeightsCorruptedError, ZooError

BUNDLED = zoo.list_models(available="offline")


def small(weights="default"):
    return zoo.load("contragan/digits", weights, device="cpu")


def images_of(model, n=2):
    return model.sample(n, seed=0, exact=True).uint8


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_model_has_every_method(name):
    model = zoo.load(name, device="cpu")
    before = images_of(model)
    assert repr(model).startswith(f"GAN({name}@zoo, {model.resolution}x{model.resolution}")
    assert f"from {name.replace('/', '-')}.safetensors, bundled" in repr(model), "no path of this machine"
    assert model.num_parameters() == sum(p.numel() for p in model.parameters()) > 1e5
    assert model.num_parameters(only_trainable=True) == 0
    assert model.state_dict().keys() == model.generator.state_dict().keys()
    for move in (model.to, model.cpu, model.half, model.bfloat16, model.float, model.eval, model.train):
        assert move(*(["cpu"] if move == model.to else [])) is model
    assert model.training
    assert torch.equal(images_of(model), before), "training mode does not change what sample shows"
    assert model.num_parameters(only_trainable=True) == model.num_parameters()
    y = 0 if model.num_classes else None
    z = model.eval().latents(2, seed=0).requires_grad_()
    images = model.generate(z, y, grad=True)
    assert images.shape == (2, 3, model.resolution, model.resolution)
    torch.testing.assert_close(images.detach(), model.generate(z.detach(), y), atol=2e-5, rtol=0)
    torch.testing.assert_close(model(z, y), images)
    images.square().sum().backward()
    assert z.grad.abs().sum() > 0
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert model.config.num_classes == 0 or len(model.class_names) == len(model.label_map) == model.num_classes
    if model.has_discriminator:
        assert model.score(before, y).shape == (2,)
        assert model.features(before).shape[0] == 2
        assert model.discriminator(images.detach(), torch.zeros(2, dtype=torch.int64)).logits.shape == (2,)


def test_precision_is_that_of_the_computation_and_nothing_is_lost():
    model = small()
    exact = images_of(model)
    for move, dtype in ((model.half, torch.float16), (model.bfloat16, torch.bfloat16)):
        move()
        assert model.dtype == dtype
        assert not torch.equal(images_of(model), exact)
        assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert torch.equal(images_of(model.float()), exact)
    assert model.to("cpu", torch.float16).dtype == torch.float16
    assert model.to(dtype="fp32", device=torch.device("cpu")).precision == "float32"
    assert model.to(torch.zeros(1, dtype=torch.bfloat16)).precision == "bfloat16"
    assert torch.equal(images_of(model.to(small())), exact), "to another model's device and precision"
    assert torch.equal(images_of(model.to("tf32")), exact), "which a CPU does not have"
    for wrong in ("warp-drive", "float64", torch.int8, [1], None):
        with pytest.raises(ZooError):
            model.to(wrong)
    with pytest.raises(ZooError, match="fuse=True"):
        zoo.load("contragan/digits", fuse=False, device="cpu").half()


CHANGES = {
    "in place": lambda g: g.output.bias.add_(0.5),
    "through data": lambda g: g.output.bias.data.add_(0.5),
    "other data": lambda g: setattr(g.output.bias, "data", g.output.bias.data + 0.5),
    "another parameter": lambda g: setattr(g.output, "bias", nn.Parameter(g.output.bias + 0.5)),
    "a buffer": lambda g: g.norm.running_mean.add_(0.5),
    "another module": lambda g: setattr(g, "norm", nn.Identity()),
    "a hook": lambda g: g.output.register_forward_hook(lambda *given: given[-1] * 0.5),
    "a state dict": lambda g: g.load_state_dict({k: v * 0.5 for k, v in g.state_dict().items()}),
    "pruning": lambda g: prune.l1_unstructured(g.input, "weight", 0.5),
    "a parametrisation": lambda g: parametrize.register_parametrization(g.output, "bias", nn.Softplus()),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["infomax-gan/digits", "contragan/digits"])
def test_sample_shows_a_change_of_the_weights(name, change):
    model = zoo.load(name, device="cpu")
    before = images_of(model)
    with torch.no_grad():
        CHANGES[change](model.generator)
    plain = zoo.GAN(model.config, model.generator, device="cpu", fuse=False)
    after = images_of(model)
    assert not torch.equal(after, before)
    assert (after.int() - images_of(plain).int()).abs().max() <= 1
    assert model.is_changed
    assert model.tag is None
    assert "changed" in repr(model)


def test_sample_follows_training_step_by_step_and_unchanged_weights_are_not_prepared_again():
    model = small().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    seen = [images_of(model)]
    for _ in range(2):
        model(model.latents(4, seed=1), [0, 1, 2, 3]).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        seen.append(images_of(model))
    assert not torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[1], seen[2])
    made = model._renderer
    images_of(model)
    assert model._renderer is made


def test_parameters_ask_for_gradients_when_the_user_says_so():
    model = small()
    assert not any(p.requires_grad for p in model.parameters())
    model.train()
    model.generator.input.requires_grad_(False)
    model.eval().train()
    assert not model.generator.input.weight.requires_grad, "a frozen layer stays frozen"
    assert model.generator.output.weight.requires_grad
    assert model.requires_grad_(False).num_parameters(only_trainable=True) == 0


def test_another_generator_takes_the_place_of_the_first():
    model, other = small(), small("random")
    model.generator = other.generator
    assert torch.equal(images_of(model), images_of(other))
    assert model.tag is None
    assert model.provenance["changed_from"] == '{"name": "contragan/digits", "tag": "zoo"}'
    with pytest.raises(ZooError, match="give a module"):
        model.generator = other.state_dict()


def test_a_state_dict_goes_in_and_out_whatever_wrapped_the_network():
    trained, model = small(), small("random")
    wrapped = {f"module._orig_mod.{name}": t for name, t in trained.state_dict().items()}
    parameter = next(model.parameters())
    assert model.load_state_dict(wrapped) is model
    assert torch.equal(images_of(model), images_of(trained))
    assert next(model.parameters()) is parameter, "an optimiser that has it keeps it"
    with pytest.raises(WeightsCorruptedError, match="does not fit"):
        model.load_state_dict({"output.weight": torch.zeros(1)})
    for no_state in ("weights.safetensors", None, list(wrapped)):
        with pytest.raises(WeightsCorruptedError, match="give the state dict of a network"):
            model.load_state_dict(no_state)
    last = "output.weight" if "output.weight" in trained.state_dict() else list(trained.state_dict())[-1]
    for no_values in (torch.zeros_like(wrapped[f"module._orig_mod.{last}"], device="meta"), 3):
        with pytest.raises(WeightsCorruptedError, match="no dense tensor"):
            model.load_state_dict(small("random").state_dict() | {last: no_values})
    assert torch.equal(images_of(model), images_of(trained)), "nothing is changed by a state dict that is refused"


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_has_the_images_and_the_claims_of_its_original(duplicate):
    model = small()
    same = duplicate(model)
    assert torch.equal(images_of(same), images_of(model))
    assert same.tag == "zoo"
    with torch.no_grad():
        model.generator.output.weight.mul_(0.5)
    changed = duplicate(model)
    assert torch.equal(images_of(changed), images_of(model))
    assert changed.tag is None
    assert changed.provenance == model.provenance
    assert "changed" in repr(changed)


def test_the_hash_tells_models_apart():
    def of(model):
        return repr(model).split("weights ")[1].split()[0]

    model = small()
    assert of(model) == of(small()) != of(small("random"))
    first = of(model)
    with torch.no_grad():
        model.generator.output.weight.mul_(2)
    assert of(model) != first


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_named(value, tmp_path):
    from safetensors.torch import save_file

    tensors = {name: t.clone() for name, t in small().state_dict().items()}
    tensors["output.bias"][0] = value
    save_file(tensors, tmp_path / "bad.safetensors")
    model = zoo.load("contragan/digits", tmp_path / "bad.safetensors", device="cpu")
    for use in (lambda: model.sample(1), lambda: model.generator, lambda: model.half(), lambda: model.parameters()):
        with pytest.raises(WeightsCorruptedError, match=r"bad\.safetensors .* in output\.bias"):
            use()
    assert "bad.safetensors" in repr(model)
    model = small()
    model.generator.output.bias.data[0] = value
    with pytest.raises(WeightsCorruptedError, match=r"output\.bias"):
        model.sample(1)


def test_images_and_latents_that_are_no_numbers_are_refused():
    model = zoo.load("infomax-gan/digits", device="cpu")
    for z in ("", b"x", {}, [[1.0], [1.0, 2.0]]):
        with pytest.raises(ZooError, match="give a tensor or an array of latents"):
            model.generate(z)
    with pytest.raises(ZooError, match="z holds values"):
        model.generate(torch.full((1, model.latent_dim), float("nan")))
    with torch.no_grad():
        model.generator.input.weight.mul_(1e30)
        model.generator.output.weight.mul_(1e30)
    for use in (lambda: model.sample(1, seed=0), lambda: model.generate(model.latents(1, 0))):
        with pytest.raises(ZooError, match="NaN or infinite in float32"):
            use()


def test_latents_and_labels_in_any_form():
    model = small()
    z = model.latents(2, seed=0)
    expected = model.generate(z, [3, 3])
    for given in (z.numpy(), z.double(), z.tolist(), z.half().float() * 0 + z):
        for y in (3, np.uint8(3), torch.tensor(3, dtype=torch.int8), np.array([3, 3], dtype=np.uint8)):
            assert torch.equal(model.generate(given, y), expected)


def test_fine_tuning_with_gradients_only_where_asked():
    model = small()
    z = model.latents(2, seed=0)
    assert not model.generate(z, 3, grad=True).requires_grad
    assert not model.generate(z.requires_grad_(), 3).requires_grad
    with torch.inference_mode():
        made = model.latents(2, seed=0)
    assert model.generate(made.requires_grad_(), 3, grad=True).requires_grad


def test_the_network_is_called_with_latents_in_any_form():
    model = small()
    z = model.latents(3, 0)
    for same in (z.numpy(), z.tolist(), z.double()):
        assert torch.equal(model(same, 1), model(z, 1))
    for wrong in ("z", None, torch.zeros(3, 1), z[0]):
        with pytest.raises(ZooError, match=r"^z is "):
            model(wrong, 1)


@pytest.mark.parametrize("kind", [lambda z: z.to("meta"), lambda z: z.to_sparse(), lambda z: z.to(torch.complex64)])
def test_latents_without_real_values_are_refused(kind):
    with pytest.raises(ZooError, match="give dense real numbers"):
        small().generate(kind(small().latents(2, 0)), 1)


def test_gradients_by_torch_func_are_those_of_backward():
    model = small()
    z = model.latents(3, 0).requires_grad_()
    model(z, 1).square().sum().backward()
    for images in (lambda z: model(z, 1), lambda z: model.generate(z, 1, grad=True)):
        gradient = torch.func.grad(lambda z, images=images: images(z).square().sum())(z.detach())
        assert torch.allclose(gradient, z.grad, rtol=1e-4, atol=1e-6)
