"""A few seconds of the siege: random inputs, processes under signals, and the table of all parts."""

import subprocess
import sys
from pathlib import Path

import pytest
from programs import siege
from programs.siege_inputs import besiege as besiege_inputs
from programs.siege_process import LIMIT, SIGNALS
from programs.siege_process import besiege as besiege_processes


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")
def test_random_inputs_are_refused_in_one_line_or_accepted():
    figures = besiege_inputs(seconds=3, seed=0)
    assert figures["faults"] == []
    assert figures["trials"] == figures["refused"] + figures["accepted"]
    assert figures["trials"] > 50
    assert figures["accepted"] > 3
    assert sum(name.startswith("trials of ") for name in figures) == 7


@pytest.mark.skipif(len(SIGNALS) < 4, reason="these are POSIX's")
def test_processes_under_signals():
    figures = besiege_processes(2, 3, ("grid", "export", "drive", "hub"))
    assert figures["faults"] == []
    assert figures["survivals"] == figures["trials"] > 0
    assert figures["leftovers"] == figures["tracebacks"] == figures["longer_lines"] == figures["wrong_statuses"] == 0
    assert figures["longest_seconds"] < LIMIT


def test_a_part_that_dies_or_is_wrong_is_a_fault(monkeypatch):
    monkeypatch.setattr(siege, "_CALL", "import sys; sys.exit('no siege_{0}')")
    assert siege.besiege("leaks", 1, 0) == {"faults": ["status 1: no siege_leaks"]}
    monkeypatch.setattr(siege, "_CALL", "import time; time.sleep(60)")
    monkeypatch.setattr(siege, "_GRACE", 0)
    assert siege.besiege("leaks", 0.5, 0) == {"faults": ["not done 0 s after its time"]}
    table = siege.table({"leaks": {"loads": 5, "faults": ["one"]}}).splitlines()
    assert table[-2:] == ["| leaks | loads  |     5 |", "| leaks | faults |     1 |"]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_nothing_grows_and_threads_are_right():
    program = Path(siege.__file__)
    command = [sys.executable, program, "--minutes", "0.05", "--only", "leaks"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].split() == ["|", "leaks", "|", "faults", "|", "0", "|"]
