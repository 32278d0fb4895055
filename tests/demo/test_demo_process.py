"""The demo's processes: what crosses the pipe, in which order, and what happens when one dies."""

import os
import signal
import time
from functools import partial
from types import SimpleNamespace

import demo_jobs
import pytest

from zoo.common.errors import LabelError, ZooError
from zoo.demo import logs, process
from zoo.demo.workers import CancelledError, Job, TooSlowError, Worker


@pytest.fixture(scope="module")
def worker():
    found = Worker("cpu", process.Process("cpu", max_models=2, threads=1), max_waiting=8)
    yield found
    found.close()


def ask(worker, work, seconds=60.0, long=False, **arguments) -> Job:
    return worker.submit(Job(partial(work, **arguments), seconds, long))


def result(worker, work, **arguments):
    return ask(worker, work, **arguments).outcome.result(60)


def test_work_has_the_device_its_models_and_the_threads(worker):
    assert result(worker, demo_jobs.device_and_models) == ("cpu", ["contragan/digits"])
    assert worker.health()["models"] == ["contragan/digits"]
    assert "contragan/digits" in worker.models
    assert result(worker, demo_jobs.torch_threads) == 1


def test_errors_are_the_callers(worker):
    with pytest.raises(LabelError, match=r"^no such class$"):
        result(worker, demo_jobs.fail, error=LabelError("no such class"))
    with pytest.raises(RuntimeError, match=r"^ValueError: deep inside \(demo_jobs\.py:\d+ in fail, "):
        result(worker, demo_jobs.fail, error=ValueError("deep inside"))
    assert result(worker, demo_jobs.answer, value=7) == 7


def test_a_job_that_is_cancelled_or_too_slow_ends_at_its_next_report(worker, tmp_path):
    job = ask(worker, demo_jobs.until, file=tmp_path / "never")
    while not job.progress.total:
        time.sleep(0.001)
    job.cancel()
    with pytest.raises(CancelledError):
        job.outcome.result(30)
    with pytest.raises(TooSlowError):
        result(worker, demo_jobs.until, file=tmp_path / "never", seconds=0.05)
    assert result(worker, demo_jobs.answer, value=7) == 7


def test_a_stop_that_comes_too_late_does_not_end_the_next_job(worker):
    """It lies in the pipe when the next job reports."""
    process._send(worker.models._pipe, "run", 10**9, partial(demo_jobs.answer, value=0), False)
    assert process._receive(worker.models._pipe)[0] == "ended"
    next_ = worker.models._jobs + 1
    process._send(worker.models._pipe, "run", next_ + 10**6, partial(_late, number=10**9), False)
    process._send(worker.models._pipe, "stop", 10**9, ZooError("too late"))
    time.sleep(0.2)
    messages = [process._receive(worker.models._pipe) for _ in range(3)]
    assert [message[0] for message in messages] == ["progress", "progress", "ended"]
    assert messages[-1][2] == "done"


def test_a_stop_that_finds_nothing_to_do_is_let_pass(worker):
    """The job ended while it was on its way."""
    child = worker.models._child.pid
    for kind, content in (("stop", (ZooError("too late"),)), ("go", ())):
        process._send(worker.models._pipe, kind, worker.models._jobs, *content)
        assert result(worker, demo_jobs.answer, value=7) == 7
    assert worker.models._child.pid == child


def _late(job, worker, number):
    for _ in range(2):
        time.sleep(0.1)
        job.report(0, 1)
    return "done"


def test_a_long_job_lets_short_ones_go_first(worker, tmp_path):
    slow = ask(worker, demo_jobs.until, file=tmp_path / "released", long=True)
    while not slow.progress.total:
        time.sleep(0.001)
    assert [result(worker, demo_jobs.answer, value=i) for i in range(3)] == [0, 1, 2]
    with pytest.raises(ZooError, match="x"):
        result(worker, demo_jobs.fail, error=ZooError("x"))
    assert not slow.outcome.done()
    (tmp_path / "released").touch()
    assert slow.outcome.result(30) == "released"


def test_a_process_that_dies_takes_its_request_with_it_and_no_other(worker, tmp_path):
    with pytest.raises(process.EndedError, match=r"has ended \(status -9\)"):
        result(worker, demo_jobs.die)
    assert worker.health()["models"] == []
    assert result(worker, demo_jobs.device_and_models) == ("cpu", ["contragan/digits"])
    slow = ask(worker, demo_jobs.until, file=tmp_path / "never", long=True)
    while not slow.progress.total:
        time.sleep(0.001)
    for job in (ask(worker, demo_jobs.die), slow):
        with pytest.raises(process.EndedError):
            job.outcome.result(60)
    assert result(worker, demo_jobs.answer, value=7) == 7


def test_a_fault_of_the_process_itself_is_one_line(monkeypatch):
    import torch

    lines, before = [], signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(logs._logger, "log", lambda level, line: lines.append(line))
    pipe = SimpleNamespace(recv_bytes=lambda: b"nonsense")
    try:
        with pytest.raises(SystemExit):
            process._serve(pipe, "cpu", 1, torch.get_num_threads())
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(lines) == 1
    assert "UnpicklingError" in lines[0]
    assert "Traceback" not in lines[0]


def test_one_that_does_not_report_is_ended(worker, monkeypatch):
    monkeypatch.setattr(process, "_GRACE", 0.5)
    with pytest.raises(process.EndedError, match="did not report"):
        result(worker, demo_jobs.silent, seconds=0.5)
    assert result(worker, demo_jobs.answer, value=7) == 7


def test_closing_leaves_no_process():
    found = Worker("cpu", process.Process("cpu", 1, 1), 1)
    assert result(found, demo_jobs.answer, value=7) == 7
    child = found.models._child.pid
    found.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
