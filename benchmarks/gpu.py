"""The whole GPU page in one command: the card, steps, kernels, sampling, start-up, resuming, and the GPU tests.

    python benchmarks/gpu.py --out gpu.json > gpu.md            # four minutes on one NVIDIA GPU
    python benchmarks/gpu.py --only card,steps --minutes 2
    python benchmarks/gpu.py --device cpu --rehearse            # the script itself, on tiny networks: no figure counts

Everything is measured in this run, on random images and random weights; nothing is downloaded. Loops and ways take
turns, and medians are shown. What did not fit into the time is listed as not run. The exit status is 1 where a section
or a test failed, and 2 without a GPU. From a checkout: it needs the package's dependencies, and pytest for the tests.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import torch

sys.path[0] = str(Path(__file__).parents[1])  # instead of this folder, which has a training.py
sys.path.append(str(Path(__file__).parent))

from gpu_page import card, first_image, kernels, loops, resume, sampling, steps, suite
from gpu_page.page import Part, Section, Setting, parts

SECTIONS = (  # what is not timed comes while the compilers are at work
    Section("card", "The card", 10, card.section),
    Section("tests", "Tests on the card", 50, suite.section),
    Section("resume", "Resuming to the bit", 40, resume.section),
    Section("steps", "Training steps", 92, steps.section),
    Section("kernels", "Kernels of a step by kind", 5, kernels.section),
    Section("sampling", "Sampling", 20, sampling.section),
    Section("first", "The first image of a process", 18, first_image.section),
)
_REHEARSAL = "no figure means anything"


def main() -> int:
    arguments = parsed()
    setting = Setting(torch.device(arguments.device), arguments.rehearse, arguments.recipes, arguments.loops)
    if not (torch.cuda.is_available() if setting.on_gpu else setting.rehearse):
        print("gpu.py: no CUDA device; run it where there is one, or with --device cpu --rehearse", file=sys.stderr)
        return 2
    wanted = [section for section in SECTIONS if section.name in arguments.only]
    about, start = about_the_page(arguments, setting), time.monotonic()
    print(f"# {about['title']}\n\n{about['line']}\n", flush=True)
    done: list[Part] = []
    for part in measured(wanted, setting, arguments.minutes):
        done.append(part)
        print(part.markdown(), flush=True)
        if arguments.out:
            write(arguments.out, about | {"seconds": round(time.monotonic() - start, 1)}, done)
    failures = sum(len(part.failures) for part in done)
    left = sum(len(part.not_run) for part in done)
    print(f"{time.monotonic() - start:.0f} s; {failures} failed, {left} not run.")
    return 1 if failures else 0


def parsed() -> argparse.Namespace:
    names, recipes = [section.name for section in SECTIONS], [recipe.name for recipe in loops.RECIPES]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=4, help="no section begins anything after its share of them")
    parser.add_argument("--only", default=",".join(names), help=f"of {','.join(names)}")
    parser.add_argument("--recipes", default=",".join(recipes), help=f"whose steps are timed, of {','.join(recipes)}")
    parser.add_argument("--loops", default=",".join(loops.KINDS), help=f"of {','.join(loops.KINDS)}")
    parser.add_argument("--out", type=Path, metavar="JSON", help="all figures, written after each section")
    parser.add_argument("--rehearse", action="store_true", help=f"tiny networks, few steps: {_REHEARSAL}")
    arguments = parser.parse_args()
    for option, known in (("only", names), ("recipes", recipes), ("loops", loops.KINDS)):
        given = getattr(arguments, option).split(",")
        if unknown := set(given) - set(known):
            parser.error(f"--{option} {', '.join(sorted(unknown))}: give some of {','.join(known)}")
        setattr(arguments, option, given)
    if arguments.minutes <= 0:
        parser.error(f"--minutes {arguments.minutes:g}: give more than none")
    if arguments.out and not arguments.out.resolve().parent.is_dir():
        parser.error(f"--out {arguments.out}: there is no such folder")
    return arguments


def measured(wanted: list[Section], setting: Setting, minutes: float) -> Iterator[Part]:
    """The sections; the compilers begin once the card has been measured alone, and end with the page."""
    names = [section.name for section in wanted]
    with ExitStack() as begun:
        if names[0] != "card":
            begin_compiling(names, setting, begun)
        for part in parts(wanted, setting, minutes):
            if part.section.name == "card":
                begin_compiling(names, setting, begun)
            yield part


def begin_compiling(names: list[str], setting: Setting, begun: ExitStack) -> None:
    setting.shared["compilers"] = steps.compilers(setting) if "steps" in names else {}
    for child in setting.shared["compilers"].values():
        begun.callback(child.end)


def about_the_page(arguments: argparse.Namespace, setting: Setting) -> dict[str, str | bool]:
    where = torch.cuda.get_device_name(setting.device) if setting.on_gpu else "a CPU"
    where = f"rehearsal on {where}; {_REHEARSAL}" if setting.rehearse else where
    about = {
        "title": f"GPU page: {where}",
        "rehearsal": setting.rehearse,
        "commit": commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "minutes": arguments.minutes,
    }
    line = "commit {commit}, Python {python}, torch {torch}, {minutes:g} minutes at most".format(**about)
    return about | {"line": line}


def commit() -> str:
    command = ["git", "-C", sys.path[0], "describe", "--always", "--dirty", "--exclude=*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except OSError:
        return "unknown"
    return answer.stdout.strip() or "unknown"


def write(path: Path, about: dict, done: Iterable[Part]) -> None:
    page = {"about": about, "sections": {part.section.name: part.json() for part in done}}
    path.write_text(json.dumps(page, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
