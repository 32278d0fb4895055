"""The commands of the papers, for the tests of both."""

from __future__ import annotations

import pytest
import typer

from training.studies import papers_command, reproduce


@pytest.fixture
def app():
    made = typer.Typer()
    made.command("reproduce")(reproduce.reproduce)
    made.command("papers")(papers_command.papers)
    return made
