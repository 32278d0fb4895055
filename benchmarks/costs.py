"""What every recipe costs in arithmetic: operations of one generator step and of the whole run.

    python benchmarks/costs.py [PATTERN ...]

Counted by PyTorch on tensors without values: matrix products and convolutions, two operations a multiplication, forward
and backward, with all discriminator updates, heads and regularisers. "stated" computes every resampling as its own
operation, "folded" is what the engine does.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

sys.path[0] = str(Path(__file__).parents[1])  # instead of this folder, which has a training.py

import zoo
from training.data import Fake, Real
from training.engine import Engine
from training.networks import Networks
from zoo import nets
from zoo.schema import registry


def operations(config, folded: bool) -> float:
    """Of one generator step, in TFLOP."""
    training, classes = config.training, config.num_classes
    n, side = training.batch_size, config.data.resolution
    per_step = training.discriminator_steps * training.accumulation
    with FakeTensorMode(allow_non_fake_inputs=True):  # building looks at an outline on the meta device first
        labels = torch.zeros(n, dtype=torch.int64) if classes else None
        reals = [Real(torch.randn(n, 3, side, side), labels)] * per_step
        fakes = [Fake(torch.randn(n, config.generator.latent_dim), labels)] * (per_step + training.accumulation)
        networks = [nets.build_generator(config.generator), nets.build_discriminator(config.discriminator)]
        optimizers = [torch.optim.SGD(network.parameters(), 0.1) for network in networks]
        engine = Engine(config, Networks(*networks, *optimizers, ema=None), fold_resampling=folded)
        with FlopCounterMode(display=False) as counter:
            engine.updates(reals, fakes)
    return counter.get_total_flops() / 1e12


def main() -> None:
    names = sorted({name for pattern in sys.argv[1:] or ["*"] for name in zoo.list_models(pattern)})
    print(f"{'model':<34}{'steps':>10}{'batch':>7}{'n_dis':>6}{'TFLOP/step':>12}{'folded':>9}{'PFLOP/run':>11}")
    for name in names:
        config = registry.config(name)
        training = config.training
        stated, folded = operations(config, False), operations(config, True)
        batch = training.batch_size * training.accumulation
        run = folded * training.steps / 1e3
        print(
            f"{name:<34}{training.steps:>10,}{batch:>7}{training.discriminator_steps:>6}{stated:>12.2f}{folded:>9.2f}"
            f"{run:>11,.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
