"""The inner loop: one step is `discriminator_steps` discriminator updates and one generator update."""

from __future__ import annotations

import copy
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from zoo import nets
from zoo.config import ModelConfig

from . import objectives
from .ema import Ema
from .noise import CountedNoise, Noise


@dataclass
class Networks:
    """Everything that training changes."""

    generator: nn.Module
    discriminator: nn.Module
    generator_optimizer: torch.optim.Optimizer
    discriminator_optimizer: torch.optim.Optimizer
    ema: Ema | None

    @classmethod
    def build(cls, config: ModelConfig, device: torch.device | str = "cpu") -> Networks:
        """Fresh networks from torch's current random state."""
        generator = nets.build_generator(config.generator).to(device, memory_format=torch.channels_last)
        discriminator = nets.build_discriminator(config.discriminator).to(device, memory_format=torch.channels_last)
        adam, ema = config.training.optimizer, config.training.ema

        def optimizer(network: nn.Module, lr: float) -> torch.optim.Adam:
            return torch.optim.Adam(network.parameters(), lr, (adam.beta1, adam.beta2), adam.eps, fused=True)

        return cls(
            generator,
            discriminator,
            optimizer(generator, adam.generator_lr),
            optimizer(discriminator, adam.discriminator_lr),
            Ema(generator, ema.decay, ema.start) if ema else None,
        )

    def sampler(self) -> nn.Module:
        """A copy of the generator to sample from, in eval mode: of the average where there is one.

        The averages of spectral norm vectors are no singular vectors, so these are brought back to the averaged
        weights. (StudioGAN iterates while it samples, to the same end.)
        """
        sampler = copy.deepcopy(self.ema.module if self.ema else self.generator).eval()
        nets.settle_spectral_norm(sampler)
        return sampler


@dataclass
class Engine:
    """Runs steps of one objective on given batches; nothing is drawn but by terms, from `noise`."""

    config: ModelConfig
    networks: Networks
    autocast: torch.dtype | None = None  # None = float32
    noise: Noise | None = None  # None = counted, of seed 0
    terms: list[objectives.Term] = field(init=False)

    def __post_init__(self):
        self.terms = objectives.build(self.config)
        if self.noise is None:
            self.noise = CountedNoise(0, next(self.networks.generator.parameters()).device)

    def discriminator_step(self, real: Tensor, real_labels, z: Tensor, fake_labels) -> dict[str, float | Tensor]:
        """One update of the discriminator on images (N, C, H, W) in the data's range and latents (N, latent_dim)."""
        n = self.networks
        track = self.config.training.track_statistics_in_discriminator_step

        def generate(z: Tensor) -> Tensor:
            with torch.no_grad(), self._precision(), nullcontext() if track else untracked_statistics(n.generator):
                return n.generator(z, fake_labels).float()

        real, fake = self._augmented(real), self._augmented(generate(z))
        with self._precision():
            real_out = n.discriminator(real, real_labels)
            fake_out = n.discriminator(fake, fake_labels)
            batch = objectives.Batch(n.discriminator, fake, fake_labels, fake_out, real, real_labels, real_out)
            batch.noise, batch.latents, batch.generate = self.noise, z, generate
            parts = {term.name: term.discriminator(batch) for term in self.terms}
        self._update(n.discriminator_optimizer, parts)
        for term in self.terms:
            term.after_discriminator_step(n.discriminator)
        return _log("d", parts) | {"d/real": real_out.logits.detach().mean(), "d/fake": fake_out.logits.detach().mean()}

    def generator_step(self, z: Tensor, fake_labels, step: int) -> dict[str, float | Tensor]:
        """One update of the generator, and of its average; `step` counts generator updates from 0."""
        n = self.networks
        n.discriminator.requires_grad_(False)
        with self._precision():
            fake = self._augmented(n.generator(z, fake_labels))
            batch = objectives.Batch(n.discriminator, fake, fake_labels, n.discriminator(fake, fake_labels))
            batch.noise, batch.latents, batch.generate = self.noise, z, lambda z: n.generator(z, fake_labels)
            parts = {term.name: term.generator(batch) for term in self.terms}
        self._update(n.generator_optimizer, parts)
        n.discriminator.requires_grad_(True)
        if n.ema:
            n.ema.update(n.generator, step)
        return _log("g", parts)

    def _augmented(self, images: Tensor) -> Tensor:
        for term in self.terms:
            images = term.augment(images, self.noise)
        return images

    def _update(self, optimizer: torch.optim.Optimizer, parts: dict[str, Tensor | None]) -> None:
        optimizer.zero_grad(set_to_none=True)
        sum(part for part in parts.values() if part is not None).backward()
        optimizer.step()
        self.noise.advance()

    def _precision(self):
        if self.autocast is None:
            return nullcontext()
        return torch.autocast(next(self.networks.generator.parameters()).device.type, self.autocast)


@contextmanager
def untracked_statistics(network: nn.Module):
    """Batch norm uses batch statistics and leaves its running ones alone, as StudioGAN does in discriminator steps."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


def _log(prefix: str, parts: dict[str, Tensor | None]) -> dict[str, Tensor]:
    return {f"{prefix}/{name}": part.detach() for name, part in parts.items() if part is not None}
