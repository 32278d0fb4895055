"""Everything that training changes: the two networks, their optimisers, and the generator's average."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import torch
from torch import nn

from zoo import nets
from zoo.schema.config import ModelConfig

from .ema import Ema


@dataclass
class Networks:
    generator: nets.Generator
    discriminator: nets.Discriminator
    generator_optimizer: torch.optim.Optimizer
    discriminator_optimizer: torch.optim.Optimizer
    ema: Ema | None
    of_terms: dict[str, torch.Tensor] = field(default_factory=dict)  # what terms of the objective change, by name

    @classmethod
    def build(cls, config: ModelConfig, device: torch.device | str = "cpu", seed: int | None = None) -> Networks:
        """Build new networks: those of a seed, whatever other threads draw meanwhile, or of torch's present state."""
        device = torch.device(device)
        random = None if seed is None else torch.Generator().manual_seed(seed)
        generator = nets.build_generator(config.generator, random=random)
        discriminator = nets.build_discriminator(config.discriminator, random=random)
        for network in (generator, discriminator):
            network.to(device).to(memory_format=torch.channels_last)
        adam, ema = config.training.optimizer, config.training.ema

        def optimizer(network: nn.Module, lr: float) -> torch.optim.Adam:
            # A CUDA graph reads the learning rate and the step from the device.
            on_gpu = device.type == "cuda"
            rate = torch.tensor(lr, device=device) if on_gpu else lr
            betas = (adam.beta1, adam.beta2)
            return torch.optim.Adam(network.parameters(), rate, betas, adam.eps, fused=True, capturable=on_gpu)

        return cls(
            generator,
            discriminator,
            optimizer(generator, adam.generator_lr),
            optimizer(discriminator, adam.discriminator_lr),
            Ema(generator, ema.decay, ema.start) if ema else None,
        )

    @property
    def device(self) -> torch.device:
        return next(self.generator.parameters()).device

    def sampler(self) -> nn.Module:
        """Return a copy of the generator (of its average, if there is one) in eval mode, to sample from.

        The averages of spectral norm vectors are not singular vectors, so power iterations fit them to the averaged
        weights. (StudioGAN iterates while it samples, for the same purpose.)
        """
        sampler = copy.deepcopy(self.ema.module if self.ema else self.generator).eval()
        nets.settle_spectral_norm(sampler)
        return sampler

    def are_finite(self) -> bool:
        """Return True if every weight of both networks is finite."""
        parameters = [*self.generator.parameters(), *self.discriminator.parameters()]
        return bool(torch.stack([p.detach().isfinite().all() for p in parameters]).all())


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
