"""The training step that one writes at first, to measure ours against.

Default memory format, default Adam, float32, one generator pass for each batch of fakes, every resampling as its own
operation.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from training import losses
from zoo import nets


class PlainLoop:
    """Models with the hinge loss, among them SNGAN, InfoMax-GAN, ContraGAN and BigGAN, written the obvious way."""

    def __init__(self, config, device):
        torch.manual_seed(0)
        self.config, adam = config, config.training.optimizer
        self.g = nets.build_generator(config.generator).to(device)
        self.d = nets.build_discriminator(config.discriminator).to(device)
        betas = (adam.beta1, adam.beta2)
        self.g_optimizer = torch.optim.Adam(self.g.parameters(), adam.generator_lr, betas, adam.eps)
        self.d_optimizer = torch.optim.Adam(self.d.parameters(), adam.discriminator_lr, betas, adam.eps)

    def auxiliary(self, out, labels):
        if self.d.heads.critics is not None:
            (infomax,) = self.config.training.auxiliary
            return infomax.beta * losses.infonce(*self.d.heads.critics(out), infomax.negatives)
        if self.config.training.conditioning.type == "contrastive":
            return losses.contrastive_2c(
                out.embedding, out.proxy, labels, self.config.training.conditioning.temperature
            )
        return 0

    def step(self, reals, fakes, step):
        for (real, real_labels), (z, fake_labels) in zip(reals, fakes, strict=False):
            with torch.no_grad():
                fake = self.g(z, fake_labels)
            real_out, fake_out = self.d(real.contiguous(), real_labels), self.d(fake, fake_labels)
            loss = F.relu(1 - real_out.logits).mean() + F.relu(1 + fake_out.logits).mean()
            loss = loss + self.auxiliary(real_out, real_labels)
            self.d_optimizer.zero_grad()
            loss.backward()
            self.d_optimizer.step()
        z, labels = fakes[-1]
        out = self.d(self.g(z, labels), labels)
        loss = -out.logits.mean() + self.auxiliary(out, labels)
        self.g_optimizer.zero_grad()
        loss.backward()
        self.g_optimizer.step()
