"""One update of each network on this process's rows of a global batch; the first process saves the gradients.

torchrun --nproc-per-node=2 tests/programs/two_processes.py FOLDER NAME ...
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from narrow import tiny
from safetensors.torch import save_file

from training.data import Batches
from training.engine import Engine
from training.networks import Networks
from training.processes import joined
from zoo import datasets
from zoo.schema import registry


def gradients(name: str, processes) -> dict[str, torch.Tensor]:
    """Gradients and losses of one discriminator and one generator update, and the statistics they left."""
    changes = {"training.batch_size": 8, "training.discriminator_steps": 1, "training.sync_batch_norm": True}
    config = tiny(registry.config(name)).updated(changes)
    classes = max(config.num_classes, 1)
    torch.manual_seed(0)
    side = config.data.resolution
    data = datasets.Dataset(
        torch.randint(0, 256, (16, 3, side, side), dtype=torch.uint8), torch.arange(16) % classes, classes
    )
    batches = Batches(config, data, 0, processes=processes)
    found = {}
    for letter in "dg":
        torch.manual_seed(1)
        networks = Networks.build(config)
        engine = Engine(config, networks, processes=processes)
        if letter == "d":
            metrics, network = engine.discriminator_step(*batches.real(0), *batches.fake(0)), networks.discriminator
        else:
            metrics, network = engine.generator_step(*batches.fake(1), 0), networks.generator
        found |= {f"{letter}/{key}": p.grad.clone().contiguous() for key, p in network.named_parameters()}
        found |= {key: processes.mean(value.float()) for key, value in metrics.items()}
        buffers = networks.generator.named_buffers()
        found |= {f"{letter}/G/{key}": value.clone() for key, value in buffers if value.is_floating_point()}
    return found


def save(folder: Path, *names: str) -> None:
    torch.set_num_threads(1)
    with joined(torch.device("cpu")) as processes:
        assert processes.size == 2
        for name in names:
            found = gradients(name, processes)
            if processes.is_writer:
                save_file(found, folder / f"{name.replace('/', '-')}.safetensors")


if __name__ == "__main__":
    save(Path(sys.argv[1]), *sys.argv[2:])
