"""On a GPU: every kind of term can be captured in a CUDA graph, and a replay draws anew."""

import pytest
import torch
from narrow import tiny

from training import objectives
from training.noise import CountedNoise
from zoo import nets, registry

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need an NVIDIA GPU")

NAMES = {  # one model for each kind of objective
    (t.adversarial, t.conditioning, t.auxiliary, tuple(r.type for r in t.regularizers)): name
    for name in registry.names()
    if (t := registry.config(name).training).accumulation == 1 and registry.config(name).data.resolution < 128
}


@pytest.mark.parametrize("name", sorted(NAMES.values()))
def test_terms_can_be_captured(name):
    torch.manual_seed(0)
    config = tiny(registry.config(name))
    device, n, side = torch.device("cuda"), 8, config.data.resolution
    generator = nets.build_generator(config.generator).to(device)
    discriminator = nets.build_discriminator(config.discriminator).to(device)
    terms, noise = objectives.build(config), CountedNoise(0, device)
    labels = torch.arange(n, device=device) % config.num_classes if config.conditional else None
    real, z = torch.randn(n, 3, side, side, device=device), torch.randn(n, config.generator.latent_dim, device=device)

    def shown(images):
        for term in terms:
            images = term.augment(images, noise)
        return images

    def losses(turn: str) -> torch.Tensor:
        noise.draws = 0
        images, fake = shown(real), shown(generator(z, labels))
        if turn == "discriminator":
            fake = fake.detach()
        outs = [discriminator(x, labels) for x in (images, fake)]
        batch = objectives.Batch(discriminator, fake, labels, outs[1], images, labels, outs[0], noise, z)
        batch.generate = lambda z: generator(z, labels)
        value = sum(part for term in terms if (part := getattr(term, turn)(batch)) is not None)
        value.backward()
        return value.detach()

    for turn in ("discriminator", "generator"):
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):
                losses(turn)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            value = losses(turn)
        graph.replay()
        assert value.isfinite()


def test_a_replay_draws_for_its_own_update():
    noise = CountedNoise(3, "cuda")
    noise.uniform(4)
    noise.begin(0)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        drawn = noise.uniform(4), noise.normal(4), noise.integers(0, 9, 4), noise.coins(4)
    other = CountedNoise(3)
    for update in (0, 5, 6):
        noise.update.fill_(update)
        graph.replay()
        other.begin(update)
        expected = other.uniform(4), other.normal(4), other.integers(0, 9, 4), other.coins(4)
        for ours, theirs in zip(drawn, expected, strict=True):
            assert torch.allclose(ours.cpu().double(), theirs.double(), atol=1e-6)
