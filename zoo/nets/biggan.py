"""BigGAN generator (ContraGAN, arXiv 2006.12681, Tables A5 and A7). Its discriminator is `ResNetDiscriminator`."""

from __future__ import annotations

import torch
from torch import Tensor

from ..schema import architecture
from .layers import Layers, initialise
from .resnet import ResNetGenerator


class BigGANGenerator(ResNetGenerator):
    """Residual generator with a shared class embedding and a hierarchical latent.

    z is split into equal chunks: the first feeds the input layer, block b's norms get (class embedding, chunk b).
    """

    spec: architecture.BigGANGenerator

    def __init__(self, spec: architecture.BigGANGenerator):
        super().__init__(spec)
        # Never spectrally normalised.
        self.embedding = Layers(False, spec.spectral_norm_eps).embedding(spec.num_classes, spec.embedding_dim)
        initialise(self.embedding, spec.init)

    @property
    def input_dim(self) -> int:
        return self.spec.latent_chunk

    @property
    def condition_dim(self) -> int:
        return self.spec.embedding_dim + self.spec.latent_chunk

    def conditions(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
        if y is None:
            raise ValueError("this generator is class-conditional: give labels y of shape (N,)")
        first, *chunks = z.split(self.spec.latent_chunk, dim=1)
        embedded = self.embedding(y)
        return first, [(torch.cat((embedded, chunk), dim=1),) for chunk in chunks]
