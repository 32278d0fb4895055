"""How far do bfloat16 and float16 move the pixels of each bundled model?

python benchmarks/precision.py [images, default 1000]

Images of seed 0 on the CPU against those in float32, in steps of 1/255: the mean over all values, the largest change of
all but one in a thousand values, and the largest. The arithmetic decides, so other processors give other last digits.
"""

import sys

import torch

import zoo


def main(n: int) -> None:
    print("| model | precision | mean | 99.9 % of values | largest |\n|---|---|---|---|---|")
    for name in zoo.list_models(available="offline"):
        exact = zoo.load(name, device="cpu").sample(n, seed=0).uint8.short()
        for precision in ("bfloat16", "float16"):
            images = zoo.load(name, device="cpu", dtype=precision).sample(n, seed=0).uint8.short()
            counts = (images - exact).abs().flatten().bincount()
            most = int((counts.cumsum(0) >= 0.999 * counts.sum()).int().argmax())
            mean = float((counts * torch.arange(len(counts))).sum() / counts.sum())
            print(f"| `{name}` | {precision} | {mean:.2f} | {most} | {len(counts) - 1} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
