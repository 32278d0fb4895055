"""The inner loop: one step is `discriminator_steps` discriminator updates and one generator update.

`Engine.step` is a function of given batches; `graph.GraphedEngine` is the same step as one CUDA graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from zoo import nets
from zoo.schema.config import ModelConfig

from . import losses, objectives
from .data import Fake, Real
from .networks import Networks, set_learning_rate
from .noise import CountedNoise, Noise
from .processes import Processes

_FORMS = 64  # of a compiled network: with gradients or without, of one batch or several, with statistics kept or not
_PIXELS_AT_ONCE = 1 << 23  # generated in one pass without gradients: the fakes of a step up to 128 pixels at batch 64

Metrics = dict[str, Tensor]
Shown = tuple[Tensor, Tensor | None]  # images (N, C, H, W) and labels (N,)


class Engine:
    """Runs steps of one objective on given batches; only terms draw random numbers, from `noise`.

    Args:
        config: the model and its recipe.
        networks: the networks to train, in place.
        noise: the random draws of terms; None: counted noise with seed 0.
        processes: the processes that train on the other rows of the same batches.
        fold_resampling: compute convolutions beside a resampling as one folded convolution.
        together: use few large operations: all fakes of a step's discriminator updates in one generator pass, real and
            generated images in one discriminator pass where it has no batch norm, and all layers' power iterations at
            once; None: on GPUs.
    """

    def __init__(
        self,
        config: ModelConfig,
        networks: Networks,
        noise: Noise | None = None,
        processes: Processes = Processes(),  # noqa: B008 (immutable)
        fold_resampling: bool = True,
        together: bool | None = None,
    ):
        self.config, self.networks, self.processes = config, networks, processes
        n = networks
        self.terms = objectives.build(config)
        for term in self.terms:
            term.start(n.discriminator)
        n.of_terms = {f"{term.name}/{name}": tensor for term in self.terms for name, tensor in term.state.items()}
        first_row = processes.rows(config.training.batch_size).start
        self.noise: Noise = CountedNoise(0, n.device, first_row) if noise is None else noise
        self.together = n.device.type == "cuda" if together is None else together
        self._precision = config.training.precision
        self._forwards: dict[nn.Module, Callable] = {}  # compiled
        self._generator = self._replicated(n.generator)
        self._discriminator = self._replicated(n.discriminator)
        for network in (n.generator, n.discriminator):
            nets.fold_resampling(network, fold_resampling)
            if self.together:
                nets.iterate_together(network)
            if self.processes.size > 1 and self.config.training.sync_batch_norm:
                nets.synchronise(network, self.processes.mean)

    def compile(self, backend: str = "inductor") -> None:
        """Compile both networks' passes and all power iterations.

        Args:
            backend: of torch.compile; the next step compiles the code, one form per shape and mode.
        """
        self.together = True
        for network in (self.networks.generator, self.networks.discriminator):
            iterations = torch.compile(nets.normalized, fullgraph=True, dynamic=False, backend=backend)
            nets.iterate_together(network, iterations)
            self._forwards[network] = torch.compile(network.forward, dynamic=False, backend=backend)

    def step(self, reals: Sequence[Real], fakes: Sequence[Fake], step: int) -> Metrics:
        """Run one generator step (counted from 0) on the batches that `Batches.of_step` gives for it.

        Returns the losses by name, as scalar tensors on the device: those of the last discriminator update and of the
        generator update.
        """
        self.prepare(step)
        metrics = self.updates(reals, fakes)
        self.average(step)
        return metrics

    def prepare(self, step: int) -> None:
        """Set what depends on the step number: the learning rates and the start of the noise."""
        training, n = self.config.training, self.networks
        decay = 1 - step / training.steps if training.lr_decay == "linear" else 1.0
        set_learning_rate(n.generator_optimizer, training.optimizer.generator_lr * decay)
        set_learning_rate(n.discriminator_optimizer, training.optimizer.discriminator_lr * decay)
        self.noise.begin(step * (training.discriminator_steps + 1))

    def updates(self, reals: Sequence[Real], fakes: Sequence[Fake]) -> Metrics:
        """Run all optimiser updates of a step."""
        size = self.config.training.accumulation
        metrics: Metrics = {}
        with self._as_compiled():
            images = self._generated(fakes[: len(reals)])
            for first in range(0, len(reals), size):
                part = slice(first, first + size)
                metrics = self._update_discriminator(list(zip(reals[part], fakes[part], images[part], strict=True)))
            return metrics | self._update_generator(fakes[len(reals) :])

    def average(self, step: int) -> None:
        if self.networks.ema:
            self.networks.ema.update(self.networks.generator, step)

    # ----------------------------------------------------------------------------------------- single updates

    def discriminator_step(self, real: Tensor, real_labels, z: Tensor, fake_labels) -> Metrics:
        """Update the discriminator once on images (N, C, H, W) in the data's range and latents (N, latent_dim)."""
        fake = Fake(z, fake_labels)
        with self._as_compiled():
            return self._update_discriminator([(Real(real, real_labels), fake, self._generated([fake])[0])])

    def generator_step(self, z: Tensor, fake_labels, step: int) -> Metrics:
        """Update the generator once, and its average; `step` counts generator updates from 0."""
        with self._as_compiled():
            metrics = self._update_generator([Fake(z, fake_labels)])
        self.average(step)
        return metrics

    @torch.no_grad()
    def _generated(self, fakes: Sequence[Fake]) -> list[Tensor]:
        """Generate images for each batch of latents, without gradients, as one generator forward per batch would.

        When generated together, all batches share the spectral norms of the last of these forwards.
        """
        generator = self.networks.generator
        track = self.config.training.track_statistics_in_discriminator_step
        pixels = sum(len(fake.z) for fake in fakes) * self.config.data.resolution**2
        with self.autocast(), nullcontext() if track else nets.untracked_statistics(generator):
            if not self.together or len(fakes) == 1 or pixels > _PIXELS_AT_ONCE:
                return [generator(*fake).float() for fake in fakes]
            z = torch.cat([fake.z for fake in fakes])
            labels = [fake.labels for fake in fakes if fake.labels is not None]
            with nets.forwards_in_one(generator, len(fakes)), nets.concatenated_batches(generator, len(fakes)):
                return list(generator(z, torch.cat(labels) if labels else None).float().chunk(len(fakes)))

    def _update_discriminator(self, batches: Sequence[tuple[Real, Fake, Tensor]]) -> Metrics:
        n, metrics = self.networks, []
        n.discriminator_optimizer.zero_grad(set_to_none=True)
        for real, fake, images in self._synchronised_last(self._discriminator, batches):
            real_images, fake_images = self._augmented(real.images), self._augmented(images)
            with self.autocast():
                real_out, fake_out = self._discriminated((real_images, real.labels), (fake_images, fake.labels))
                shown = self._real_batch(real_images, real.labels, real_out)
                made = self._generated_batch(
                    fake, fake_images, fake_out, lambda z, y=fake.labels: self._generated([Fake(z, y)])[0]
                )
                parts = _present({term.name: term.discriminator_loss(shown, made) for term in self.terms})
            (losses.total(parts.values()) / len(batches)).backward()
            scores = {"real": real_out.logits.mean(), "fake": fake_out.logits.mean()}
            metrics.append({f"d/{name}": value.detach() for name, value in (parts | scores).items()})
        n.discriminator_optimizer.step()
        self.noise.advance()
        for term in self.terms:
            term.after_discriminator_step(n.discriminator)
        measured = {f"d/{name}": value for term in self.terms for name, value in term.measured().items()}
        return _mean(metrics) | measured

    def _discriminated(self, real: Shown, fake: Shown) -> Sequence[nets.DiscriminatorOutput]:
        """Return the discriminator's outputs for real and for generated images, after a power iteration for each.

        In one pass, both see the spectral norms of the second. Batch norm would mix the two.
        """
        discriminator = self.networks.discriminator
        if not self.together or nets.has_batch_norm(discriminator):
            return self._discriminator(*real), discriminator(*fake)
        images, labels = (real[0], fake[0]), [y for _, y in (real, fake) if y is not None]
        with nets.forwards_in_one(discriminator, 2):
            out = self._discriminator(torch.cat(images), torch.cat(labels) if labels else None)
        return out.split(*map(len, images))

    def _update_generator(self, batches: Sequence[Fake]) -> Metrics:
        n, metrics = self.networks, []
        n.generator_optimizer.zero_grad(set_to_none=True)
        with frozen(n.discriminator):
            for fake in self._synchronised_last(self._generator, batches):
                with self.autocast():
                    images = self._augmented(self._generator(fake.z, fake.labels))
                    out = n.discriminator(images, fake.labels)
                    made = self._generated_batch(fake, images, out, lambda z, y=fake.labels: n.generator(z, y))
                    parts = _present({term.name: term.generator_loss(made) for term in self.terms})
                (losses.total(parts.values()) / len(batches)).backward()
                metrics.append({f"g/{name}": value.detach() for name, value in parts.items()})
        n.generator_optimizer.step()
        self.noise.advance()
        return _mean(metrics)

    def discriminate(self, real: Real, terms: Mapping[str, Callable[[objectives.Batch], Tensor]]) -> Metrics:
        """Update the discriminator once on real images alone, with the sum of these losses instead of the config's."""
        n = self.networks
        n.discriminator_optimizer.zero_grad(set_to_none=True)
        with self.autocast():
            batch = self._real_batch(*real, self._discriminator(*real))
            parts = {name: loss(batch) for name, loss in terms.items()}
        losses.total(parts.values()).backward()
        n.discriminator_optimizer.step()
        self.noise.advance()
        return {f"d/{name}": value.detach() for name, value in parts.items()}

    def _real_batch(self, images: Tensor, labels: Tensor | None, out: nets.DiscriminatorOutput) -> objectives.Batch:
        return objectives.Batch(images=images, labels=labels, out=out, **self._around(len(images)))

    def _generated_batch(
        self, fake: Fake, images: Tensor, out: nets.DiscriminatorOutput, generate: Callable[[Tensor], Tensor]
    ) -> objectives.GeneratedBatch:
        return objectives.GeneratedBatch(
            images=images,
            labels=fake.labels,
            out=out,
            latents=fake.z,
            generate=generate,
            **self._around(len(images)),
        )

    def _around(self, rows: int) -> dict[str, Any]:
        """Return the fields that all batches with this number of rows share."""
        return {
            "discriminator": self.networks.discriminator,
            "noise": self.noise,
            "gather": self.processes.gather,
            "first_row": self.processes.rank * rows,
            "global_size": self.processes.size * rows,
        }

    def _augmented(self, images: Tensor) -> Tensor:
        for term in self.terms:
            images = term.augment(images, self.noise)
        return images

    # ---------------------------------------------------------------------------------------------- many processes

    def leave(self) -> None:
        """Detach from the other processes; no step can follow."""
        del self._generator, self._discriminator

    def _replicated(self, network: nn.Module) -> nn.Module:
        """Wrap the network so that each backward pass averages its gradients over processes."""
        if self.processes.size == 1:
            return network
        return DistributedDataParallel(network, gradient_as_bucket_view=True)

    def _synchronised_last(self, network: nn.Module, batches: Sequence) -> Iterable:
        """Yield the batches of one update; gradients are exchanged with the last one only."""
        for number, batch in enumerate(batches, start=1):
            is_last = number == len(batches)
            with network.no_sync() if isinstance(network, DistributedDataParallel) and not is_last else nullcontext():
                yield batch

    @contextmanager
    def _as_compiled(self) -> Iterator[None]:
        """Inside, the networks use their compiled code, if any; outside they are plain and can be copied."""
        if not self._forwards:
            yield
            return
        for network, forward in self._forwards.items():
            network.forward = forward
        try:
            with torch._dynamo.config.patch(recompile_limit=_FORMS):
                yield
        finally:
            for network in self._forwards:
                del network.forward

    def autocast(self):
        """Return the context in which networks are called: bfloat16 where the recipe says so."""
        if self._precision != "bfloat16":
            return nullcontext()
        return torch.autocast(self.networks.device.type, torch.bfloat16)


@contextmanager
def frozen(network: nn.Module):
    """Inside, the network's parameters collect no gradients."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def _present(parts: dict[str, Tensor | None]) -> Metrics:
    return {name: part for name, part in parts.items() if part is not None}


def _mean(metrics: Sequence[Metrics]) -> Metrics:
    if len(metrics) == 1:
        return metrics[0]
    return {name: torch.stack([m[name] for m in metrics]).mean() for name in metrics[0]}
