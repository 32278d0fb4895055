"""Errors of the zoo. Each message says what is wrong and ends with what to do next."""

from __future__ import annotations

from .text import one_line


class ZooError(Exception):
    """Base of every error the zoo raises on purpose; the message is one clear line."""

    exit_status = 1  # of a command that ends with this error

    def __str__(self) -> str:
        # KeyError would show the repr of its argument; users read the plain message. What the message quotes, such as
        # the name of a file, may hold any characters.
        return one_line(str(self.args[0])) if self.args else ""


class UsageError(ZooError):
    """A command line that no command understands, or an argument that is wrong whatever is on this machine."""

    exit_status = 2


class UnknownModelError(UsageError, KeyError):
    """No model has this name; the message suggests the nearest ones."""


class ConfigError(ZooError, ValueError):
    """A config file is refused; the message names the file, the field and the reason."""


class WeightsUnavailableError(ZooError, FileNotFoundError):
    """The weights asked for are not on this machine; the message says how to get them."""


class UnknownTagError(WeightsUnavailableError, UsageError):
    """A model has no weights with this tag; the message lists its tags."""


class WeightsCorruptedError(ZooError):
    """A weights file is damaged, or belongs to another architecture."""


class LabelError(UsageError, ValueError):
    """A class label is unknown, out of range, or given to a model without classes."""


class DataUnavailableError(ZooError, FileNotFoundError):
    """A data set is not on this machine; the message says how to get it."""


class UnknownDatasetError(DataUnavailableError, UsageError):
    """No data set has this name; the message suggests the nearest."""


class UnknownSplitError(DataUnavailableError, UsageError):
    """A data set has no split of this name; the message lists its splits."""


class DataCorruptedError(ZooError):
    """A file of a data set is damaged or of the wrong kind; the message names the file."""


class StoppedError(ZooError):
    """Ctrl-C or SIGTERM stopped work that the same command continues."""

    exit_status = 130
