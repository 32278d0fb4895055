"""The plain loop: it changes what it should, repeats itself exactly, and leaves a folder that loads."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from narrow import short, tiny
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import zoo
from training.data import Batches
from training.networks import Networks
from training.precision import set_precision
from training.run import checkpoint
from training.run.periodic_evaluation import PeriodicEvaluation
from training.run.trainer import Options, train
from training.streams import Ahead, Stream
from zoo import datasets
from zoo.checkpoints import weights
from zoo.common.errors import ZooError
from zoo.evaluation.report import environment
from zoo.schema import registry

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ["infomax-gan/digits", "contragan/digits"])
def test_a_run_leaves_a_model_and_a_log(name, tmp_path):
    out = train(short(name), Options(tmp_path / "run", device="cpu", log_every=1, save_every=2))
    model = zoo.load(out)
    assert model.sample(4, seed=0).shape == (4, 3, 32, 32)
    log = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in log] == [1, 2, 3]
    assert all(np.isfinite(value) for record in log for value in record.values())
    expected = {"d/infomax", "g/infomax"} if "infomax" in name else {"d/contrastive", "g/contrastive"}
    assert expected <= log[0].keys()
    assert sorted(p.name for p in (out / "samples").iterdir()) == ["0000002.png", "0000003.png"]
    with Image.open(out / "losses.png") as plot:
        assert plot.size == (800, 600)
    events = EventAccumulator(str(out / "tensorboard")).Reload()
    logged = [event.value for event in events.Scalars("d/adversarial")]
    assert logged == pytest.approx([record["d/adversarial"] for record in log], abs=1e-4)
    start = json.loads((out / "environment.json").read_text())["starts"][0]
    assert start["data"] == datasets.load("digits").checksum
    assert start["torch"] == torch.__version__
    with pytest.raises(ZooError, match="holds a run already"):
        train(short(name), Options(out))


def test_the_same_seed_is_the_same_run(tmp_path):
    runs = [
        train(short("contragan/digits"), Options(tmp_path / str(i), seed=s, device="cpu"))
        for i, s in enumerate((1, 1, 2))
    ]
    a, b, c = (weights.read(run / "model.safetensors") for run in runs)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not all(torch.equal(a[name], c[name]) for name in a)


@pytest.mark.parametrize("name", ["contragan/cifar10", "wgan-gp/cifar10", "dcgan/mnist64"])
def test_the_weights_of_a_seed_are_its_own(name):
    """Nothing that other threads draw from PyTorch's state meanwhile changes them, nor do they change that state."""
    config = tiny(registry.config(name))
    torch.manual_seed(7)
    expected = Networks.build(config)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    found = Networks.build(config, seed=7)
    assert torch.equal(torch.get_rng_state(), state)
    for part in ("generator", "discriminator"):
        tensors = getattr(found, part).state_dict()
        assert all(torch.equal(tensors[key], value) for key, value in getattr(expected, part).state_dict().items())


@pytest.mark.parametrize(
    ("precision", "convolutions"), [("float32", "float32"), ("bfloat16", "float32"), ("tf32", "TF32")]
)
def test_precision_is_set_so_that_everybody_can_still_ask_for_it(precision, convolutions):
    """PyTorch raises where its two ways to set TF32 are mixed, in torch.export for one."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    set_precision(precision)
    assert cudnn.allow_tf32 is matmul.allow_tf32 is (precision == "tf32")
    assert environment.convolutions() == convolutions
    assert torch.get_float32_matmul_precision() in ("highest", "high")


def test_batches_are_numbered_not_drawn():
    config = short("contragan/digits", **{"training.batch_size": 8})  # does not divide 20: batches straddle epochs
    data = datasets.Dataset(
        torch.arange(20, dtype=torch.uint8).view(20, 1, 1, 1).expand(20, 3, 32, 32), torch.arange(20) % 10, 10
    )
    batches = Batches(config, data, seed=4)
    seen = torch.cat([batches.real(k)[0][:, 0, 0, 0] for k in range(5)])  # two epochs of 20 in batches of 8
    values = ((seen + 1) * 127.5).round().int()
    assert sorted(values[:20].tolist()) == sorted(values[20:40].tolist()) == list(range(20))
    assert values[:20].tolist() != values[20:40].tolist(), "each epoch has its own order"
    again = Batches(config, data, seed=4)
    assert torch.equal(again.real(3)[0], batches.real(3)[0]), "batch 3 without the batches before it"
    assert torch.equal(again.fake(9)[0], batches.fake(9)[0])


@pytest.mark.parametrize("ahead", [False, True])
def test_a_stream_is_one_long_tensor(ahead):
    """In order, as in training, or from anywhere, as after resuming; over the edges of blocks; never made twice."""
    made = []

    def make(k: int) -> torch.Tensor:
        made.append(k)
        return torch.arange(k * 10, (k + 1) * 10)

    stream = Stream(10, make, torch.device("cpu"))
    if ahead:  # as on a GPU
        stream._ahead = Ahead(make)
    for first in range(0, 60, 4):
        assert stream.take(first, 4).tolist() == list(range(first, first + 4))
    if ahead:
        stream._ahead._next[1].result()  # the block that nobody has asked for yet
    assert sorted(made) == [*range(6 + ahead)]
    assert stream.take(95, 27).tolist() == list(range(95, 122))
    assert stream.take(3, 2).tolist() == [3, 4]


def test_the_command(tmp_path, command):
    arguments = ["infomax-gan/digits", "--device", "cpu", "--batch-size", "4", "-o", str(tmp_path / "run")]
    dry = command("train", *arguments, "--dry-run", "--set", "training.optimizer.beta1=0.25")
    assert json.loads(dry.stdout)["training"]["optimizer"]["beta1"] == 0.25
    program = [sys.executable, "-m", "training", *arguments, "--steps", "1"]
    run = subprocess.run(program, capture_output=True, text=True, check=True, cwd=ROOT)
    assert "zoo sample" in run.stdout
    again = command("train", *arguments)
    assert again.returncode == 1
    assert again.stderr.count("\n") == 1


def test_scores_while_training_and_the_best_is_kept(tmp_path, capsys):
    """Scores are those of `zoo.evaluate` on the exported weights; a best that is old outlives newer checkpoints."""
    scores = iter((30.0, 10.0, 20.0, 25.0))

    class Scripted(PeriodicEvaluation):
        def score(self, run):
            return "FD test", next(scores)

    out = train(short("infomax-gan/digits", 4), Options(tmp_path / "a", device="cpu", keep=1), [Scripted(1)])
    log = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [record["FD test"] for record in log] == [30, 10, 20, 25]
    assert json.loads((out / "best.json").read_text()) == {"step": 2, "metric": "FD test", "value": 10}
    assert checkpoint.steps(out / "checkpoints") == [2, 4]
    assert weights.read_metadata(out / "best.safetensors")["step"] == "2"

    real = train(
        short("infomax-gan/digits", 1), Options(tmp_path / "b", device="cpu"), [PeriodicEvaluation(1, num_images=64)]
    )
    assert "a score of 64 images took" in capsys.readouterr().err
    (record,) = [json.loads(line) for line in (real / "metrics.jsonl").read_text().splitlines()]
    report = zoo.evaluate(
        zoo.load(real), ("fid",), extractor="efficientnet-lite0", num_fake=64, num_real=64, seeds=1, device="cpu"
    )
    assert record["FD (efficientnet-lite0)"] == pytest.approx(
        report.results[0].value, rel=1e-2
    )  # weights rounded to half


@pytest.mark.parametrize(
    ("every", "step", "total", "says"),
    [
        (
            10,
            10,
            35,
            "a score of 50 images took 30 s; 3 more until step 35: about 90 s (fewer images:",
        ),
        (
            10,
            10,
            40,
            "a score of 50 images took 30 s; 3 more until step 40: about 90 s (fewer images:",
        ),
        (1, 1, 601, "a score of 50 images took 30 s; 600 more until step 601: about 300 min"),
        (10, 35, 35, "a score of 50 images took 30 s"),
    ],
)
def test_the_first_score_tells_how_long_all_will_take(every, step, total, says):
    assert PeriodicEvaluation(every, num_images=50).forecast(step, total, 30).startswith(says)


def test_a_run_shares_its_folder_with_nobody(tmp_path):
    """Hidden files, links and folders of others stay, whatever their names; nothing is written beside them."""
    mine = tmp_path / "project"
    (mine / "sub" / ".hidden").mkdir(parents=True)
    for name in (".gitlab-ci.yml", ".env.production", "sub/.secrets.toml", "sub/.hidden/keep.txt", "notes.txt"):
        (mine / name).write_text("mine")
    (mine / ".link.conf").symlink_to(tmp_path)
    before = sorted(mine.rglob("*"))
    with pytest.raises(ZooError, match="no run has written; give an empty or a new folder"):
        train(short("contragan/digits", 1), Options(mine, device="cpu"))
    assert sorted(mine.rglob("*")) == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ZooError, match="is a file"):
        train(short("contragan/digits", 1), Options(tmp_path / "file", device="cpu"))
    (tmp_path / "empty").mkdir()
    train(short("contragan/digits", 1), Options(tmp_path / "empty", device="cpu"))


def test_only_a_run_s_own_leftovers_are_removed(tmp_path):
    """Temporary files of its own names, on resuming; nobody else's hidden files, and no link."""
    config = short("contragan/digits", 2)
    run = train(config, Options(tmp_path / "run", device="cpu"))
    ours = [run / ".model.safetensors.ab12c0de", run / "checkpoints" / ".step-0000002.safetensors.abcdef01"]
    ours += [run / "samples" / ".0000002.png.01234567", run / ".config.json.abcdef01"]
    theirs = [run / ".env.production", run / ".model.safetensors.backup", run / "samples" / ".my.png"]
    theirs += [run / "checkpoints" / ".gitkeep.txt", run / ".config.json.original"]
    for path in (*ours, *theirs):
        path.write_text("x")
    link = run / ".losses.png.abcdef01"
    link.symlink_to(theirs[0])
    train(config, Options(run, device="cpu", resume=True))
    assert not any(path.exists() for path in ours)
    assert all(path.exists() for path in (*theirs, link))
