"""`python -m training NAME --out runs/x`, also `zoo train`: train any config of the registry."""

from __future__ import annotations

import typer

from zoo.cli import usage
from zoo.common import failures, signals

from .command import train

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})
app.command()(train)


def main() -> None:
    signals.run(lambda: failures.run(lambda: usage.run(app, "python -m training"), "training"))


if __name__ == "__main__":
    main()
