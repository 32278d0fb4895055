"""Shared by all tests: no network, no cache of the user's, the registry as it ships."""

from __future__ import annotations

import sys
from typing import NamedTuple

import pytest

from zoo import cli, registry


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(autouse=True)
def _registry_as_shipped():
    yield
    registry._registered.clear()


class Result(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def command(capsys, monkeypatch, tmp_path):
    """Run the `zoo` command in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments) -> Result:
        monkeypatch.setattr(sys, "argv", ["zoo", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return Result(stop.value.code or 0, *capsys.readouterr())

    return command
