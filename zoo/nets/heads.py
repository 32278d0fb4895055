"""The heads of a discriminator: logits, class scores, embeddings, rotations, InfoMax projections.

Projection head: Miyato and Koyama 2018 (arXiv 1802.05637). 2C embeddings: ContraGAN (arXiv 2006.12681) Section 3.2.
Rotation head: SSGAN (arXiv 1811.11212). InfoMax critics: InfoMax-GAN (arXiv 2007.04589) Table 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import IteratesTogether, Layers


@dataclass
class DiscriminatorOutput:
    """The output of a discriminator; fields without a head are None."""

    logits: Tensor  # (N,), the projection term included
    features: Tensor  # (N, D) pooled; L2-normalised where a classifier head asks for it
    class_logits: Tensor | None = None  # (N, classes)
    embedding: Tensor | None = None  # (N, E) of the images, for 2C
    proxy: Tensor | None = None  # (N, E) of the labels, for 2C
    rotation_logits: Tensor | None = None  # (N, 4)
    local_features: Tensor | None = None  # (N, C, H, W), for InfoMax
    later_features: Tensor | None = None  # (N, C', H', W') of a later block, in the local-local design of InfoMax

    def split(self, *rows: int) -> list[DiscriminatorOutput]:
        """Split into the outputs of the first rows[0] images, the next rows[1] and so on."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        parts = {name: _split(x, rows) for name, x in given.items() if x is not None}
        return [DiscriminatorOutput(**{name: part[i] for name, part in parts.items()}) for i in range(len(rows))]


def _split(x: Tensor, rows: Sequence[int]) -> Sequence[Tensor]:
    """x.split(rows), whose gradient is channels-last for maps: PyTorch pads a missing one with contiguous zeros."""
    return [part.movedim(-1, 1) for part in x.movedim(1, -1).split(rows)] if x.dim() == 4 else x.split(rows)


class Heads(nn.Module):
    """All heads of one discriminator, over its pooled features (N, D) and the outputs of `kept_blocks` (N, C, H, W)."""

    def __init__(self, spec, feature_dim: int):
        super().__init__()
        self.head = spec.head
        layers = Layers(spec.spectral_norm, spec.spectral_norm_eps, spec.head_iterates_in_eval and spec.spectral_norm)
        self.logit = layers.linear(feature_dim, 1)
        if spec.head.type == "projection":
            self.embedding = layers.embedding(spec.num_classes, feature_dim)
        elif spec.head.type == "classifier":
            self.classifier = layers.linear(feature_dim, spec.num_classes, bias=spec.head.bias)
        elif spec.head.type == "contrastive":
            self.projector = layers.linear(feature_dim, spec.head.embedding_dim)
            if spec.head.projection == "nonlinear":
                hidden = layers.linear(feature_dim, feature_dim)
                self.projector = nn.Sequential(hidden, nn.ReLU(), self.projector)
            self.proxies = layers.embedding(spec.num_classes, spec.head.embedding_dim)
        self.rotation = layers.linear(feature_dim, 4) if spec.rotation_head else None
        self.kept_blocks = (spec.infomax.local_after, spec.infomax.global_after) if spec.infomax else ()
        self.critics = InfoMaxCritics(spec, feature_dim) if spec.infomax else None

    def forward(self, features: Tensor, kept: dict[int, Tensor], y: Tensor | None) -> DiscriminatorOutput:
        with torch.autocast(features.device.type, enabled=False):  # scores and losses stay in float32
            return self._forward(features.float(), kept, y)

    def _forward(self, features: Tensor, kept: dict[int, Tensor], y: Tensor | None) -> DiscriminatorOutput:
        local, later = (kept.get(block) if block else None for block in self.kept_blocks or (None, None))
        out = DiscriminatorOutput(self.logit(features).squeeze(1), features, local_features=local, later_features=later)
        if self.head.type in ("projection", "contrastive") and y is None:
            raise ValueError(f"a discriminator with a {self.head.type} head needs labels y of shape (N,)")
        if self.head.type == "projection":
            out.logits = out.logits + (self.embedding(y) * features).sum(dim=1)
        elif self.head.type == "classifier":
            if self.head.normalize_features:
                out.features = F.normalize(features, dim=1)
            out.class_logits = self.classifier(out.features)
        elif self.head.type == "contrastive":
            embedding, proxy = self.projector(features), self.proxies(y)
            if self.head.normalize:
                embedding, proxy = F.normalize(embedding, dim=1), F.normalize(proxy, dim=1)
            out.embedding, out.proxy = embedding, proxy
        if self.rotation is not None:
            out.rotation_logits = self.rotation(features)
        return out

    def class_scores(self, features: Tensor) -> Tensor:
        """Return scores (N, classes) of pooled features (N, D).

        Contrastive head: cosines of the images' embeddings and the class embeddings, in [-1, 1], the scores of the 2C
        loss. Projection head: the projection term of the logit (arXiv 1802.05637, Eq. 3), for every class. Classifier
        head: its logits.

        Raises:
            ValueError: a plain head has no classes.
        """
        if self.head.type == "plain":
            raise ValueError("a discriminator with a plain head knows no classes")
        if self.head.type == "classifier":
            return self.classifier(F.normalize(features, dim=1) if self.head.normalize_features else features)
        if self.head.type == "projection":
            every = torch.arange(self.embedding.num_embeddings, device=features.device)
            return features @ self.embedding(every).t()
        return F.normalize(self.projector(features), dim=1) @ self.class_embeddings().t()

    def class_embeddings(self) -> Tensor:
        """Return the class embeddings of a contrastive head ("proxies"), normalised: (classes, E)."""
        every = torch.arange(self.proxies.num_embeddings, device=self.proxies.weight.device)
        return F.normalize(self.proxies(every), dim=1)


class Critic(nn.Module):
    """One hidden layer as wide as the input, and a linear shortcut from the input (InfoMax-GAN Table 10)."""

    def __init__(self, make_layer, in_dim: int, out_dim: int):
        super().__init__()
        self.hidden = make_layer(in_dim, in_dim)
        self.output = make_layer(in_dim, out_dim)
        self.shortcut = make_layer(in_dim, out_dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(F.relu(self.hidden(x))) + self.shortcut(x)


class InfoMaxCritics(IteratesTogether):
    """Project local (N, C, H, W) and global (N, D) features to R dimensions: (N, R, H, W) and (N, R).

    In the local-local design a later feature map takes the place of the global features: (N, R, H', W').

    Separate from `Heads.forward`: a power iteration of these layers belongs to each use
    of the InfoMax loss, not to each forward of the discriminator.
    """

    def __init__(self, spec, feature_dim: int):
        super().__init__()
        infomax = spec.infomax
        layers = Layers(infomax.spectral_norm, spec.spectral_norm_eps)

        def of_block(number: int) -> Critic:
            return Critic(lambda i, o: layers.conv(i, o, 1), spec.channels[number - 1], infomax.projection_dim)

        self.local_critic = of_block(infomax.local_after)
        if infomax.global_after:
            self.global_critic = of_block(infomax.global_after)
        else:
            self.global_critic = Critic(layers.linear, feature_dim, infomax.projection_dim)

    def forward(self, out: DiscriminatorOutput) -> tuple[Tensor, Tensor]:
        global_features = out.features if out.later_features is None else out.later_features
        return self.local_critic(out.local_features), self.global_critic(global_features)


class Discriminator(IteratesTogether):
    """Base of the discriminators: images (N, C, H, W) and labels (N,) or None to a `DiscriminatorOutput`."""

    heads: Heads
