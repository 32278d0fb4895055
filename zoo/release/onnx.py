"""A generator as one graph that runs without this package: ONNX or TorchScript.

Inputs: z (N, latent_dim) float32 ~ N(0, 1), and for a conditional model y (N,) int64. Output: images (N, 3, H, W)
float32 in [-1, 1]. N is free. y are labels as the generator was trained with them; where these are permuted
(`zoo align`), `label_of_class` in the graph's metadata (TorchScript: an extra file) says which label draws each class.
"""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..common import extras, files
from ..common.errors import UsageError, ZooError
from ..inference.fuse import fuse
from ..sampling.outputs import refuse_overwriting

if TYPE_CHECKING:
    from ..sampling.gan import GAN

FORMATS = {"onnx": (".onnx",), "torchscript": (".pt", ".pth", ".ts")}  # suffixes, the usual one first
OPSET = 18
TOLERANCE = 1e-4  # largest difference of a pixel in [-1, 1] from the model itself


class Sampler(nn.Module):
    """`GAN.generate` as a module."""

    def __init__(self, model: GAN):
        super().__init__()
        self.network = fuse(model.generator) if model.fused else model.generator  # direct convolutions: N is free
        self.rescale = model.config.data.range == "[0, 1]"

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        images = self.network(z, y).expand(-1, 3, -1, -1)
        return images * 2 - 1 if self.rescale else images


def export_graph(source: GAN | str | os.PathLike, out: str | os.PathLike, format: str, force: bool = False) -> Path:
    """Write a model as one graph, compare it with the model, and return its path.

    Args:
        source: a loaded float32 model, or what `zoo.load` takes.
        out: the file; it appears once it agrees with the model, or not at all.
        format: "onnx" (opset 18, needs the extra `export`) or "torchscript".

    Raises:
        UsageError: the format is unknown, or the name of the file has another suffix than its.
        ZooError: the file exists, a package is missing, or the graph does not agree.
    """
    from ..sampling.gan import GAN
    from ..sampling.loading import load

    if format not in FORMATS:
        raise UsageError(f'format "{format}" is not known; give {" or ".join(FORMATS)}')
    out = Path(out)
    if out.suffix.lower() not in ("", *FORMATS[format]):
        raise UsageError(f"{out} is no name for {format}; give a name that ends in {FORMATS[format][0]}")
    if format == "onnx":
        _need_onnx()
    refuse_overwriting([out], force)
    model = source if isinstance(source, GAN) else load(source, device="cpu")
    if model.device.type != "cpu" or model.dtype != torch.float32:
        raise ZooError(f'{model} is not exported as it is; load it with device="cpu" and in float32')
    with torch.no_grad(), files.replacing(out) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporters, about themselves
        sampler = Sampler(model).eval()
        (_write_onnx if format == "onnx" else _write_torchscript)(sampler, model, temporary)
        graph = _run_onnx(temporary) if format == "onnx" else torch.jit.load(temporary)
        inputs = _inputs(model, 3)
        difference = (graph(*inputs) - sampler(*inputs)).abs().max().item()
        if not difference <= TOLERANCE:
            raise ZooError(
                f"the {format} graph of {model.config.name} differs by {difference:.1g}; nothing was written"
            )
    return out


def _inputs(model: GAN, n: int) -> tuple[Tensor, ...]:
    z = model.latents(n, seed=0)
    return (z, torch.arange(n) % model.num_classes) if model.num_classes else (z,)


def _classes(model: GAN) -> dict[str, str]:
    """Return the class names and the label that draws each, as JSON; empty without classes."""
    if not model.num_classes:
        return {}
    label_of = model.trained_labels(range(model.num_classes), model.num_classes)
    assert label_of is not None
    return {"class_names": json.dumps(model.class_names), "label_of_class": json.dumps(label_of.tolist())}


def _write_torchscript(sampler: Sampler, model: GAN, path: Path) -> None:
    torch.jit.save(torch.jit.trace(sampler, _inputs(model, 2)), path, _extra_files=_classes(model))


def _write_onnx(sampler: Sampler, model: GAN, path: Path) -> None:
    inputs = _inputs(model, 2)
    program = torch.onnx.export(
        sampler,
        inputs,
        dynamo=True,
        opset_version=OPSET,
        input_names=["z", "y"][: len(inputs)],
        output_names=["images"],
        dynamic_shapes=tuple({0: torch.export.Dim("N")} for _ in inputs),
        verbose=False,
    )
    assert program is not None
    program.model.metadata_props.update({"name": model.config.name, **model.provenance, **_classes(model)})
    program.save(path, external_data=False)


def _run_onnx(path: Path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_inputs()]

    def run(*inputs: Tensor) -> Tensor:
        feed = {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)}
        return torch.from_numpy(session.run(None, feed)[0])

    return run


def _need_onnx() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise ZooError(f"{', '.join(missing)} not installed; run: {extras.install('export')}")
