"""Images a second: a plain eager restatement of each peer's generator against ours, plain, fused and in bfloat16.

    python benchmarks/sampling.py [--threads 1] [--device cuda] [--repeats 5] [NAME ...]
    python benchmarks/sampling.py --studiogan CHECKOUT --mimicry CHECKOUT         # the peers' own code instead
    python benchmarks/sampling.py --few [NAME ...]        # 1 to 64 images at a time, beside the peer's as many at once
    python benchmarks/sampling.py --scaling [NAME]        # cost against batch size and number of images
    python benchmarks/sampling.py --writing [NAME]        # images a second into files, and into nothing

All run the full-size network with the same weights in one process, in turns, so that a ratio means something on a busy
machine; medians. The weights are random, with norms, biases and attention perturbed and the output scaled so that
images are neither flat nor saturated. Peers run in batches of 64 (16 from 64 pixels on), ours makes 64 by `GAN.sample`,
so that drawing the latents and quantising are in our time and not in theirs. Errors are against the peer: of float32 in
[-1, 1], of bfloat16 in steps of 1/255. "of limit": the time that the operations of our form (matrix products and
convolutions, two a multiplication) would take at the speed of a large matrix product, over the time taken. Memory is
what a process of its own has at most, over one that has only loaded the weights.
"""

from __future__ import annotations

import argparse
import collections
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

sys.path[0] = str(Path(__file__).parents[1])  # instead of this folder, which has a training.py
sys.path.append(str(Path(__file__).parent))

from peers import peer_of
from peers_code import library_of, ours_of, own
from torch.utils.flop_counter import FlopCounterMode

import zoo
from zoo import GAN, nets
from zoo.inference.matrix_product import linear
from zoo.sampling import bulk

NAMES = (
    *("biggan/cifar10", "biggan/tiny-imagenet", "sagan/tiny-imagenet", "dcgan-deepconv/cifar10"),  # StudioGAN
    *("sngan/cifar10", "sngan/stl10", "sngan/celeba64", "sngan/celeba128"),  # Mimicry, whose InfoMax-GAN is the same
)
CONTENDERS = ("peer", "plain", "float32", "bfloat16")
CHECKOUTS = ("mimicry", "studiogan")
OURS = 64  # images, whatever the batch a peer is best asked for


def look_trained(generator: torch.nn.Module) -> None:
    for parameter in generator.parameters():
        if parameter.ndim == 0:
            parameter.fill_(0.7)
        elif parameter.ndim == 1:
            parameter.add_(0.1 * torch.randn_like(parameter))
    for name, buffer in generator.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.3)
        elif name.endswith("running_var"):
            buffer.uniform_(0.7, 1.5)


def peer_and_ours(spec, arguments) -> tuple[torch.nn.Module, torch.nn.Module]:
    torch.manual_seed(0)
    if checkout := getattr(arguments, library_of(spec)):
        peer = own(spec, checkout)
        look_trained(peer)
        return peer, ours_of(peer, spec)
    generator = nets.build_generator(spec).eval().requires_grad_(False)
    look_trained(generator)
    z, y = torch.randn(4, spec.latent_dim), torch.arange(4) if spec.num_classes else None
    generator.output.weight.mul_(0.7 / float(generator(z, y).atanh().std()))
    return peer_of(generator), generator


@dataclass
class Contender:
    make: Callable[[], object]  # what is timed
    number: int  # images it makes
    images: Callable[[], torch.Tensor]  # of the same latents as every other, float32 (N, 3, H, W) in [-1, 1]
    network: Callable[[], object]  # a forward pass in this thread, of which the operations are counted
    batch: int  # its images


def contender(which: str, name: str, arguments) -> Contender:
    config = zoo.info(name)
    peer, generator = peer_and_ours(config.generator, arguments)
    device = arguments.device
    model = GAN(config, generator, device=device, dtype="bfloat16" if which == "bfloat16" else None)
    batch = 64 if config.generator.resolution < 64 else 16
    z = model.latents(batch, seed=0).to(device)
    y = torch.arange(batch, device=device) % model.num_classes if model.num_classes else None
    if which in ("peer", "plain"):
        module = (peer if which == "peer" else generator).to(device)

        def forward():
            return module(z, y)

        return Contender(forward, batch, forward, forward, batch)
    labels = [i % model.num_classes for i in range(OURS)] if model.num_classes else None
    chunk = (z[: model.chunk].to(model.dtype), None if y is None else y[: model.chunk])
    return Contender(
        lambda: model.sample(OURS, labels, seed=0),
        OURS,
        lambda: model.generate(z, y),
        lambda: model._renderer.network(*chunk),
        model.chunk,
    )


def seconds(function, device: str) -> float:
    start = time.perf_counter()
    function()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def peak(dtype: torch.dtype, device: str) -> float:
    """Operations a second of a large matrix product, as our networks compute it."""
    a = torch.randn(4096, 4096, device=device).to(dtype)
    return 2 * 4096**3 / min(seconds(lambda: linear(a, a), device) for _ in range(5))


def onednn_product(x_shape, weight_shape, *_, **__) -> int:
    return 2 * math.prod(x_shape) * weight_shape[0]


def operations(function) -> float:
    ours = {torch.ops.mkldnn._linear_pointwise: onednn_product}
    with FlopCounterMode(display=False, custom_mapping=ours) as counter:
        function()
    return counter.get_total_flops()


def steps(images: torch.Tensor) -> torch.Tensor:
    return ((images + 1) / 2 * 255 + 0.5).clamp(0, 255).floor()


def memory_of(which: str, name: str, arguments) -> float:
    """MB of a process that makes one batch, beyond one that does not."""
    here = [sys.executable, __file__, "--threads", str(arguments.threads), "--device", arguments.device]
    here += [part for library in CHECKOUTS if (path := getattr(arguments, library)) for part in (f"--{library}", path)]
    run = subprocess.run([*here, "--memory-of", which, name], capture_output=True, text=True, check=True)
    return float(run.stdout)


def print_memory(which: str, name: str, arguments) -> None:
    make = contender(which, name, arguments).make
    if arguments.device != "cpu":
        torch.cuda.reset_peak_memory_stats()
        make()
        return print(torch.cuda.max_memory_allocated() / 1e6)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far; Linux
    before = peak_resident()
    make()
    print(peak_resident() - before)


def peak_resident() -> float:
    """MB at most so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1e3 for line in lines if line.startswith("VmHWM"))


def compare(name: str, arguments, peaks: dict[str, float]) -> None:
    device = arguments.device
    made = {which: contender(which, name, arguments) for which in CONTENDERS}
    times: dict[str, list[float]] = {which: [] for which in CONTENDERS}
    for turn in range(arguments.repeats + 1):
        for which, one in made.items():
            taken = seconds(one.make, device)
            if turn:  # the first fuses, captures and warms up
                times[which].append(taken)
    expected = made["peer"].images()
    for which, one in made.items():
        speed = one.number / statistics.median(times[which])
        if which == "peer":
            base = speed
        images = one.images()
        error = (images - expected).abs().max().item()
        apart = (steps(images) - steps(expected)).abs()
        count = operations(one.network) / one.batch / 1e9
        limit = peaks["bfloat16" if which == "bfloat16" else "float32"] / 1e9 / count
        print(
            f"{name:<24}{which:<10}{speed:>9.1f}{speed / base:>8.2f}{count:>8.2f}{100 * speed / limit:>8.0f} %"
            f"{memory_of(which, name, arguments):>9.0f}{error:>10.1e}{apart.max():>6.0f}{apart.mean():>8.3f}",
            flush=True,
        )


def few(name: str, arguments) -> None:
    """Milliseconds for n images at once: the peer's forward pass, ours, and ours with the bits of many."""
    config = zoo.info(name)
    peer, generator = peer_and_ours(config.generator, arguments)
    model = GAN(config, generator, device=arguments.device)
    peer = peer.to(arguments.device)
    print(f"\n{name}, ms\n\n{'n':>4}{'peer':>9}{'ours':>9}{'ratio':>8}{'exact':>9}{'ratio':>8}")
    for n in (1, 2, 4, 8, 16, 64):
        z = model.latents(n, seed=0).to(arguments.device)
        y = torch.arange(n, device=arguments.device) % model.num_classes if model.num_classes else None
        calls = {
            "peer": lambda z=z, y=y: peer(z, y),
            "ours": lambda n=n: model.sample(n, seed=0),
            "exact": lambda n=n: model.sample(n, seed=0, exact=True),
        }
        times: dict[str, list[float]] = {which: [] for which in calls}
        for turn in range(arguments.repeats + 1):
            for which, call in calls.items():
                taken = seconds(call, arguments.device)
                if turn:  # the first makes what it needs
                    times[which].append(taken)
        took = {which: 1e3 * statistics.median(taken) for which, taken in times.items()}
        ratios = {which: took["peer"] / took[which] for which in ("ours", "exact")}
        print(
            f"{n:>4}{took['peer']:>9.1f}{took['ours']:>9.1f}{ratios['ours']:>8.2f}{took['exact']:>9.1f}"
            f"{ratios['exact']:>8.2f}",
            flush=True,
        )


def scaling(name: str, arguments) -> None:
    model = zoo.load(name, weights="random", device=arguments.device)
    model.sample(model.chunk, seed=0)

    def cost(n: int, **options) -> float:
        return 1e3 * statistics.median(
            seconds(lambda: model.sample(n, seed=0, **options), arguments.device) / n for _ in range(arguments.repeats)
        )

    print(f"\n{name}, ms an image\n")
    sizes, numbers = (1, 8, 16, 64, 128), (8, 16, 64, 128, 256)
    print("batch_size  " + "".join(f"{size:>8}" for size in sizes))
    print("128 images  " + "".join(f"{cost(128, batch_size=size):>8.2f}" for size in sizes))
    print("n           " + "".join(f"{n:>8}" for n in numbers))
    print("            " + "".join(f"{cost(n):>8.2f}" for n in numbers))


def writing(name: str, arguments) -> None:
    """1,024 images each time; PNGs, an .npz and a .tar in turns with images that go nowhere."""
    model, n = zoo.load(name, weights="random", device=arguments.device), 1024
    model.sample(model.chunk, seed=0)
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(arguments.repeats):  # each a seed of its own: what is there already is not made again
            for kind in ("nowhere", "folder", ".npz", ".tar"):
                out = Path(folder, kind.strip(".")).with_suffix(kind if kind[0] == "." else "")

                def make(kind=kind, out=out, turn=turn):
                    if kind == "nowhere":
                        return collections.deque(model.stream(n, seed=turn), maxlen=0)
                    return bulk.write(model, out, n, seed=turn, force=True)

                times.setdefault(kind, []).append(seconds(make, arguments.device))
    print(f"\n{name}, {n:,} images\n\n{'':<10}{'images/s':>9}{'of bare':>9}")
    bare = statistics.median(times["nowhere"])
    for kind, taken in times.items():
        print(f"{kind:<10}{n / statistics.median(taken):>9.0f}{100 * bare / statistics.median(taken):>7.0f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--few", action="store_true", help="1 to 64 images at a time")
    parser.add_argument("--scaling", action="store_true", help="cost against batch size and number of images")
    parser.add_argument("--writing", action="store_true", help="images a second into files, and into nothing")
    for library in CHECKOUTS:
        parser.add_argument(f"--{library}", type=Path, metavar="CHECKOUT", help="run this code, not our restatement")
    parser.add_argument("--memory-of", metavar="CONTENDER", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.set_grad_enabled(False)
    if arguments.memory_of:
        return print_memory(arguments.memory_of, *arguments.names, arguments)
    where = torch.cuda.get_device_name() if arguments.device != "cpu" else f"CPU, {arguments.threads} threads"
    print(f"{where}, torch {torch.__version__}; medians of {arguments.repeats} turns")
    if arguments.few:
        for name in ("sngan/celeba128", "biggan/tiny-imagenet") if arguments.names is NAMES else arguments.names:
            few(name, arguments)
        return None
    if arguments.scaling or arguments.writing:
        table = scaling if arguments.scaling else writing
        return table("sngan/cifar10" if arguments.names is NAMES else arguments.names[0], arguments)
    peaks = {kind: peak(getattr(torch, kind), arguments.device) for kind in ("float32", "bfloat16")}
    print("matrix product: " + ", ".join(f"{kind} {speed / 1e9:,.0f} GFLOP/s" for kind, speed in peaks.items()) + "\n")
    print(
        f"{'model':<24}{'':<10}{'images/s':>9}{'ratio':>8}{'GFLOP':>8}{'of limit':>10}{'MB':>9}{'error':>10}"
        f"{'max':>6}{'mean':>8}"
    )
    for name in arguments.names:
        compare(name, arguments, peaks)


if __name__ == "__main__":
    main()
