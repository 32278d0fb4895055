"""Steps can be captured in CUDA graphs: no term looks at the values of tensors, and a replay draws anew."""

import pytest
import torch
from narrow import tiny
from torch._subclasses.fake_tensor import FakeTensorMode

from training import objectives
from training.noise import CountedNoise
from zoo import nets, registry
from zoo.config import ModelConfig

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need an NVIDIA GPU")
CONFIGS = sorted(map(registry.config, registry.names()), key=lambda config: -config.data.resolution)
NAMES = {c.training.objective: c.name for c in CONFIGS if c.training.accumulation == 1}  # the smallest of each kind


def turns(config: ModelConfig, device: str, n: int = 8):
    """Two functions, each of which computes the loss of one network and its gradients."""
    with torch.device(device):
        generator = nets.build_generator(config.generator)
        discriminator = nets.build_discriminator(config.discriminator)
    terms, noise, side = objectives.build(config), CountedNoise(0, device), config.data.resolution
    labels = torch.arange(n, device=device) % config.num_classes if config.conditional else None
    real, z = torch.randn(n, 3, side, side, device=device), torch.randn(n, config.generator.latent_dim, device=device)

    def shown(images: torch.Tensor) -> torch.Tensor:
        for term in terms:
            images = term.augment(images, noise)
        return images

    def turn(letter: str) -> torch.Tensor:
        noise.draws = 0
        images, fake = shown(real), shown(generator(z, labels))
        if letter == "discriminator":
            fake = fake.detach()
        real_out, fake_out = discriminator(images, labels), discriminator(fake, labels)
        batch = objectives.Batch(discriminator, fake, labels, fake_out, images, labels, real_out, noise, z)
        batch.generate = lambda z: generator(z, labels)
        value = sum(part for term in terms if (part := getattr(term, letter)(batch)) is not None)
        value.backward()
        return value.detach()

    return [lambda letter=letter: turn(letter) for letter in ("discriminator", "generator")]


@pytest.mark.parametrize("name", sorted(NAMES.values()))
def test_terms_do_not_look_at_values(name):
    """Tensors without values: .item(), a branch on a tensor or a shape that depends on one raise an error."""
    with FakeTensorMode():
        for turn in turns(tiny(registry.config(name)), "cpu"):
            assert turn().shape == ()


@CUDA
@pytest.mark.parametrize("name", sorted(NAMES.values()))
def test_terms_can_be_captured(name):
    torch.manual_seed(0)
    for turn in turns(tiny(registry.config(name)), "cuda"):
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):
                turn()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            value = turn()
        graph.replay()
        assert value.isfinite()


@CUDA
def test_a_replay_draws_for_its_own_update():
    noise, other = CountedNoise(3, "cuda"), CountedNoise(3)

    def draw(noise: CountedNoise) -> tuple[torch.Tensor, ...]:
        noise.draws = 0
        return noise.uniform(4), noise.normal(4), noise.integers(0, 9, 4), noise.coins(4)

    draw(noise)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        drawn = draw(noise)
    for update in (0, 5, 6):
        noise.update.fill_(update)
        graph.replay()
        other.begin(update)
        for ours, theirs in zip(drawn, draw(other), strict=True):
            assert torch.allclose(ours.cpu().double(), theirs.double(), atol=1e-6)
