"""Run a command line: a wrong one is an error of one line, with the nearest option or command."""

from __future__ import annotations

import difflib
import re
import sys
from typing import Any

import typer

from ..common.errors import UsageError, ZooError
from . import pages

# Newer versions of typer have their own copy of click, whose classes are only reached through typer's own.
_ClickError: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")


def run(app: typer.Typer, program: str | None = None) -> None:
    """Run the command line of a program; ends with SystemExit, or raises UsageError for a wrong one."""
    pages.fit(app)
    try:
        status = app(standalone_mode=False, prog_name=program)
    except typer.Abort:
        raise ZooError("nothing was done, as it was not confirmed") from None
    except _ClickError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            if page := error.ctx.get_help():  # with rich it is printed already
                print(page)
            sys.exit(UsageError.exit_status)
        raise UsageError(_line(error)) from None
    sys.exit(status if isinstance(status, int) else 0)


def _line(error: Any) -> str:
    context = getattr(error, "ctx", None)
    message = " ".join(error.format_message().split()).replace("Value error, ", "")
    message = re.split(r" Did you mean| \(Possible options", message)[0].rstrip(".")
    message = message[:1].lower() + message[1:]
    if context is None or "did you mean" in message:
        return message
    near = _nearest(error, context)
    return f"{message}; {f'did you mean {near}?' if near else f'see {context.command_path} -h'}"


def _nearest(error: Any, context: Any) -> str | None:
    """Return the option or the command that was probably meant."""
    name = type(error).__name__
    if name == "NoSuchOption":
        known = [option for param in context.command.params for option in param.opts + param.secondary_opts]
        known = [option for option in known if option.startswith("--") and error.option_name.startswith("--")]
        return _closest(error.option_name, known)
    if error.message.startswith("No such command"):
        wanted = next(iter(error.message.split("'")[1:]), "")
        return _closest(wanted, context.command.list_commands(context))
    if " is not one of " in error.message:
        wanted, *known = re.findall(r"'([^']*)'", error.message)
        return _closest(wanted, known)
    return None


def _closest(wanted: str, known: list[str]) -> str | None:
    return next(iter(difflib.get_close_matches(wanted[:200], known, n=1, cutoff=0.5)), None)
