"""How much later than `import torch` do the first images arrive? Fresh processes of every kind, in turn.

python benchmarks/first_images.py [repetitions]

The last two are of published size with weights that are drawn on the spot.
"""

import statistics
import subprocess
import sys
import tempfile
import time

SAMPLE = "import sys\nfrom zoo.cli.app import main\nsys.argv = ['zoo', 'sample', {}, '--seed', '0', '--force']\nmain()"
ONE = "import zoo; zoo.load({}, weights='random', device='cpu').sample(1, seed=0)"
COMMANDS = {
    "import torch": "import torch",
    "import zoo, load, 64 images": "import zoo; zoo.load('contragan/digits').sample(64, seed=0)",
    "zoo list": "import sys; sys.argv = ['zoo', 'list']\nfrom zoo.cli.app import main\nmain()",
    "zoo sample -n 1": SAMPLE.format("'contragan-snresgan/cifar10', '-n', '1'"),
    "one image, 64x64 BigGAN": ONE.format("'contragan/tiny-imagenet'"),
    "one image, 128x128 SNGAN": ONE.format("'sngan/celeba128'"),
}


def seconds(code: str, folder: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=folder)
    return time.perf_counter() - start


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(repetitions + 1):
            for name, code in COMMANDS.items():
                taken = seconds(code, folder)
                if turn:  # the first fills the disk cache
                    times[name].append(taken)
    base = statistics.median(times["import torch"])
    for name, values in times.items():
        median = statistics.median(values)
        print(f"{name:28s} {median:6.2f} s   {median - base:+6.2f} s   {median / base:5.2f} x import torch")


if __name__ == "__main__":
    main()
