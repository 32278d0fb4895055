"""`zoo evaluate` against writing PNG files and running torch-fidelity's command on them: time from start to score.

python benchmarks/evaluation.py [images] [repetitions]

Same model, same images, same extractor (the offline one), same metrics, one process start each, in turn. "First":
nothing is cached. "Later": the real images' features are, by either. Then, inside one process: how much of the time is
the extractor's.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MODEL, EXTRACTOR = "infomax-gan/digits", "efficientnet-lite0"
FIDELITY = (
    "from zoo.evaluation import efficientnet as e; e.register(); from torch_fidelity.fidelity import main; main()"
)
REAL = """
import sys
from zoo import datasets
from zoo.images import Images
Images(datasets.load("digits").images).save(sys.argv[1])
"""


def timed(*command: str, cache: Path) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, env=os.environ | {"ZOO_CACHE": str(cache)}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return time.perf_counter() - start


def ours(folder: Path, count: int) -> float:
    options = ["--extractor", EXTRACTOR, "--num-fake", str(count), "--seeds", "1", "-m", "fid,kid,is", "-q"]
    return timed(sys.executable, "-m", "zoo", "evaluate", MODEL, *options, cache=folder / "ours")


def two_steps(folder: Path, count: int) -> dict[str, float]:
    """Seconds for writing the samples, for writing the real images (once), and for torch-fidelity's command."""
    python, real, fake = sys.executable, folder / "real", folder / "fake"
    shutil.rmtree(fake, ignore_errors=True)
    sample = ["sample", MODEL, "-n", str(count), "--seed", "0", "-o", str(fake), "-q"]
    seconds = {"write samples": timed(python, "-m", "zoo", *sample, cache=folder)}
    if not real.exists():
        seconds["write real images"] = timed(python, "-c", REAL, str(real), cache=folder)
    arguments = ["--input1", str(fake), "--input2", str(real), "--fid", "--kid", "--isc", "--silent"]
    arguments += ["--feature-extractor", EXTRACTOR, "--kid-subset-size", str(min(count, 1000)), "--save-cpu-ram"]
    arguments += ["--input2-cache-name", "real", "--cache-root", str(folder / "fidelity")]
    seconds["torch-fidelity"] = timed(python, "-c", FIDELITY, *arguments, cache=folder)
    return seconds


def inside(count: int, repetitions: int) -> None:
    """One process: evaluation with cached references against the extractor's forward passes alone."""
    import torch

    import zoo
    from zoo.evaluation import extractors

    model = zoo.load(MODEL, device="cpu")
    images = model.sample(count, seed=0).uint8
    extractor = extractors.load(EXTRACTOR)
    whole, pure, parts = [], [], {}
    for turn in range(repetitions + 1):
        start = time.perf_counter()
        report = zoo.evaluate(model, ("fid", "kid", "is"), extractor=EXTRACTOR, num_fake=count, seeds=1, device="cpu")
        middle = time.perf_counter()
        for batch in torch.split(images, 64):
            extractor(batch, ("1280", "logits"))
        if turn:  # the first makes the reference
            whole.append(middle - start)
            pure.append(time.perf_counter() - middle)
            for part, taken in report.seconds.items():
                parts.setdefault(part, []).append(taken)
    total = statistics.median(whole)
    print(f"\nin one process: {total:.2f} s; the extractor alone {statistics.median(pure):.2f} s")
    for part, taken in parts.items():
        print(f"  {part:12s} {statistics.median(taken):7.2f} s  {statistics.median(taken) / total:6.1%}")
    rest = total - sum(statistics.median(taken) for taken in parts.values())
    print(f"  {'loading, rest':12s} {rest:7.2f} s  {rest / total:6.1%}")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    repetitions = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        os.environ["ZOO_CACHE"] = str(folder / "inside")
        for turn in range(repetitions + 1):
            mine, theirs = ours(folder, count), two_steps(folder, count)
            total = sum(theirs.values())
            steps = ", ".join(f"{step} {seconds:.1f}" for step, seconds in theirs.items())
            kind = "first" if turn == 0 else "later"
            print(
                f"{kind}: zoo evaluate {mine:.1f} s; two steps {total:.1f} s ({steps}); {total / mine:.2f} x",
                flush=True,
            )
        inside(count, repetitions)


if __name__ == "__main__":
    main()
