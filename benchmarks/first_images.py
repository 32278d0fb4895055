"""How much later than `import torch` do 64 images of a bundled model arrive? Processes of both kinds, in turn.

python benchmarks/first_images.py [repetitions]
"""

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "import torch": "import torch",
    "import zoo, load, 64 images": "import zoo; zoo.load('contragan/digits').sample(64, seed=0)",
    "zoo list": "import sys; sys.argv = ['zoo', 'list']\nfrom zoo.cli import main\nmain()",
}


def seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    return time.perf_counter() - start


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(repetitions + 1):
        for name, code in COMMANDS.items():
            taken = seconds(code)
            if turn:  # the first fills the disk cache
                times[name].append(taken)
    base = statistics.median(times["import torch"])
    for name, values in times.items():
        median = statistics.median(values)
        print(f"{name:28s} {median:6.2f} s   {median - base:+6.2f} s   {median / base:5.2f} x import torch")


if __name__ == "__main__":
    main()
