"""Chunks of images side by side on a CPU: the same images from any number of threads, and nothing left behind."""

import os
import threading
import time

import pytest
import torch

import zoo
from zoo.inference.threads import one_thread_each


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_bits_do_not_depend_on_the_number_of_threads(dtype):
    """Of a network so wide that products which several threads share differ in their last bits."""
    model = zoo.load("sngan/celeba64", weights="random", device="cpu", dtype=dtype)
    z = model.latents(10, seed=0)
    expected = model.generate(z)
    for number in (1, 3):
        torch.set_num_threads(number)
        assert torch.equal(model.generate(z), expected)


def test_every_part_in_order_on_one_thread_without_gradients():
    weight = torch.ones(1, requires_grad=True)

    def part(i, j):
        assert torch.get_num_threads() == 1
        return i * 10 + j, (weight * i).requires_grad

    assert one_thread_each(part, [(i, 1) for i in range(7)]) == [(i * 10 + 1, False) for i in range(7)]
    assert one_thread_each(part, []) == []
    assert (weight * 2).requires_grad


def test_two_parts_run_at_once():
    both = threading.Barrier(2, timeout=30)
    one_thread_each(both.wait, [(), ()])


def test_other_threads_compute_as_before():
    one_thread_each(abs, [(1,), (2,)])
    assert torch.get_num_threads() == 2
    seen = []
    later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert seen == [2]


def test_callers_at_the_same_time_with_other_numbers_of_threads():
    results = {}

    def call(number):
        torch.set_num_threads(number)
        results[number] = [one_thread_each(lambda i: i + number, [(i,) for i in range(5)]) for _ in range(20)]

    callers = [threading.Thread(target=call, args=(number,)) for number in (1, 2, 3, 4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert results == {number: [[i + number for i in range(5)]] * 20 for number in (1, 2, 3, 4)}


def test_an_error_stops_what_has_not_begun():
    begun = []

    def part(i):
        begun.append(i)
        if i == 0:
            raise MemoryError("no memory for the first")
        time.sleep(0.02)

    with pytest.raises(MemoryError, match="no memory for the first"):
        one_thread_each(part, [(i,) for i in range(100)])
    assert len(begun) < 50


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks processes")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_starts_threads_of_its_own():
    assert one_thread_each(abs, [(-1,), (-2,)]) == [1, 2]
    if (child := os.fork()) == 0:
        os._exit(0 if one_thread_each(abs, [(-1,), (-2,)]) == [1, 2] else 1)
    deadline = time.monotonic() + 30
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, 9)
            os.waitpid(child, 0)
            pytest.fail("the child waits for threads that it does not have")
        time.sleep(0.01)
