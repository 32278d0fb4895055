"""`python -m training NAME --out runs/x`, also `zoo train`: train any config of the registry."""

from __future__ import annotations

import typer

from zoo.common import failures, signals

from .command import train


def main() -> None:
    signals.run(lambda: failures.run(lambda: typer.run(train), "training"))


if __name__ == "__main__":
    main()
