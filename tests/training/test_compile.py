"""The compiled step is the eager step, to rounding; when a run compiles; and that resuming keeps to it."""

import copy
import json
import os
from pathlib import Path

import pytest
import torch
from narrow import short
from resuming import last, same, stop_after
from test_engine import some_batches

from training import compiling
from training.compiling import Compiling
from training.engine import Engine
from training.networks import Networks
from training.objectives import Dragan, GradientPenalty, InfoMax
from training.processes import Processes
from training.run import checkpoint
from training.run.trainer import Options, train
from zoo import nets
from zoo.checkpoints import weights
from zoo.common.errors import ZooError
from zoo.schema.recipe import InfoMax as InfoMaxPart

# The compiler looks at .grad of what is no leaf; it silences the warning, but not where warnings are errors.
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")

CPU, GPU = torch.device("cpu"), torch.device("cuda")

# What a compiler sees of a recipe are its networks, with what terms ask of them: both norms of a DCGAN; bilinear
# resampling, one pass of real and generated images, InfoMax and further passes.
PARTS = ["dcgan/stacked-mnist", "ssgan-infomax/cifar100"]


def engine_of(config) -> Engine:
    torch.manual_seed(1)
    return Engine(config, Networks.build(config), together=True)


@pytest.fixture(autouse=True)
def _nothing_compiled_before():
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("name", PARTS)
def test_two_compiled_steps_are_two_eager_ones(name):
    config = short(name, **{"training.discriminator_steps": 1, "training.batch_size": 4})
    runs, batches = [], some_batches(config)
    for compiled in (False, True):
        engine = engine_of(config)
        if compiled:
            engine.compile("aot_eager")
        losses = [{k: v.item() for k, v in engine.step(*batches.of_step(i), i).items()} for i in range(2)]
        runs.append((losses, engine.networks))
    (eager, eager_networks), (compiled, networks) = runs
    for a, b in zip(eager, compiled, strict=True):
        assert b == pytest.approx(a, rel=1e-4, abs=1e-4)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] >= 4
    assert not torch._dynamo.utils.counters["graph_break"]
    norms = [(k, v) for k, v in networks.generator.named_buffers() if "running" in k or k.endswith(".u")]
    for key, value in norms:
        assert torch.allclose(value, eager_networks.generator.get_buffer(key), rtol=1e-2, atol=1e-3), key
    z, y = torch.randn(2, config.generator.latent_dim), torch.zeros(2, dtype=torch.int64)
    with torch.no_grad():
        twin = copy.deepcopy(networks.generator).eval()
        before = twin(z, y)
        for parameter in networks.generator.parameters():
            parameter.zero_()
        assert torch.equal(twin(z, y), before), "a copy of a compiled network computes with its own weights"


@pytest.mark.skipif(
    not (torch.cuda.is_available() or os.environ.get("ZOO_COMPILE")), reason="20 s on a CPU; run with ZOO_COMPILE=1"
)
def test_an_update_by_the_default_compiler(tmp_path, monkeypatch):
    if compiling.obstacle(CPU, [], Processes()):
        pytest.skip("no C++ compiler")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    config = short("infomax-gan-dcgan/stacked-mnist", **{"training.precision": "bfloat16"})
    real, fake = (batches[0] for batches in some_batches(config).of_step(0))
    metrics = []
    for compiled in (False, True):
        engine = engine_of(config)
        if compiled:
            engine.compile()
        metrics.append({k: v.item() for k, v in engine.discriminator_step(*real, *fake).items()})
    assert metrics[1] == pytest.approx(metrics[0], rel=0.02, abs=0.02)
    assert any(tmp_path.rglob("*.so"))


# ------------------------------------------------------------------------------------------------- when it compiles


def test_what_cannot_be_compiled_says_why(monkeypatch):
    infomax = InfoMax(InfoMaxPart())
    assert "gradients of gradients" in compiling.obstacle(CPU, [infomax, GradientPenalty(10)], Processes())
    assert "dragan" in compiling.obstacle(CPU, [Dragan(1)], Processes())
    assert "several processes" in compiling.obstacle(CPU, [infomax], Processes(0, 2))
    assert "mps" in compiling.obstacle(torch.device("mps"), [], Processes())
    monkeypatch.setattr("torch.utils._triton.has_triton", lambda: False)
    assert "Triton" in compiling.obstacle(GPU, [], Processes())

    def missing():
        raise torch._inductor.exc.InvalidCxxCompiler

    monkeypatch.setattr("torch._inductor.cpp_builder.get_cpp_compiler", missing)
    assert "C++ compiler" in compiling.obstacle(CPU, [], Processes())


def test_choices():
    def never():
        raise AssertionError("an obstacle is looked for only where it matters")

    def found():
        return "there is no C++ compiler"

    assert Compiling("off", GPU, never).is_on is False
    assert Compiling("auto", CPU, never).is_on is False
    assert Compiling("auto", GPU, never, trusted=False).is_on is False
    assert Compiling("auto", GPU, found).is_on is False
    assert Compiling("auto", GPU, found).complaint() is None
    assert Compiling("auto", GPU, lambda: None).is_on is None
    assert Compiling("on", CPU, lambda: None).is_on is True
    assert Compiling("on", CPU, found).is_on is False
    assert Compiling("on", CPU, found).complaint() == "steps are not compiled: there is no C++ compiler"
    with pytest.raises(ZooError, match="auto, on, off"):
        Compiling("yes", CPU, never)


@pytest.mark.parametrize(("total", "compiles"), [(20_000, True), (18_000, False)])
@pytest.mark.parametrize("start", [0, 3, 17])
def test_auto_compiles_where_the_rest_takes_long_enough(monkeypatch, total, compiles, start):
    """Steps of 10 ms, of which 4.3 are saved: 80 s are 18,600 of them."""
    clock = [100.0]
    monkeypatch.setattr(Compiling, "_now", lambda self: clock[0])
    monkeypatch.setattr("training.compiling.time.perf_counter", lambda: clock[0])
    run = Compiling("auto", GPU, lambda: None)
    run.begin(start)
    told = []
    for done in range(start + 1, 30):
        assert run.record()["compiled"] == ("undecided" if done <= 20 else "yes" if compiles else "no")
        clock[0] += 0.5 if done <= 5 and start < 10 else 0.01  # the first ones are slow
        if run.decide(done, total):
            told.append(done)
    assert told == ([20] if compiles else [])


def test_auto_goes_on_as_the_checkpoint_was_made():
    def resumed(choice: str, recorded: dict, device=GPU, obstacle=None) -> tuple:
        run = Compiling(choice, device, lambda: obstacle)
        return run.follow(recorded), run.is_on

    assert resumed("auto", {"compiled": "yes"}) == (None, True)
    assert resumed("auto", {"compiled": "no"}) == (None, False)
    assert resumed("auto", {}) == (None, False), "older checkpoints were made eagerly"
    assert resumed("auto", {"compiled": "undecided"}) == (None, None)
    assert resumed("on", {"compiled": "yes"}, CPU) == (None, True)
    line, is_on = resumed("off", {"compiled": "yes"})
    assert not is_on
    assert "were compiled, and are eager from here on (--compile off)" in line
    line, is_on = resumed("auto", {"compiled": "yes"}, obstacle="there is no C++ compiler")
    assert not is_on
    assert "(there is no C++ compiler)" in line
    line, is_on = resumed("on", {})
    assert is_on
    assert "were eager, and are compiled" in line


def test_a_compiled_run_resumes_to_the_bit(tmp_path, monkeypatch, capsys):
    from training.run.stopping import RunStoppedError

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")  # to be put back
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    look = compiling._missing_compiler
    monkeypatch.setattr(compiling, "_missing_compiler", lambda device: look(device) and None)

    def first_thing(device) -> torch.device:
        assert os.environ["TORCHINDUCTOR_CACHE_DIR"], "PyTorch chooses a folder when its compiler is first looked at"
        return torch.device(device)

    monkeypatch.setattr("training.run.trainer.pick_device", first_thing)
    compile_with = Engine.compile
    monkeypatch.setattr(Engine, "compile", lambda engine: compile_with(engine, "aot_eager"))
    config = short("dcgan/stacked-mnist", 4, **{"data.dataset": "digits"})
    whole, parts = (Options(tmp_path / name, device="cpu", log_every=1, compile="on") for name in ("whole", "parts"))
    train(config, whole)
    with pytest.raises(RunStoppedError):
        train(config, parts, stop_after(2))
    train(config, Options(parts.out, device="cpu", log_every=1, resume=True))  # "auto"
    assert same(last(whole.out), last(parts.out))
    header = weights.read_metadata(checkpoint.newest(parts.out / "checkpoints"))
    assert header["compiled"] == "yes"
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(Path(os.environ["ZOO_CACHE"]) / "inductor")
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] >= 4
    assert len((parts.out / "metrics.jsonl").read_text().splitlines()) == 4
    assert json.loads((parts.out / "environment.json").read_text())["starts"][1]["step"] == 2


def test_other_words_are_refused(command):
    result = command("train", "contragan/digits", "--out", "run", "--compile", "maybe")
    assert result.returncode == 2
    assert "'maybe' is not one of 'auto', 'on', 'off'" in result.stderr


def test_both_networks_hooks_are_there_once():
    engine = engine_of(short("sngan/imagenet32"))
    engine.compile("aot_eager")
    discriminator = engine.networks.discriminator
    assert len(discriminator._forward_pre_hooks) == len(discriminator._forward_hooks) == 1
    assert discriminator.normalized_together is not nets.normalized
