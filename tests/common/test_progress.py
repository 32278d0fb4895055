"""Without a terminal, long work says a line every ten seconds."""

import io
import re
import sys
import threading
import time

from training.run.run_progress import RunProgress
from zoo.common.progress import Lines, Progress


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def test_a_line_every_ten_seconds_with_the_stage_its_share_and_the_time_left():
    clock, lines = Clock(), []
    told = Lines(clock, lines.append)
    for batch in range(1, 13):  # of 100 images, in four seconds each
        clock.now += 4
        told("real images, cifar10 train", 100 * batch, 2000)
    assert lines == [
        "real images, cifar10 train: 300 of 2,000 (15%), 68 s left",
        "real images, cifar10 train: 600 of 2,000 (30%), 56 s left",
        "real images, cifar10 train: 900 of 2,000 (45%), 44 s left",
        "real images, cifar10 train: 1,200 of 2,000 (60%), 32 s left",
    ]


def test_each_stage_has_its_own_rate_and_short_work_says_nothing():
    clock, lines = Clock(), []
    told = Lines(clock, lines.append)
    clock.now += 9
    told("real images", 100, 100)
    assert lines == []
    for done in (1000, 2000, 3000):
        clock.now += 30
        told("seed 0", done, 1_000_000)
    assert lines[0] == "seed 0: 1,000 of 1,000,000 (0%)", "one batch tells no rate yet"
    assert lines[1] == "seed 0: 2,000 of 1,000,000 (0%), 8 h 19 min left"
    clock.now += 300
    told("seed 0", 1_000_000, 1_000_000)
    assert lines[-1] == "seed 0: 1,000,000 of 1,000,000 (100%)"


def test_what_is_no_terminal_gets_lines_and_no_bars(capsys, monkeypatch):
    monkeypatch.setattr("zoo.common.progress.EVERY", 0.0)
    with Progress(True) as progress:
        advance = progress.task("images", 3)
        advance(1)
        advance(2)
    with Progress(False) as silent:
        silent.task("nothing", 3)(3)
    first, second = capsys.readouterr().err.splitlines()
    assert first == "images: 1 of 3 (33%)"
    assert second == "images: 3 of 3 (100%)"


def test_a_narrow_terminal_keeps_the_count_and_the_time_left_of_a_training(monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    with RunProgress(0, 100_000, 64, shown=True) as progress:
        progress.started -= 100  # 32 images/s
        progress.report(50, {"d/adversarial": 0.985, "d/contrastive": 15.981, "d/real": 0.4})
    last = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", terminal.getvalue()).split("\r")[-1]
    assert "50/100000" in last
    assert " left " in last
    assert "d/adversarial 0.985" in last
    assert "…" not in last


def test_steps_that_do_not_say_how_far_they_are_repeat_their_line(capsys, monkeypatch):
    monkeypatch.setattr("zoo.common.progress.EVERY", 0.02)
    with Progress(True) as progress, progress.steps("metrics", {"fid": 3.0, "kid": 1.0}) as end_step:
        time.sleep(0.2)
        end_step()
        time.sleep(0.1)
        end_step()
    lines = capsys.readouterr().err.splitlines()
    assert lines.count("metrics: fid, 1 of 2 (0%)") > 1, "one for each ten seconds of a long step"
    assert any(re.fullmatch(r"metrics: kid, 2 of 2 \(75%\), \d+ s left", line) for line in lines)
    assert not [thread for thread in threading.enumerate() if thread.name == "progress"]


def test_short_steps_say_nothing_and_a_callback_gets_their_number(capsys):
    with Progress(True) as progress, progress.steps("metrics", {"fid": 1.0}) as end_step:
        end_step()
    assert capsys.readouterr().err == ""
    seen = []
    with (
        Progress(lambda *state: seen.append(state)) as progress,
        progress.steps("metrics", {"a": 1.0, "b": 1.0}) as end_step,
    ):
        end_step()
        end_step()
    assert seen == [("metrics", 0, 2), ("metrics", 1, 2), ("metrics", 2, 2)]


def test_a_bar_of_steps_says_which_one(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Progress(True) as progress, progress.steps("metrics", {"fid": 1.0, "kid": 1.0}) as end_step:
        end_step()
        assert progress._bars.tasks[0].description == "metrics: kid, 2 of 2"
    assert "images/s" not in capsys.readouterr().err
