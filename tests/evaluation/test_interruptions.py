"""After Ctrl-C the same evaluation continues where it was, and ends in the same numbers."""

import os
import time

import pytest
import torch
from safetensors.torch import load_file

import zoo
from zoo.common.errors import StoppedError
from zoo.evaluation.features import extractors, sources, unfinished
from zoo.evaluation.metrics import scores

COUNT, BATCHES = 300, 5  # of 64 images; the real digits are 29


@pytest.fixture
def passes(monkeypatch):
    """Count the batches that go through the extractor: (first layer, images)."""
    made, call = [], extractors.Extractor.__call__

    def counted(self, images, layers):
        if len(images) > 1:  # one alone is asked for the widths
            made.append(len(images))
        return call(self, images, layers)

    monkeypatch.setattr(extractors.Extractor, "__call__", counted)
    return made


def evaluate(model, cache, **options):
    return zoo.evaluate(
        model, ("fid", "is"), extractor="tiny", num_fake=COUNT, seeds=2, device="cpu", cache_dir=cache, **options
    )


def interrupt(monkeypatch, owner, name, call):
    """Make one call of a function end in Ctrl-C, until the patch is undone."""
    original, calls = getattr(owner, name), []

    def stand_in(*args, **kwargs):
        calls.append(args)
        if len(calls) == call:
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, stand_in)


def kept(cache):
    return list((cache / "features").rglob("*.safetensors"))


def scores_of(report):
    return [(result.metric, result.per_seed) for result in report.results]


@pytest.fixture(scope="module")
def whole(unconditional, tmp_path_factory):
    return scores_of(evaluate(unconditional, tmp_path_factory.mktemp("whole")))


@pytest.mark.parametrize(
    ("owner", "name", "call", "images", "left"),
    [
        (sources.Fixed, "batch", 4, 3 * 64, 29 - 3 + 2 * BATCHES),
        (sources.Generated, "batch", 3, 2 * 64, BATCHES - 2 + BATCHES),
        (sources.Generated, "batch", BATCHES + 4, COUNT + 3 * 64, BATCHES - 3),
        (scores, "values", 1, COUNT, BATCHES),
        (scores, "values", 4, 2 * COUNT, 0),
    ],
    ids=["real images", "extraction", "second seed", "before metrics", "at the end"],
)
def test_the_same_call_continues(unconditional, tmp_path, monkeypatch, passes, whole, owner, name, call, images, left):
    with monkeypatch.context() as patch:
        interrupt(patch, owner, name, call)
        with pytest.raises(StoppedError, match=f"the features of {images:,} images are kept, and the same") as stop:
            evaluate(unconditional, tmp_path)
    assert stop.value.exit_status == 130
    assert kept(tmp_path)
    passes.clear()
    report = evaluate(unconditional, tmp_path)
    assert len(passes) == left, "nothing is extracted twice"
    assert scores_of(report) == whole
    assert report._samples.shape == (64, 3, 32, 32)
    assert not kept(tmp_path), "an evaluation that has ended keeps nothing"


def test_features_of_something_else_are_not_taken(unconditional, model, tmp_path, monkeypatch, passes):
    with monkeypatch.context() as patch:
        interrupt(patch, scores, "values", 1)
        with pytest.raises(StoppedError):
            evaluate(unconditional, tmp_path)
    passes.clear()
    evaluate(model, tmp_path)
    assert len(passes) == 2 * BATCHES
    assert len(kept(tmp_path)) == 1, "the other one's wait for it"
    passes.clear()
    evaluate(unconditional, tmp_path, batch_size=128)
    assert passes.count(128) == 4


def test_a_damaged_block_is_made_again(unconditional, tmp_path, monkeypatch, passes, whole):
    with monkeypatch.context() as patch:
        interrupt(patch, sources.Generated, "batch", BATCHES + 1)
        with pytest.raises(StoppedError):
            evaluate(unconditional, tmp_path)
    (block,) = kept(tmp_path)
    block.write_bytes(block.read_bytes()[:-9])
    passes.clear()
    assert scores_of(evaluate(unconditional, tmp_path)) == whole
    assert len(passes) == 2 * BATCHES


def test_an_error_keeps_nothing(unconditional, tmp_path, monkeypatch):
    def cancelled(title, done, total):
        if "metrics" in title:
            raise RuntimeError("cancelled")

    with pytest.raises(RuntimeError, match="cancelled"):
        evaluate(unconditional, tmp_path, progress=cancelled)
    assert not kept(tmp_path)


def test_what_nobody_continues_is_forgotten(tmp_path):
    home = tmp_path / "features"
    for name, age in (("old", 8), ("new", 6)):
        (home / name).mkdir(parents=True)
        then = time.time() - age * 24 * 3600
        os.utime(home / name, (then, then))
    unfinished.UnfinishedFeatures({}, tmp_path)
    assert [path.name for path in home.iterdir()] == ["new"]


def test_a_cache_that_cannot_be_written_is_said(unconditional, tmp_path, monkeypatch):
    (tmp_path / "features").write_text("a file")
    interrupt(monkeypatch, sources.Generated, "batch", 3)
    with pytest.raises(StoppedError, match=r"stopped; nothing could be kept .*features: "):
        evaluate(unconditional, tmp_path)


def test_the_command_ends_with_status_130_and_says_so(command, monkeypatch):
    interrupt(monkeypatch, sources.Generated, "batch", 3)
    result = command("evaluate", "infomax-gan/digits", "--extractor", "tiny", "--num-fake", COUNT, "-m", "fid")
    assert result.returncode == 130
    assert result.stderr == "zoo: stopped; the features of 128 images are kept, and the same command continues there\n"


def test_a_round_of_many_ends_too(monkeypatch, tmp_path):
    def stopped(*_, **__):
        raise StoppedError("stopped")

    monkeypatch.setattr("zoo.evaluation.rounds.verify", stopped)
    with pytest.raises(StoppedError):
        zoo.evaluation.verify_all(["infomax-gan/digits", "contragan/digits"], tmp_path)


def test_a_reference_in_the_making_is_kept_too(command, monkeypatch, tmp_path, passes):
    arguments = ["reference", "make", "digits", "--extractor", "tiny", "--features", "--cache-dir", tmp_path / "cache"]
    with monkeypatch.context() as patch:
        interrupt(patch, sources.Fixed, "batch", 4)
        result = command(*arguments, "-o", "digits.safetensors")
    assert result.returncode == 130
    assert result.stderr == "zoo: stopped; the features of 192 images are kept, and the same command continues there\n"
    assert len(passes) == 3
    passes.clear()
    assert command(*arguments, "-o", "digits.safetensors").returncode == 0
    assert len(passes) == 29 - 3, "nothing is extracted twice"
    assert not kept(tmp_path / "cache"), "a reference that is made keeps nothing"
    elsewhere = [*arguments[:-1], tmp_path / "other"]
    assert command(*elsewhere, "-o", "whole.safetensors").returncode == 0
    whole, continued = (load_file(tmp_path / f"{name}.safetensors") for name in ("whole", "digits"))
    assert all(torch.equal(whole[name], continued[name]) for name in whole)
    assert whole.keys() == continued.keys()
