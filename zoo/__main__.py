"""The program `zoo`, also `python -m zoo`."""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `run` has its handler, Ctrl-C ends it without a traceback

from .common import signals


def main() -> None:
    """Handle signals before importing anything else."""
    signals.run(_command)


def _command() -> None:
    from .cli.app import main

    main()


if __name__ == "__main__":
    main()
