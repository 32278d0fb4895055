"""A signal ends a program soon, in silence, with the status that a shell expects, whatever the program is in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from narrow import short

from training.run import checkpoint
from training.run.stopping import RunStoppedError, stop_signals
from training.run.trainer import Options, train
from zoo.common import signals

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="these are POSIX's")

PROGRAM = """
import os, signal, sys, threading, time
from pathlib import Path
from zoo.common import files, signals
signals.GRACE = 0.3

def main():
    {body}

signals.run(main)
"""
SAY = "print('ready', flush=True)"


def start(body: str, folder: Path, **options) -> subprocess.Popen:
    """A program with this body; returns when it has printed a line."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": folder, **options}
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    code = PROGRAM.format(body=body.replace("\n", "\n    "))
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, **pipes)
    assert process.stdout.readline() == "ready\n"
    return process


def end(process: subprocess.Popen, *numbers: int) -> tuple[int, float, str]:
    """(status, seconds, standard error) after these signals."""
    since = time.monotonic()
    for number in numbers:
        process.send_signal(number)
        time.sleep(0.05)
    _, stderr = process.communicate(timeout=30)
    return process.returncode, time.monotonic() - since, stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_status_is_that_of_the_signal(number, tmp_path):
    assert end(start(f"{SAY}\ntime.sleep(60)", tmp_path), number)[::2] == (128 + number, "")


STUCK = {
    "a thread that nobody ends": "threading.Thread(target=time.sleep, args=(60,)).start()",
    "an error made of it": "try: time.sleep(60)\nexcept KeyboardInterrupt: raise SystemError('half imported')",
    "lost": "try: time.sleep(60)\nexcept KeyboardInterrupt: time.sleep(60)",
    "a library that does not return": "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})\n"
    "import ctypes; ctypes.CDLL(None).sleep(60)",
}


@pytest.mark.parametrize("body", STUCK.values(), ids=STUCK)
def test_whatever_becomes_of_the_interruption(body, tmp_path):
    """With a temporary file open, which goes in any case."""
    opened = "files.writing = files.replacing(Path('x.bin')); files.writing.__enter__()\n"  # outlives the program
    process = start(f"{opened}{SAY}\n{body}", tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    status, seconds, stderr = end(process, signal.SIGINT, signal.SIGINT)
    assert (status, stderr) == (130, "")
    assert seconds < 2, "GRACE, and the end of the interpreter"
    if "error made" not in body and "thread" not in body:  # those end by themselves, with their own clean-up
        assert list(tmp_path.iterdir()) == []


def test_an_import_is_not_unwound(tmp_path):
    """PyTorch's, met by an exception in its initialisation, aborts."""
    (tmp_path / "slow.py").write_text(
        f"import time\ntry:\n  {SAY}\n  time.sleep(60)\nfinally: open('unwound', 'w').close()"
    )
    assert end(start("import slow", tmp_path), signal.SIGINT)[::2] == (130, "")
    assert not (tmp_path / "unwound").exists()


def test_a_second_signal_does_not_disturb_the_cleaning_up(tmp_path):
    body = f"try:\n  {SAY}; time.sleep(60)\nfinally:\n  time.sleep(0.2); open('cleaned', 'w').close()"
    assert end(start(body, tmp_path), signal.SIGINT, signal.SIGTERM, signal.SIGINT)[0] == 130
    assert (tmp_path / "cleaned").exists()


def test_what_was_ignored_at_the_start_stays_ignored(tmp_path):
    process = start(
        f"{SAY}\ntime.sleep(0.3)\nprint('whole')",
        tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    process.send_signal(signal.SIGHUP)
    assert process.communicate(timeout=30) == ("whole\n", "")
    assert process.returncode == 0


def test_a_program_without_standard_streams_writes_into_no_file(tmp_path):
    """The first file that it opens does not become its standard output."""
    body = "with files.replacing(Path('x')) as t: t.write_text('mine'); print('not mine'); os.system('echo nor this')"
    code = PROGRAM.format(body=body)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", code]
    assert subprocess.run(closed, env=environment, cwd=tmp_path, timeout=60).returncode == 0
    assert (tmp_path / "x").read_text() == "mine"


# --------------------------------------------------------------------------------------------------------- training


def send(number: int, at: int):
    return lambda run: os.kill(os.getpid(), number) if run.step == at else None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_training_run_saves_and_ends(number, tmp_path):
    with pytest.raises(RunStoppedError, match="stopped after step 2 of 9, saved") as stopped:
        train(short("infomax-gan/digits", steps=9), Options(tmp_path / "run", device="cpu"), [send(number, 2)])
    assert stopped.value.exit_status == 128 + number
    assert checkpoint.steps(tmp_path / "run" / "checkpoints") == [2]


def test_under_nohup_a_closed_terminal_does_not_end_it(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        train(short("infomax-gan/digits"), Options(tmp_path / "run", device="cpu"), [send(signal.SIGHUP, 2)])
    finally:
        signal.signal(signal.SIGHUP, before)
    assert checkpoint.steps(tmp_path / "run" / "checkpoints") == [3]


def test_in_another_thread_nothing_is_handled():
    from concurrent.futures import ThreadPoolExecutor

    def asked() -> int:
        with stop_signals() as stopped:
            return stopped()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(asked).result() == 0


def test_a_terminal_that_is_gone_is_not_written_to(tmp_path):
    """Its words would be errors, in the way of what is to be saved."""
    import fcntl
    import pty
    import termios

    code = """
import sys, time
from training.run.stopping import stop_signals
with stop_signals() as stopped:
    print("ready", flush=True)
    while not stopped():
        time.sleep(0.01)
    print("saving", flush=True)
    print("saving", file=sys.stderr, flush=True)
    open("saved", "w").write(str(stopped()))
"""
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        **dict.fromkeys(("stdin", "stdout", "stderr"), theirs),
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    assert os.read(terminal, 5) == b"ready"
    os.close(terminal)
    assert process.wait(timeout=30) == 0
    assert (tmp_path / "saved").read_text() == str(int(signal.SIGHUP))


def test_the_minutes_of_a_run_do_not_follow_the_clock(monkeypatch):
    with stop_signals(minutes=1) as stopped:
        for now in (0.0, 4e9):
            monkeypatch.setattr(time, "time", lambda now=now: now)
            assert stopped() == 0
        monkeypatch.setattr(time, "monotonic", lambda: 1e12)
        assert stopped() == 14
    assert signals.GRACE < 2
