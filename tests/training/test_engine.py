"""What makes a step fast does not change it: folded convolutions, grouped forwards, batched iterations, prefetching."""

import copy

import pytest
import torch
import torch.nn.functional as F
from narrow import short
from test_capture import NAMES

from training import data
from training.data import Batches
from training.engine import Engine
from training.networks import Networks
from zoo import datasets, nets
from zoo.nets.batch_norm import BatchNorm2d
from zoo.nets.resample import Resampling, pooling_kernel, upsampling_kernel
from zoo.schema import registry


def some_batches(config, n: int = 24, **options) -> Batches:
    torch.manual_seed(2)
    side, classes = config.data.resolution, max(config.num_classes, 1)
    images = torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8)
    return Batches(config, datasets.Dataset(images, torch.arange(n) % classes, classes), 0, **options)


def after_a_step(config, **options) -> tuple[dict, dict]:
    """Metrics and state of a fresh engine after one generator step."""
    torch.manual_seed(1)
    networks = Networks.build(config)
    for network in (networks.generator, networks.discriminator):
        nets.settle_spectral_norm(network, 100)  # one pass for two has the sigma of the second: equal where it settled
    metrics = Engine(config, networks, **options).step(*some_batches(config).of_step(0), 0)
    state = {f"G/{k}": v for k, v in networks.generator.state_dict().items()}
    return metrics, state | {f"D/{k}": v for k, v in networks.discriminator.state_dict().items()}


@pytest.mark.parametrize("bilinear", [False, True])
@pytest.mark.parametrize("size", [1, 3])
def test_folded_convolutions_have_the_same_values_and_gradients(size, bilinear):
    mode = "bilinear" if bilinear else "nearest"
    block = Resampling()
    conv = nets.layers.Layers(True, 1e-12).conv(3, 5, size).double().eval()
    results = []
    for block.folds in (False, True):
        x = torch.linspace(-1, 1, 2 * 3 * 6 * 8, dtype=torch.float64).view(2, 3, 6, 8).sin().requires_grad_()
        up, down = block.upsampled_conv(conv, x, mode), block.pooled_conv(conv, x)
        assert up.shape == (2, 5, 12, 16)
        assert down.shape == (2, 5, 3, 4)
        total = (up.square().sum() + down.pow(3).sum()) / 10
        results.append((up, down, *torch.autograd.grad(total, (x, conv.weight, conv.bias))))
    for stated, folded in zip(*results, strict=True):
        assert torch.allclose(stated, folded, rtol=1e-11, atol=1e-11)


def test_kernels_against_the_definitions():
    weight = torch.randn(5, 3, 3, 3, dtype=torch.float64)
    x = torch.randn(2, 3, 6, 8, dtype=torch.float64)
    up = F.conv2d(F.interpolate(x, scale_factor=2), weight, padding=1)
    assert torch.allclose(F.conv_transpose2d(x, upsampling_kernel(weight), None, 2, 1), up, atol=1e-12)
    down = F.avg_pool2d(F.conv2d(x, weight, padding=1), 2)
    assert torch.allclose(F.conv2d(x, pooling_kernel(weight), None, 2, 1), down, atol=1e-12)


@pytest.mark.parametrize("name", ["infomax-gan/cifar10", "contragan/cifar10", "contragan-sndcgan/cifar10"])
@pytest.mark.parametrize("option", ["together", "fold_resampling"])
def test_a_step_is_the_same_step(name, option):
    config = short(name, **{"training.discriminator_steps": 3})
    (a_metrics, a), (b_metrics, b) = (after_a_step(config, **{option: chosen}) for chosen in (False, True))
    for key, value in a_metrics.items():
        assert torch.allclose(value, b_metrics[key], rtol=1e-4, atol=1e-4), key
    # Adam moves an element whose gradient is rounding noise by its whole learning rate, either way
    reach = 2 * 3 * config.training.optimizer.discriminator_lr
    for key, value in a.items():
        assert torch.allclose(value.float(), b[key].float(), rtol=1e-3, atol=reach + 1e-5), key


@pytest.mark.parametrize("name", sorted(NAMES.values()))
def test_one_pass_of_real_and_generated_images_is_two(name):
    """For every objective: its losses, gradients and spectral norm vectors; with batch norm it stays two passes."""
    config = short(name)
    reals, fakes = some_batches(config).of_step(0)
    results, passes = [], []
    for together in (False, True):
        torch.manual_seed(1)
        networks = Networks.build(config)
        discriminator = networks.discriminator
        nets.settle_spectral_norm(discriminator, 300)
        seen = []
        discriminator.register_forward_pre_hook(lambda *_, seen=seen: seen.append(1))
        metrics = Engine(config, networks, together=together).discriminator_step(*reals[0], *fakes[0])
        gradients = {key: p.grad for key, p in discriminator.named_parameters() if p.grad is not None}
        results.append((metrics, gradients, dict(discriminator.named_buffers())))
        passes.append(len(seen))
    assert passes[0] - passes[1] == (0 if nets.has_batch_norm(discriminator) else 1)
    for two, one in zip(*results, strict=True):
        assert two.keys() == one.keys()
        largest = max((value.abs().max() for value in two.values()), default=torch.tensor(0.0))
        for key, value in two.items():
            assert torch.allclose(value.float(), one[key].float(), rtol=1e-3, atol=1e-4 * float(largest) + 1e-6), key


def test_one_pass_makes_the_iterations_of_two():
    """Also where the vectors are far from settled."""
    layers = []
    for together in (False, True):
        torch.manual_seed(1)
        config = short("infomax-gan/cifar10")
        networks = Networks.build(config)
        reals, fakes = some_batches(config).of_step(0)
        Engine(config, networks, together=together).discriminator_step(*reals[0], *fakes[0])
        layers.append({k: v for k, v in networks.discriminator.named_buffers() if k.endswith((".u", ".v"))})
    assert len(layers[0]) > 20
    for key, vector in layers[0].items():
        assert torch.allclose(vector, layers[1][key], atol=1e-5), key


def test_concatenated_batches_are_forwards_of_their_own():
    torch.manual_seed(0)
    norm = BatchNorm2d(4)
    grouped = copy.deepcopy(norm)
    parts = [torch.randn(3, 4, 5, 5) * (i + 1) + i for i in range(3)]
    expected = torch.cat([norm(part) for part in parts])
    network = torch.nn.Sequential(grouped)
    with nets.concatenated_batches(network, 3):
        assert torch.allclose(network(torch.cat(parts)), expected, atol=1e-6)
    for name, value in norm.state_dict().items():
        assert torch.allclose(grouped.state_dict()[name], value, atol=1e-6), name
    assert torch.allclose(network(parts[0]), norm(parts[0])), "outside, a forward is one batch"


@pytest.mark.parametrize("part", ["generator", "discriminator"])
@pytest.mark.parametrize(
    "name", ["contragan-sndcgan/cifar10", "contragan/cifar10"]
)  # transposed convolutions; embeddings
def test_power_iterations_together(name, part):
    torch.manual_seed(0)
    config = short(name)
    one = (
        nets.build_generator(config.generator)
        if part == "generator"
        else nets.build_discriminator(config.discriminator)
    )
    other = copy.deepcopy(one)
    nets.iterate_together(other)
    labels = torch.arange(3)
    x = torch.randn(3, config.generator.latent_dim) if part == "generator" else torch.randn(3, 3, 32, 32)

    def output(network):
        out = network(x, labels)
        return out if part == "generator" else out.logits

    results = []
    for network in (one, other):
        out = output(network)
        out.square().sum().backward()
        results.append((out, {key: p.grad for key, p in network.named_parameters() if p.grad is not None}))
    (out, gradients), (other_out, other_gradients) = results
    assert torch.allclose(out, other_out, rtol=1e-4, atol=1e-5)
    largest = float(max(gradient.abs().max() for gradient in gradients.values()))
    for key, gradient in gradients.items():
        assert torch.allclose(gradient, other_gradients[key], rtol=1e-3, atol=1e-5 * largest), key
    for key, value in one.state_dict().items():
        assert torch.allclose(value, other.state_dict()[key], atol=1e-5), key
    assert torch.equal(output(copy.deepcopy(other).eval()), output(other.eval())), "a copy is a network of its own"


def test_accumulation_is_the_mean_gradient_of_its_batches():
    """Without norms in the discriminator, a batch knows nothing of the others."""
    config = short("wgan-gp/cifar10", **{"training.regularizers": [], "training.discriminator_steps": 1})
    config2 = config.updated({"training.accumulation": 2})
    batches = some_batches(config2)
    reals, fakes = batches.of_step(0)
    assert (len(reals), len(fakes)) == (2, 4)

    def gradients(config, reals, fakes):
        torch.manual_seed(1)
        networks = Networks.build(config)
        engine = Engine(config, networks)
        engine.updates(reals, [*fakes, *fakes])
        return {name: p.grad for name, p in networks.discriminator.named_parameters()}

    both = gradients(config2, reals, fakes[:2])
    parts = [gradients(config, [real], [fake]) for real, fake in zip(reals, fakes, strict=False)]
    for name, gradient in both.items():
        assert torch.allclose(gradient, (parts[0][name] + parts[1][name]) / 2, rtol=1e-4, atol=1e-6), name


def test_streamed_batches_are_the_resident_ones(monkeypatch):
    config = short("contragan/cifar10", **{"data.flip": True})
    resident = some_batches(config)
    monkeypatch.setattr(data, "fits", lambda images, device: False)
    streamed = some_batches(config)
    for step in (0, 1, 2, 7, 8):  # in order, then as a resumed run
        for a, b in zip(resident.of_step(step)[0], streamed.of_step(step)[0], strict=True):
            assert torch.equal(a.images, b.images)
            assert torch.equal(a.labels, b.labels)


def test_every_process_takes_its_rows():
    from training.processes import Processes

    config = short("contragan/cifar10", **{"training.batch_size": 6, "data.flip": True})
    whole = some_batches(config)
    parts = [some_batches(config, processes=Processes(rank, 2)) for rank in range(2)]
    for step in (0, 5):
        for kind in (0, 1):
            for k, batch in enumerate(whole.of_step(step)[kind]):
                rows = [part.of_step(step)[kind][k] for part in parts]
                for i, tensor in enumerate(batch):
                    assert torch.equal(torch.cat([row[i] for row in rows]), tensor)


def test_bfloat16_steps_stay_near_float32():
    config = registry.config("infomax-gan/digits").updated({"training.batch_size": 8})
    (a, _), (b, state) = (
        after_a_step(config.updated({"training.precision": precision})) for precision in ("float32", "bfloat16")
    )
    for key, value in a.items():
        assert value.item() == pytest.approx(b[key].item(), rel=0.05, abs=0.05), key
    assert all(value.dtype != torch.bfloat16 for value in state.values())
