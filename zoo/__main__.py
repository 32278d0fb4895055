"""The program `zoo`, also `python -m zoo`."""

from . import signals


def main() -> None:
    """Signals are heeded before anything else is imported."""
    signals.run(_command)


def _command() -> None:
    from .cli import main

    main()


if __name__ == "__main__":
    main()
