"""The same images, to the bit, whatever the process has set."""

import threading
from contextlib import contextmanager

import numpy as np
import pytest
import torch

import zoo
from zoo.inference.process_state import Switches, undisturbed

NAMES = ("contragan/digits", "infomax-gan/digits")
COUNTS = (1, 3, 16)
BACKENDS = torch.backends


def images_of(model):
    return [model.sample(n, seed=0).uint8 for n in COUNTS]


@pytest.fixture(scope="module", autouse=True)
def two_threads():
    """With more processors, few images are divided among more threads, and their last bits depend on that."""
    with threads(2):
        yield


@pytest.fixture(scope="module")
def expected(two_threads):
    return {name: images_of(zoo.load(name, device="cpu")) for name in NAMES}


@contextmanager
def called(change, restore):
    change()
    try:
        yield
    finally:
        restore()


def attribute(owner, name, value):
    before = getattr(owner, name)
    return called(lambda: setattr(owner, name, value), lambda: setattr(owner, name, before))


def threads(n):
    before = torch.get_num_threads()
    return called(lambda: torch.set_num_threads(n), lambda: torch.set_num_threads(before))


def default_dtype(dtype):
    return called(lambda: torch.set_default_dtype(dtype), lambda: torch.set_default_dtype(torch.float32))


def matmul_precision(name):
    return called(
        lambda: torch.set_float32_matmul_precision(name), lambda: torch.set_float32_matmul_precision("highest")
    )


def deterministic():
    return called(lambda: torch.use_deterministic_algorithms(True), lambda: torch.use_deterministic_algorithms(False))


def default_device(name):
    return called(lambda: torch.set_default_device(name), lambda: torch.set_default_device(None))


def flushed():
    return called(lambda: torch.set_flush_denormal(True), lambda: torch.set_flush_denormal(False))


STATES = {
    "default dtype float64": lambda: default_dtype(torch.float64),
    "default dtype float16": lambda: default_dtype(torch.float16),
    "default dtype bfloat16": lambda: default_dtype(torch.bfloat16),
    "default device meta": lambda: default_device("meta"),
    "inside a device": lambda: torch.device("meta"),
    "autocast bfloat16": lambda: torch.autocast("cpu", torch.bfloat16),
    "autocast float16": lambda: torch.autocast("cpu", torch.float16),
    "inference mode": torch.inference_mode,
    "no gradients": torch.no_grad,
    "gradients": torch.enable_grad,
    "anomaly detection": lambda: torch.autograd.set_detect_anomaly(True),
    "one thread": lambda: threads(1),
    "two threads": lambda: threads(2),
    "deterministic algorithms": deterministic,
    "products in bfloat16": lambda: matmul_precision("medium"),
    "products in TF32": lambda: matmul_precision("high"),
    "convolutions in bfloat16": lambda: attribute(BACKENDS.mkldnn.conv, "fp32_precision", "bf16"),
    "everything in bfloat16": lambda: attribute(BACKENDS, "fp32_precision", "bf16"),
    "without oneDNN": lambda: attribute(BACKENDS.mkldnn, "enabled", False),
    "without NNPACK": lambda: BACKENDS.nnpack.flags(enabled=False),
    "denormals flushed": flushed,
    "NumPy raises": lambda: np.errstate(all="raise"),
}


@pytest.mark.parametrize("state", STATES)
def test_no_state_of_the_process_changes_a_bit(state, expected):
    name = NAMES[list(STATES).index(state) % 2]
    with STATES[state]():
        found = images_of(zoo.load(name, device="cpu"))
    for few, wanted in zip(found, expected[name], strict=True):
        assert torch.equal(few, wanted), f"{len(few)} images"


SOME = ["default dtype bfloat16", "default device meta", "inference mode", "autocast float16"]


@pytest.mark.parametrize("state", SOME)
def test_nor_of_a_model_that_was_loaded_before(state, expected):
    model = zoo.load(NAMES[0], device="cpu")
    with STATES[state]():
        found = images_of(model)
    assert all(torch.equal(few, wanted) for few, wanted in zip(found, expected[NAMES[0]], strict=True))


@pytest.mark.parametrize("state", SOME)
def test_nor_latents_gradients_and_walks(state):
    model = zoo.load("contragan/digits", device="cpu")

    def results():
        z = model.latents(2, 5).requires_grad_()
        with torch.enable_grad():
            images = model.generate(z, [1, 2], grad=True)
        return z.detach(), images.detach(), model.interpolate(1, 2, 3, label=4).uint8, model.trained_labels("all", 10)

    wanted = results()
    with STATES[state]():
        found = results()
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_a_model_that_was_loaded_in_inference_mode_can_be_trained():
    with torch.inference_mode():
        model = zoo.load("contragan/digits", device="cpu")
        model.sample(1, seed=0)
    model.train()
    model(model.latents(2, 0), 1).square().mean().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_what_the_user_has_set_is_there_again():
    before = torch.get_num_threads()
    with matmul_precision("medium"), torch.autocast("cpu", torch.bfloat16), default_device("meta"):
        zoo.load("contragan/digits", device="cpu").sample(2, seed=0)
        assert torch.get_float32_matmul_precision() == "medium"
        assert torch.is_autocast_enabled("cpu")
        assert torch.empty(1).device.type == "meta"
        with undisturbed(torch.device("cpu")):
            assert torch.empty(1).device.type == "cpu"
    assert torch.get_num_threads() == before


def test_switches_are_restored_by_the_last_to_leave():
    class Owner:
        value = "low"

    switches, inside, leave = Switches([(Owner, "value", ("high", "highest"))]), threading.Event(), threading.Event()

    def work():
        with switches.held():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=work)
    with switches.held():
        thread.start()
        assert inside.wait(10)
    assert Owner.value == "high", "another thread is still inside"
    leave.set()
    thread.join()
    assert Owner.value == "low"
    Owner.value = "highest"
    with switches.held():
        assert Owner.value == "highest"
