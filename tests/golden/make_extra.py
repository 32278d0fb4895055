"""Makes the cases of extra/ by running the references: what README.md's cases do not cover.

    python tests/golden/make_extra.py <clone of kwotsin/mimicry> <clone of POSTECH-CVLab/PyTorch-StudioGAN>

A reference's file is taken from its commit and executed as it is; modules that it imports but the function at hand
does not need are empty. Random draws are recorded while the reference makes them. Same schema as manifest.json.
"""

from __future__ import annotations

import builtins
import hashlib
import json
import subprocess
import sys
import types
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from safetensors.torch import save_file

OUT = Path(__file__).parent / "extra"
MIMICRY, HEAD = "a7fda06c4aff1e6af8dc4c4a35ed6636e434c766", "947b35e9835b67860fdce44d337f6d7fee7c8db3"
EARLY_2021, FIRST = "27e951d", "895f378"
TOLERANCE = {"out": {"rtol": 1e-5, "atol": 1e-6}, "grad": {"rtol": 2e-5, "atol": 1e-7}}
cases: list[dict] = []


def reference(repository: str, commit: str, path: str) -> types.ModuleType:
    """A file of a repository as a module; what it imports from elsewhere than torch and numpy is left empty."""
    source = subprocess.run(
        ["git", "-C", repository, "show", f"{commit}:{path}"], capture_output=True, text=True, check=True
    ).stdout
    empty = mock.MagicMock()
    empty.BaseDiscriminator = empty.BaseGenerator = object  # Mimicry's networks derive from them

    def import_(name, scope=None, local=None, wanted=(), level=0):
        if name.split(".")[0] not in ("utils", "models", "torch_mimicry", "h5py", "scipy", "torchvision"):
            return __import__(name, scope, local, wanted, level)
        return types.SimpleNamespace(**dict.fromkeys(wanted, empty)) if wanted else empty

    module = types.ModuleType(Path(path).stem)
    module.__builtins__ = vars(builtins) | {"__import__": import_}
    exec(compile(source, path, "exec"), module.__dict__)
    return module


def add(name: str, kind: str, tensors: dict, commit: str, what: str, **meta) -> None:
    file = OUT / f"{name}.safetensors"
    tensors = {key: tensor.detach().contiguous().clone() for key, tensor in tensors.items()}
    save_file(tensors, file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    meta = {"commit": commit, "what": what, **meta}
    cases.append({"file": file.name, "kind": kind, "meta": meta, "sha256": digest, "tolerance": TOLERANCE})


def with_gradients(loss, **inputs: torch.Tensor) -> dict[str, torch.Tensor]:
    """in.*, out.loss and grad.* of a scalar function."""
    leaves = {key: tensor.clone().requires_grad_() for key, tensor in inputs.items()}
    value = loss(**leaves)
    gradients = torch.autograd.grad(value, tuple(leaves.values()))
    return (
        {f"in.{key}": tensor for key, tensor in inputs.items()}
        | {"out.loss": value}
        | {f"grad.{key}": gradient for key, gradient in zip(leaves, gradients, strict=True)}
    )


@contextmanager
def recorded():
    """The results of torch.rand and torch.randint, in order."""
    draws: list[torch.Tensor] = []

    def recorder(function):
        def record(*args, **kwargs):
            draws.append(function(*args, **kwargs))
            return draws[-1]

        return record

    with mock.patch.multiple(torch, rand=recorder(torch.rand), randint=recorder(torch.randint)):
        yield draws


def contrastive(studiogan: str) -> None:
    generator = torch.Generator().manual_seed(1)

    def embeddings(n: int, dim: int) -> tuple[torch.Tensor, ...]:
        return tuple(torch.randn(n, dim, generator=generator) for _ in range(3))

    head = reference(studiogan, HEAD, "src/utils/losses.py")
    for n, classes, t, margin in ((8, 3, 0.5, 0.98), (12, 12, 0.25, 0.9), (6, 1, 0.75, 1.0)):
        embed, proxy, _ = embeddings(n, 5)
        label = torch.randint(classes, (n,), generator=generator)
        loss = head.Data2DataCrossEntropyLoss(classes, t, margin, "cpu", False)
        tensors = with_gradients(lambda embed, proxy, y=label, f=loss: f(embed, proxy, y), embed=embed, proxy=proxy)
        what = "src/utils/losses.py, Data2DataCrossEntropyLoss"
        meta = {"temperature": t, "positive_margin": margin}
        add(f"d2d_ce_n{n}_c{classes}", "sg_d2dce", tensors | {"in.label": label}, HEAD, what, **meta)

    def mask(label: torch.Tensor, classes: int) -> torch.Tensor:
        return (torch.arange(classes)[:, None] == label[None]).long()

    early = reference(studiogan, EARLY_2021, "src/utils/losses.py").Conditional_Contrastive_loss("cpu", 8, False)
    embed, proxy, _ = embeddings(8, 5)
    label = torch.tensor([0, 0, 1, 2, 2, 2, 1, 0])
    tensors = with_gradients(
        lambda embed, proxy: early(embed, proxy, mask(label, 3), label, 1.0, 0.0), embed=embed, proxy=proxy
    )
    what = "src/utils/losses.py, Conditional_Contrastive_loss with pos_collected_numerator false"
    add("contra2c_eq7", "sg_2c_eq7", tensors | {"in.label": label}, EARLY_2021, what, temperature=1.0)

    first = reference(studiogan, FIRST, "utils/losses.py").Conditional_Embedding_Contrastive_loss("cpu", 8)
    embed, proxy, augmented = embeddings(8, 5)
    tensors = with_gradients(
        lambda embed, proxy, augmented: first(embed, proxy, mask(label, 3), label, 1.0, augmented),
        embed=embed,
        proxy=proxy,
        augmented=augmented,
    )
    what = "utils/losses.py, Conditional_Embedding_Contrastive_loss with an augmentation"
    add("contra2c_augmented", "sg_2c_augmented", tensors | {"in.label": label}, FIRST, what, temperature=1.0)


def infonce(mimicry: str) -> None:
    module = reference(mimicry, MIMICRY, "torch_mimicry/nets/infomax_gan/infomax_gan_base.py")
    generator = torch.Generator().manual_seed(2)
    local, later = torch.randn(4, 6, 9, generator=generator), torch.randn(4, 6, 4, generator=generator)
    tensors = with_gradients(
        lambda local, later: module.BaseDiscriminator.infonce_loss(None, local, later), local=local, later=later
    )
    what = "torch_mimicry/nets/infomax_gan/infomax_gan_base.py, infonce_loss with four vectors an image for `m`"
    add("infonce_local_local", "mm_infonce_local", tensors, MIMICRY, what)


def adversarial(studiogan: str) -> None:
    module = reference(studiogan, EARLY_2021, "src/utils/losses.py")
    real, fake = torch.linspace(-6, 6, 9), torch.linspace(7, -5, 9)
    with mock.patch.object(torch.Tensor, "get_device", lambda self: self.device):  # it is -1 on the CPU
        tensors = with_gradients(module.loss_dcgan_dis, dis_out_real=real, dis_out_fake=fake)
    add("vanilla_shifted", "sg_vanilla_shifted", tensors, EARLY_2021, "src/utils/losses.py, loss_dcgan_dis")


def augmentation(studiogan: str) -> None:
    module, generator = reference(studiogan, HEAD, "src/utils/diffaug.py"), torch.Generator().manual_seed(3)
    for shape in ((5, 3, 16, 16), (4, 3, 7, 9)):
        image = torch.randn(shape, generator=generator)
        torch.manual_seed(4)
        with recorded() as draws:
            out = module.apply_diffaug(image)
        tensors = {"in.image": image, "out.image": out} | {f"in.draw.{i}": draw for i, draw in enumerate(draws)}
        add(f"diffaug_{shape[2]}x{shape[3]}", "sg_diffaug", tensors, HEAD, "src/utils/diffaug.py, apply_diffaug")

    loader = reference(studiogan, FIRST, "data_utils/load_dataset.py").LoadDataset
    image = np.random.default_rng(5).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    fake = types.SimpleNamespace(hdf5_path=None, dataset_name="cifar10", consistency_reg=True, make_positive_aug=False)
    fake.data, fake._decompose_index = [(image, 0)] * 18, loader._decompose_index
    results = [loader.__getitem__(fake, index) for index in range(18)]
    tensors = {
        "in.image": results[0][0][None],
        "out.images": torch.stack([torch.tensor(r[2].numpy()) for r in results]),
    }
    what = "data_utils/load_dataset.py, LoadDataset.__getitem__ at indices 0 to 17 with consistency_reg"
    add("first_augmentation", "sg_first_aug", tensors, FIRST, what)


def penalty(studiogan: str) -> None:
    module, generator = reference(studiogan, HEAD, "src/utils/losses.py"), torch.Generator().manual_seed(6)
    real = torch.randn(4, 3, 4, 4, generator=generator)
    hidden, out = (torch.randn(shape, generator=generator) / 5 for shape in ((48, 7), (7, 1)))

    def loss(hidden: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        def discriminator(images, labels, eval=False):
            return {"adv_output": ((images.flatten(1) @ hidden).tanh() @ out).squeeze(1)}

        torch.manual_seed(7)
        return module.cal_dra_penalty(real, None, discriminator, "cpu")

    with recorded() as draws:
        tensors = with_gradients(loss, hidden=hidden, out=out)
    tensors |= {"in.real": real} | {f"in.draw.{i}": draw for i, draw in enumerate(draws)}
    add("dragan", "sg_dra", tensors, HEAD, "src/utils/losses.py, cal_dra_penalty of tanh(x hidden) out")


def main(mimicry: str, studiogan: str) -> None:
    OUT.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    infonce(mimicry)
    for make in (contrastive, adversarial, augmentation, penalty):
        make(studiogan)
    versions = {"torch": torch.__version__.split("+")[0], "numpy": np.__version__}
    manifest = {"format": 1, "set": "extra", "versions": versions, "device": "cpu, one thread", "cases": cases}
    (OUT / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
