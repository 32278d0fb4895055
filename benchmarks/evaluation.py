"""`zoo evaluate` against writing PNG files and running torch-fidelity's command on them: time from start to score.

python benchmarks/evaluation.py [images] [repetitions] [Inception weights]

Same model, same images, same extractor (the offline one), same metrics, a process start for each step, in turn: once
with nothing cached, then again. torch-fidelity keeps the features of a folder only if it is told a name for them, so
the second round is shown without and with. Then, inside one process, the network as torch-fidelity's registry has it
beside the one that evaluations run, and the share of each part and how much comes on top of the extractor's forward
passes. CPU seconds stand beside wall time: they are the same on a busy machine.
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MODEL, EXTRACTOR = "infomax-gan/digits", "efficientnet-lite0"
FIDELITY = (
    "from zoo.evaluation.features import efficientnet as e; e.register()\n"
    "from torch_fidelity.fidelity import main; main()"
)
REAL = """
import sys
from zoo import datasets
from zoo.sampling.images import Images
Images(datasets.load("digits").images).save(sys.argv[1])
"""


def timed(*command: str, cache: Path) -> tuple[float, float]:
    """Wall and CPU seconds of a process."""

    def cpu() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    start, before = time.perf_counter(), cpu()
    done = subprocess.run(command, env=os.environ | {"ZOO_CACHE": str(cache)}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return time.perf_counter() - start, cpu() - before


def ours(folder: Path, count: int) -> dict[str, tuple[float, float]]:
    options = ["--extractor", EXTRACTOR, "--num-fake", str(count), "--seeds", "1", "-m", "fid,kid,is", "-q"]
    return {"zoo evaluate": timed(sys.executable, "-m", "zoo", "evaluate", MODEL, *options, cache=folder / "ours")}


def two_steps(folder: Path, count: int, named: bool) -> dict[str, tuple[float, float]]:
    """Writing the samples, writing the real images (once), torch-fidelity's command."""
    python, real, fake = sys.executable, folder / "real", folder / "fake"
    shutil.rmtree(fake, ignore_errors=True)
    sample = ["sample", MODEL, "-n", str(count), "--seed", "0", "-o", str(fake), "-q"]
    steps = {"write samples": timed(python, "-m", "zoo", *sample, cache=folder)}
    if not real.exists():
        steps["write real images"] = timed(python, "-c", REAL, str(real), cache=folder)
    arguments = ["--input1", str(fake), "--input2", str(real), "--fid", "--kid", "--isc", "--silent", "--save-cpu-ram"]
    arguments += ["--feature-extractor", EXTRACTOR, "--kid-subset-size", str(min(count, 1000))]
    if named:
        arguments += ["--input2-cache-name", "real", "--cache-root", str(folder / "fidelity")]
    return steps | {"torch-fidelity": timed(python, "-c", FIDELITY, *arguments, cache=folder)}


def tell(round_: str, mine: dict, theirs: dict) -> None:
    totals = [tuple(map(sum, zip(*steps.values(), strict=True))) for steps in (mine, theirs)]
    steps = ", ".join(f"{step} {wall:.1f} ({cpu:.1f})" for step, (wall, cpu) in theirs.items())
    ratio = " and ".join(f"{b / a:.2f}" for a, b in zip(*totals, strict=True))
    print(f"{round_}: zoo evaluate {totals[0][0]:.1f} s ({totals[0][1]:.1f} CPU); two steps {totals[1][0]:.1f} s")
    print(f"    ({totals[1][1]:.1f} CPU): {steps}; {ratio} times as long, wall and CPU", flush=True)


def inside(count: int, repetitions: int, extractor: str, inception_weights: str | None = None) -> None:
    """One process: evaluation with cached references against the extractor's forward passes alone, in CPU seconds."""
    import torch

    import zoo
    from zoo.evaluation.features import extractors

    model = zoo.load(MODEL, device="cpu")
    images = model.sample(count, seed=0).uint8
    network = extractors.load(extractor, inception_weights=inception_weights)
    layers = (network.layer("fid"), network.layer("is"))
    options = {"extractor": extractor, "inception_weights": inception_weights, "device": "cpu"}
    whole, pure, shares = [], [], {}
    for turn in range(repetitions + 1):
        start = time.process_time()
        report = zoo.evaluate(
            model, ("fid", "kid", "is"), num_real=min(count, 1797), num_fake=count, seeds=1, **options
        )
        middle = time.process_time()
        for batch in torch.split(images, 64):
            network(batch, layers)
        if turn:  # the first makes the reference
            whole.append(middle - start)
            pure.append(time.process_time() - middle)
            total = sum(report.seconds.values())
            for part, taken in report.seconds.items():
                shares.setdefault(part, []).append(taken / total)
    total, alone = statistics.median(whole), statistics.median(pure)
    print(f"\n{extractor}, {count} images, one process: {total:.1f} CPU s; the extractor alone {alone:.1f}")
    print(f"    {total / alone - 1:+.0%};", ", ".join(f"{p} {statistics.median(s):.0%}" for p, s in shares.items()))


def side_by_side(count: int, turns: int = 3) -> None:
    """The registered network and the fast one in turn, CPU milliseconds an image, and how far their features are."""
    import torch

    from zoo.evaluation.features.efficientnet import EfficientNetLite
    from zoo.evaluation.features.fast_efficientnet import FastEfficientNetLite

    images = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    networks = {"registered": EfficientNetLite(EXTRACTOR, ["1280"]), "fast": FastEfficientNetLite(EXTRACTOR, ["1280"])}
    taken, features = {name: [] for name in networks}, {}
    for _ in range(turns):
        for name, network in networks.items():
            start = time.process_time()
            with torch.inference_mode():
                features[name] = torch.cat([network(batch)[0] for batch in images.split(64)])
            taken[name].append(1000 * (time.process_time() - start) / count)
    plain, fast = (statistics.median(taken[name]) for name in networks)
    apart = float((features["registered"] - features["fast"]).abs().max())
    ratios = ", ".join(f"{a / b:.2f}" for a, b in zip(*taken.values(), strict=True))
    print(f"\n{EXTRACTOR}: registered {plain:.2f} CPU ms an image, fast {fast:.2f} (in pairs {ratios} times)")
    print(f"    largest difference of a feature: {apart:g}")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    repetitions = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["ZOO_CACHE"] = str(folder / "inside")
        tell("first", ours(folder, count), two_steps(folder, count, named=True))
        for _ in range(repetitions):
            mine = ours(folder, count)
            tell("again", mine, two_steps(folder, count, named=False))
            tell("again, its cache named", mine, two_steps(folder, count, named=True))
        side_by_side(min(count, 256))
        inside(count, repetitions, EXTRACTOR)
        if len(sys.argv) > 3:
            inside(count // 10, repetitions, "inception", sys.argv[3])


if __name__ == "__main__":
    main()
