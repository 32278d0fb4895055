"""A run that begins with another model's networks: what is kept, what is made anew, and what is refused."""

import json
import re

import checkpoints
import children
import pytest
import stand_in_hub
import torch
from narrow import short
from resuming import last, same, stop_after
from safetensors.torch import save_file

import zoo
from training.networks import Networks
from training.run import checkpoint, starting_point
from training.run.run_folder import RunFolder
from training.run.stopping import RunStoppedError
from training.run.trainer import Options, train
from zoo import nets
from zoo.checkpoints import weights
from zoo.checkpoints.upstream.importer import import_checkpoint
from zoo.common import files
from zoo.common.errors import ZooError
from zoo.schema import registry
from zoo.schema.config import ModelConfig

PARTS = ("generator", "discriminator")
TENSORS = ("model.safetensors", "discriminator.safetensors")
UPSTREAM = {"source": "studiogan", "google_drive_folder": "x" * 30}
FREEZE = [{"type": "freeze-d", "blocks": 2}]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of two steps, without an average that rounding would hide."""
    return train(short("contragan/digits", 2), Options(tmp_path_factory.mktemp("a") / "run", device="cpu"))


def part(tensors, name: str):
    return {key.removeprefix(f"{name}/"): tensor for key, tensor in tensors.items() if key.startswith(f"{name}/")}


def test_a_run_begins_with_both_networks_of_another_and_needs_it_no_more(run, tmp_path):
    config = short("contragan/digits", 2)
    out = train(config, Options(tmp_path / "next", device="cpu", keep=9, start_from=run))
    first = weights.read(checkpoint.path_of(out / "checkpoints", 0))
    for network, file in (("generator", "model"), ("discriminator", "discriminator")):
        given = weights.read(run / f"{file}.safetensors")
        own = part(first, network)
        assert all(torch.equal(own[name], tensor.to(own[name].dtype)) for name, tensor in given.items())
    assert same(part(first, "ema"), part(first, "generator"))
    (start,) = RunFolder(out).starts()
    assert start["from"] == str(run)
    assert start["from_generator_sha256"] == files.sha256(run / "model.safetensors")
    assert start["from_discriminator_sha256"] == files.sha256(run / "discriminator.safetensors")
    assert weights.read_metadata(out / "model.safetensors")["from"] == str(run)
    begun = registry.exported(out).origin.beginning
    assert begun.model == "contragan/run"  # not its place on this machine
    assert (begun.networks, begun.anew) == (PARTS, ())

    gone = run.rename(tmp_path / "elsewhere")
    try:
        options = Options(tmp_path / "again", device="cpu", start_from=gone)
        with pytest.raises(RunStoppedError):
            train(config, options, stop_after(1))
        gone.rename(run)
        (tmp_path / "again" / "checkpoints" / "step-0000001.safetensors").unlink()  # killed before it was saved
        train(config, Options(tmp_path / "again", device="cpu", resume=True))
    finally:
        if gone.exists():
            gone.rename(run)
    # The checkpoint of step 0 has all but the source's name, which differs.
    assert same(last(out), last(tmp_path / "again"))
    with pytest.raises(ZooError, match=r"began with .*elsewhere, not with contragan/digits"):
        train(config, Options(tmp_path / "again", device="cpu", resume=True, start_from="contragan/digits"))


def test_a_run_that_is_killed_while_it_begins_can_begin_again(run, tmp_path, monkeypatch):
    monkeypatch.setattr(RunFolder, "create", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        train(short("contragan/digits", 2), Options(tmp_path / "x", device="cpu", start_from=run))
    monkeypatch.undo()
    assert (tmp_path / "x" / "checkpoints" / "step-0000000.safetensors").exists()
    train(short("contragan/digits", 2), Options(tmp_path / "x", device="cpu", keep=9))  # this one with its own weights
    assert checkpoint.steps(tmp_path / "x" / "checkpoints") == [2]


@pytest.mark.parametrize("name", ["contragan/digits", "acgan-snresgan/cifar10", "projgan-sndcgan/cifar10"])
@pytest.mark.parametrize("classes", [3, 10])
def test_only_parts_of_classes_are_made_anew(name, classes, tmp_path):
    """Of ten classes with other names, too; the parts are those whose shapes the number of classes decides."""
    old = short(name)
    torch.manual_seed(0)
    source = Networks.build(old)
    tensors = (network.state_dict() for network in (source.generator, source.discriminator))
    start = starting_point.StartingPoint("x", "x", old, *tensors, {})
    counts = {f"{part}.num_classes": classes for part in ("generator", "discriminator")}
    new = old.updated(counts | {"data.dataset": "custom:mine", "data.class_names": [f"c{i}" for i in range(classes)]})
    torch.manual_seed(1)
    networks = Networks.build(new)
    before = {part: {k: v.clone() for k, v in getattr(networks, part).state_dict().items()} for part in PARTS}
    _, line = starting_point.begin_with(start, networks, new)
    assert line.startswith("starting with the generator and discriminator of x: kept but for what is made anew for ")
    assert f" for {classes} classes: generator " in line
    eleven = Networks.build(old.updated(dict.fromkeys(counts, 11) | {"data.class_names": None}))
    for name_ in PARTS:
        of_classes = {
            key.rpartition(".")[0]
            for key, tensor in getattr(eleven, name_).state_dict().items()
            if tensor.shape != getattr(start, name_)[key].shape
        }
        assert of_classes
        for key, tensor in getattr(networks, name_).state_dict().items():
            wanted = before[name_] if key.rpartition(".")[0] in of_classes else getattr(start, name_)
            assert torch.equal(tensor, wanted[key]), key


def test_the_same_classes_keep_everything_and_other_architectures_are_refused(run, tmp_path):
    config = ModelConfig.from_file(run / "config.json")
    networks = Networks.build(config)
    assert starting_point.begin_with(starting_point.read(run), networks, config)[1].endswith(": all tensors are kept")
    wider = config.at_width(16)
    networks = Networks.build(wider)
    before = checkpoint.digest(networks.generator.state_dict())
    with pytest.raises(ZooError, match=r"this run: generator \S+ is \(.*\) there and \(.*\) here; .* more; start"):
        starting_point.begin_with(starting_point.read(run), networks, wider)
    assert checkpoint.digest(networks.generator.state_dict()) == before


def test_a_generator_alone_an_unconditional_one_and_a_checkpoint(run, tmp_path):
    config = ModelConfig.from_file(run / "config.json")
    save_file(weights.read(run / "model.safetensors"), tmp_path / "g.safetensors")
    start = starting_point.read(tmp_path / "g.safetensors")
    assert start.discriminator is None
    _, line = starting_point.begin_with(start, Networks.build(config), config)
    assert line.endswith("g.safetensors, which has no discriminator: all tensors are kept")
    frozen = config.updated({"training.regularizers": FREEZE})
    with pytest.raises(ZooError, match="has no discriminator whose blocks could be kept"):
        starting_point.begin_with(start, Networks.build(frozen), frozen)

    networks = Networks.build(config)
    path = checkpoint.newest(run / "checkpoints")
    starting_point.begin_with(starting_point.read(path), networks, config)
    assert same(networks.discriminator.state_dict(), part(last(run), "discriminator"))


def test_conditional_norms_become_plain_ones():
    many = short("sngan-pd/cifar10")
    plain = many.generator.model_copy(update={"num_classes": 0})
    tensors = nets.build_generator(many.generator).state_dict()
    of_classes = starting_point.parts_of_classes(nets.build_generator, plain)
    plan = starting_point.plan(nets.build_generator(plain), tensors, of_classes, True)
    assert not plan.problems
    assert plan.anew
    assert all(".norm" in name for name in plan.anew)


def test_frozen_blocks_stay_and_the_rest_learns(run, tmp_path):
    config = short("contragan/digits", 2, **{"training.regularizers": FREEZE})
    with pytest.raises(ZooError, match="name the model with --from"):
        train(config, Options(tmp_path / "none", device="cpu"))
    out = tmp_path / "out"
    with pytest.raises(RunStoppedError):
        train(config, Options(out, device="cpu", start_from=run), stop_after(1))
    train(config, Options(out, device="cpu", resume=True))
    given = weights.read(run / "discriminator.safetensors")
    discriminator = part(last(out), "discriminator")
    parameters = [name for name, _ in Networks.build(config).discriminator.named_parameters()]
    same_ = {name for name in parameters if torch.equal(discriminator[name], given[name].float())}
    assert same_ == {name for name in parameters if name.startswith(("blocks.0.", "blocks.1.", "attention.1."))}


def test_a_finished_run_goes_on(tmp_path, capsys):
    """With the schedule of the new number of steps, and with the data that it was trained on."""
    config = short("contragan/digits", 2)
    out = train(config, Options(tmp_path / "run", device="cpu"))
    longer = config.updated({"training.steps": 4})
    train(longer, Options(out, device="cpu", resume=True))
    told = capsys.readouterr().out
    assert (
        "4 steps instead of 2: the learning rates (generator and discriminator) go on from 0.0001 and 0.0002, "
        "not 0 and 0 as planned before, and fall linearly to 0 at step 4\n" in told
    )
    assert ModelConfig.from_file(out / "config.json").training.steps == 4
    assert checkpoint.steps(out / "checkpoints")[-1] == 4
    train(longer, Options(out, device="cpu", resume=True))
    assert "all 4 steps are done; --steps with a larger number continues the run" in capsys.readouterr().out
    with pytest.raises(ZooError, match="4 steps are done already; give --steps more than these"):
        train(config.updated({"training.steps": 3}), Options(out, device="cpu", resume=True))
    assert ModelConfig.from_file(out / "config.json").training.steps == 4


def test_an_extended_run_without_decay_is_the_run_that_was_planned_so(tmp_path):
    config = short("contragan/digits", 2, **{"training.lr_decay": "none"})
    longer = config.updated({"training.steps": 4})
    whole = train(longer, Options(tmp_path / "whole", device="cpu"))
    parts = train(config, Options(tmp_path / "parts", device="cpu"))
    train(longer, Options(parts, device="cpu", resume=True))
    assert same(last(whole), last(parts))


def test_a_resumed_run_finds_its_data(tmp_path, some_data):
    config, data = short("infomax-gan/cifar10", 3), some_data("infomax-gan/cifar10")
    out = tmp_path / "run"
    with pytest.raises(RunStoppedError):
        train(config, Options(out, data, device="cpu"), stop_after(1))
    moved = data.rename(tmp_path / "moved.npz")
    with pytest.raises(
        ZooError, match=rf"{re.escape(str(data))} is not there any more, and .* was trained on it; .*--data"
    ):
        train(config, Options(out, device="cpu", resume=True))
    with pytest.raises(RunStoppedError):
        train(config, Options(out, moved, device="cpu", resume=True), stop_after(2))
    train(config, Options(out, device="cpu", resume=True))
    assert [start["data_path"] for start in json.loads((out / "environment.json").read_text())["starts"]] == [
        str(data),
        str(moved),
        str(moved),
    ]


def _read(source: str) -> tuple:
    start = starting_point.read(source)
    assert start.discriminator is not None
    return start.public, start.sha256, len(start.generator), len(start.discriminator)


def test_a_repository_of_the_hub_is_a_starting_point(run, tmp_path):
    files_of_run = {name: (run / name).read_bytes() for name in ("config.json", *TENSORS)}
    with stand_in_hub.hub() as (address, state):
        state.repositories["someone/gan"] = stand_in_hub.Repository(files_of_run)
        environment = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "0"}
        outcome = children.run(_read, "hf://someone/gan", environment=environment)
    assert outcome.error is None, outcome.message
    assert outcome.value == ("hf://someone/gan", *_read(str(run))[1:])


def test_a_published_checkpoint_is_a_starting_point(tmp_path):
    config = checkpoints.with_weights(
        checkpoints.narrow("sngan-pd/cifar10"),
        upstream=UPSTREAM | {"path": "G.pth"},
        discriminator={"upstream": UPSTREAM | {"path": "D.pth"}},
    )
    zoo.register(config, replace=True)
    for part_, file in (("generator", "G.pth"), ("discriminator", "D.pth")):
        state = {"state_dict": checkpoints.foreign_state(config, "studiogan", 3, part_)}
        (tmp_path / file).write_bytes(checkpoints.saved(state))
        import_checkpoint(f"{config.name}@test", tmp_path / file, discriminator=part_ == "discriminator")
    start, networks = starting_point.read("sngan-pd/cifar10@test"), Networks.build(config)
    beginning, line = starting_point.begin_with(start, networks, config)
    assert line == "starting with the generator and discriminator of sngan-pd/cifar10@test: all tensors are kept"
    assert beginning.model == "sngan-pd/cifar10@test"
    for part_ in PARTS:
        assert same(getattr(networks, part_).state_dict(), checkpoints.random_state(config, 3, part_))
