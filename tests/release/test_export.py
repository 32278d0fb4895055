"""What leaves the zoo is the model: a folder that loads again, a graph that draws the same images."""

from __future__ import annotations

import functools
import json
import shutil
from pathlib import Path

import checkpoints
import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from narrow import short, tiny

import zoo
from training.run.trainer import Options, train
from zoo import nets
from zoo.checkpoints import weights
from zoo.common import files
from zoo.common.errors import ZooError
from zoo.release.export import export_folder
from zoo.release.onnx import OPSET, TOLERANCE, export_graph
from zoo.sampling.gan import GAN
from zoo.schema import registry

# every kind of block: BigGAN's chunks, attention, tables of classes, transposed convolutions, both upsamplings
GRAPHS = ["contragan/digits", "infomax-gan/digits"]
FOLDER = ["README.md", "config.json", "contragan-digits.png", "model.safetensors"]
KINDS = ["sagan/cifar10", "dcgan-deepconv/cifar10", "cgan-pd/cifar10"]


def _small(name: str) -> GAN:
    config = tiny(registry.config(name))
    generator = nets.build_generator(config.generator)
    generator.load_state_dict(checkpoints.random_state(config))
    return GAN(config, generator, device="cpu")


# --------------------------------------------------------------------------------------------------------- a folder


def test_a_folder_loads_as_the_same_model(tmp_path):
    model = zoo.load("contragan/digits", device="cpu")
    out = model.save_pretrained(tmp_path / "out")
    assert sorted(path.name for path in out.iterdir()) == FOLDER
    assert out.stat().st_mode & 0o077, "others may read it"
    expected = model.sample(4, seed=1).uint8
    for again in (zoo.load(out, device="cpu"), GAN.from_pretrained(out, device="cpu")):
        assert torch.equal(again.sample(4, seed=1).uint8, expected)
        assert again.config.default_tag == "zoo"
        assert again.config.weights[0].scores, "measured on these weights"
    assert weights.read_metadata(out / "model.safetensors")["step"] == model.provenance["step"]
    assert ModelCard.load(out / "README.md").data.library_name == "contrastive-gan-zoo"


def test_a_run_folder_keeps_its_discriminator(tmp_path):
    config = tiny(registry.config("sngan/cifar10")).updated({"weights": [], "default_tag": None, "published": []})
    run, discriminator = tmp_path / "run", nets.build_discriminator(config.discriminator)
    model = GAN(config, nets.build_generator(config.generator), device="cpu")
    export_folder(model, run, discriminator=discriminator)
    (run / "metrics.jsonl").write_text("{}")
    out = export_folder(run, tmp_path / "out", dtype="float16")
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "config.json",
        "discriminator.safetensors",
        "model.safetensors",
        "sngan-out.png",
    ]
    written = weights.read(out / "discriminator.safetensors")
    for name, tensor in discriminator.state_dict().items():
        wanted = tensor.half() if tensor.is_floating_point() else tensor
        assert torch.equal(written[name], wanted)
    assert zoo.load(out, device="cpu").generator.input.weight.dtype == torch.float32


@pytest.mark.parametrize("dtype", ["fp16", "half", torch.float16, np.float16, "torch.float16"])
def test_precisions_of_a_folder_by_any_name(tmp_path, dtype):
    out = _small("sngan/cifar10").save_pretrained(tmp_path / "out", dtype=dtype)
    assert {t.dtype for t in weights.read(out / "model.safetensors").values()} <= {torch.float16, torch.int64}
    assert torch.float16 in {t.dtype for t in weights.read(out / "model.safetensors").values()}


@pytest.mark.parametrize("dtype", ["bf16", torch.bfloat16, "tf32", "int8", torch.int8])
def test_other_precisions_are_refused_before_anything_is_written(tmp_path, dtype):
    with pytest.raises(ZooError, match=r"^dtype is .*; give one of float32, float16$"):
        _small("sngan/cifar10").save_pretrained(tmp_path / "out", dtype=dtype)
    assert list(tmp_path.iterdir()) == []


def test_a_graph_has_one_precision(tmp_path, command):
    done = command("export", "infomax-gan/digits", "--format", "torchscript", "--dtype", "half", "-o", "x.pt")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--dtype: torchscript graphs compute in float32; leave half out" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_only_the_weights_that_are_there_are_listed(tmp_path):
    random = zoo.load("contragan/digits", weights="random", device="cpu")
    assert zoo.info(random.save_pretrained(tmp_path / "a")).weights == ()
    assert len(registry.config("infomax-gan/cifar10").weights) == 2
    config = registry.config("infomax-gan/cifar10").updated({"generator.channels": [8] * 4})
    model = GAN(config, nets.build_generator(config.generator), device="cpu", tag="mimicry-repro")
    assert zoo.info(model.save_pretrained(tmp_path / "b")).tags == ("mimicry-repro",)


def test_nothing_is_overwritten_and_nothing_is_half_written(tmp_path, monkeypatch):
    model = zoo.load("infomax-gan/digits", device="cpu")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("precious")
    (tmp_path / "mine" / "config.json").write_text("old")
    with pytest.raises(ZooError, match="--force"):
        model.save_pretrained(tmp_path / "mine")
    model.save_pretrained(tmp_path / "mine", force=True)
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "precious"
    assert json.loads((tmp_path / "mine" / "config.json").read_text())["name"] == "infomax-gan/digits"
    shutil.rmtree(tmp_path / "mine")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_safetensors", full)
    with pytest.raises(OSError, match="No space"):
        model.save_pretrained(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------------------------------------------- a graph


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Returns (model, its graph), made once, for a name and a format."""

    @functools.cache
    def model(name: str) -> GAN:
        model = zoo.load(name, device="cpu") if name in GRAPHS else _small(name)
        if model.alignment:
            permuted = {"verdict": "labels are permuted", "assignment": (1, 0, *range(2, 10))}
            model.alignment = model.alignment.model_copy(update=permuted)
        return model

    @functools.cache
    def graph(name: str, form: str) -> tuple[GAN, Path]:
        return model(name), export_graph(model(name), tmp_path_factory.mktemp("graph") / "model", form)

    return graph


def _agrees(model: GAN, run) -> None:
    for n in (1, 2, 7):
        z = torch.randn(n, model.latent_dim)
        y = torch.arange(n).flip(0) % model.num_classes if model.num_classes else None
        images = run(z, y)
        assert images.shape == (n, 3, model.resolution, model.resolution)
        assert (images - model.generate(z, y)).abs().max() <= TOLERANCE


@pytest.mark.parametrize("name", GRAPHS + KINDS)
def test_onnx(name, exported):
    import onnx
    import onnxruntime

    model, path = exported(name, "onnx")
    graph = onnx.load(path)
    onnx.checker.check_model(graph)
    assert [entry.version for entry in graph.opset_import if entry.domain in ("", "ai.onnx")] == [OPSET]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [node.name for node in session.get_inputs()] == (["z", "y"] if model.num_classes else ["z"])

    def run(z, y):
        feed = {"z": z.numpy()} | ({} if y is None else {"y": y.numpy()})
        return torch.from_numpy(session.run(["images"], feed)[0])

    _agrees(model, run)


@pytest.mark.parametrize("name", [*GRAPHS, "sagan/cifar10"])
@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated")
def test_torchscript(name, exported):
    model, path = exported(name, "torchscript")
    loaded = torch.jit.load(path)
    _agrees(model, lambda z, y: loaded(z) if y is None else loaded(z, y))


@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated")
def test_images_in_zero_to_one_are_rescaled(tmp_path):
    changes = {"generator.output": "sigmoid", "data.range": "[0, 1]"}
    config = tiny(registry.config("sngan/cifar10")).updated(changes)
    model = GAN(config, nets.build_generator(config.generator), device="cpu")
    loaded = torch.jit.load(export_graph(model, tmp_path / "model.pt", "torchscript"))
    _agrees(model, lambda z, y: loaded(z))


def test_a_graph_that_differs_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr("zoo.release.onnx.TOLERANCE", -1.0)
    with pytest.raises(ZooError, match="nothing was written"):
        export_graph("infomax-gan/digits", tmp_path / "model.pt", "torchscript")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "model.pt").write_text("mine")
    with pytest.raises(ZooError, match="exists"):
        export_graph("infomax-gan/digits", tmp_path / "model.pt", "torchscript")
    with pytest.raises(ZooError, match="onnx or torchscript"):
        export_graph("infomax-gan/digits", tmp_path / "model.tflite", "tflite")
    with pytest.raises(ZooError, match="float32"):
        export_graph(zoo.load("infomax-gan/digits", dtype="bfloat16"), tmp_path / "m.pt", "torchscript")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ZooError, match=r"pip install .onnx>="):
        export_graph("infomax-gan/digits", tmp_path / "m.onnx", "onnx")


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_graphs_say_which_label_draws_each_class(exported):
    """They take labels as they were trained, like `generate`."""
    import onnx

    metadata = {entry.key: entry.value for entry in onnx.load(exported("contragan/digits", "onnx")[1]).metadata_props}
    extra = {"label_of_class": "", "class_names": ""}
    torch.jit.load(exported("contragan/digits", "torchscript")[1], _extra_files=extra)
    for found in (metadata, extra):
        assert json.loads(found["label_of_class"]) == [1, 0, *range(2, 10)]
        assert json.loads(found["class_names"])[0] == "0"


def test_an_export_over_another_leaves_nothing_of_it(tmp_path, capsys):
    """Only files that the earlier export wrote go; the discriminator of other weights is nobody's."""
    out = tmp_path / "x"
    export_folder("contragan-snresgan/cifar10", out)
    (out / "mine.txt").write_text("mine")
    export_folder("contragan/digits", out, force=True)
    assert sorted(path.name for path in out.iterdir()) == sorted([*FOLDER, "mine.txt"])
    assert not zoo.load(out, device="cpu").has_discriminator
    beside = tmp_path / "y"
    export_folder("contragan/digits", beside)
    files.save(beside / "discriminator.safetensors", {"w": torch.zeros(1)}, {"name": "sngan/cifar10"})
    assert not zoo.load(beside, device="cpu").has_discriminator, "it says that it is another model's"


def test_an_export_meets_what_it_may_not_replace(tmp_path):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    with pytest.raises(ZooError, match="is a training run"):
        export_folder("contragan/digits", tmp_path / "run", force=True)
    (tmp_path / "f" / "config.json").mkdir(parents=True)
    with pytest.raises(ZooError, match=r"config\.json is a folder"):
        export_folder("contragan/digits", tmp_path / "f", force=True)
    assert [path.name for path in (tmp_path / "f").iterdir()] == ["config.json"]


def test_an_export_that_is_cut_short_is_no_model(tmp_path, monkeypatch):
    out = export_folder("contragan/digits", tmp_path / "x")
    replace = Path.replace

    def cut_short(self, target):
        if self.name == "model.safetensors":
            raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", cut_short)
        with pytest.raises(KeyboardInterrupt):
            export_folder("infomax-gan/digits", out, force=True)
    with pytest.raises(ZooError, match="no config"):
        zoo.load(out)
    export_folder("infomax-gan/digits", out, force=True)
    assert zoo.load(out, device="cpu").config.name == "infomax-gan/digits"


def test_what_cannot_be_read_of_a_run_is_left_out_of_its_export(tmp_path, capsys):
    run = train(short("contragan/digits", 1), Options(tmp_path / "run", device="cpu"))
    (run / "metrics.jsonl").write_text("garbage\n")
    (run / "discriminator.safetensors").write_bytes(b"x")
    out = export_folder(run, tmp_path / "x")
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert "discriminator is left out" in told[0]
    assert "record of the run is left out" in told[1]
    names = sorted(path.name for path in out.iterdir())
    assert names == ["README.md", "config.json", "contragan-x.png", "model.safetensors"]
