"""Cases whose arguments no manifest has, made here from the formulas: a check takes what its case says."""

from __future__ import annotations

import hashlib

import kinds_extra  # noqa: F401 (registers its kinds)
import kinds_metrics  # noqa: F401
import numpy as np
import pytest
import scipy.linalg
import torch
from golden import KINDS, Case
from safetensors.torch import save_file

TOLERANCE = {"out": {"rtol": 1e-5, "atol": 1e-6}, "grad": {"rtol": 2e-5, "atol": 1e-7}}


@pytest.fixture
def run(tmp_path):
    """Writes a case to a file, as a golden folder holds it, and runs the check of its kind."""

    def run(kind: str, tensors: dict, meta: dict, figures: dict | None = None) -> None:
        path = tmp_path / "case.safetensors"
        tensors = {name: torch.as_tensor(value).contiguous() for name, value in tensors.items()}
        save_file({name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}, path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        record = {"kind": kind, "meta": meta, "figures": figures or {}, "tolerance": TOLERANCE}
        KINDS[kind](Case(record | {"path": path, "sha256": digest}))

    return run


def unbiased_mmd2(x: np.ndarray, y: np.ndarray) -> float:
    """Of the kernel (x.y / d + 1)^3, the diagonals of a set with itself left out."""
    (n, d), m = x.shape, len(y)
    within = [((a @ a.T / d + 1) ** 3 * (1 - np.eye(len(a)))).sum() / (len(a) * (len(a) - 1)) for a in (x, y)]
    return within[0] + within[1] - 2 * ((x @ y.T / d + 1) ** 3).sum() / (n * m)


def test_a_kernel_distance_of_another_seed(run):
    chance = np.random.RandomState(5)
    x, y = (chance.rand(60, 6).astype(np.float32), (chance.rand(50, 6) ** 2).astype(np.float32))
    wide = [features.astype(np.float64) for features in (x, y)]
    mu, sigma = [f.mean(0) for f in wide], [np.cov(f, rowvar=False) for f in wide]
    fid = ((mu[0] - mu[1]) ** 2).sum() + np.trace(
        sigma[0] + sigma[1] - 2 * scipy.linalg.sqrtm(sigma[0] @ sigma[1]).real
    )
    names = (
        "torch_fidelity_float32_features",
        "scipy_sqrtm_float64",
        "mimicry_sqrtm_eps1e-6",
        "studiogan_sqrtm_eps1e-6",
    )
    meta = {"subsets": 7, "subset_size": 20, "rng_seed": 77}
    draws = np.random.RandomState(meta["rng_seed"])
    rows = np.array([[draws.choice(n, 20, replace=False) for n in (60, 50)] for _ in range(7)])  # (subset, set, row)
    each = [unbiased_mmd2(wide[0][i], wide[1][j]) for i, j in rows]
    figures = {f"fid_{name}": fid for name in (*names, "torch_fidelity_float32_features")}
    figures |= {f"kid_{n}_float{bits}": f(each) for n, f in (("mean", np.mean), ("std", np.std)) for bits in (32, 64)}
    tensors = {"in.features_1": x, "in.features_2": y, "in.idx_1": rows[:, 0], "in.idx_2": rows[:, 1]}
    tensors |= {"out.mmd2": np.array(each), "out.fid": fid}
    tensors |= {f"out.mu_{i + 1}": mu[i] for i in (0, 1)} | {f"out.sigma_{i + 1}": sigma[i] for i in (0, 1)}

    run("met_fid_kid", tensors, meta, figures)
    with pytest.raises(AssertionError, match="kid_mean"):
        run("met_fid_kid", tensors, meta | {"rng_seed": 78}, figures)


def test_a_classifier_score_of_another_seed(run):
    logits, meta = np.random.RandomState(6).randn(90, 5).astype(np.float32) * 2, {"splits": 3, "rng_seed": 77}
    order = np.random.RandomState(meta["rng_seed"]).permutation(90)

    def scores(logits: np.ndarray, splits: int) -> list[float]:
        p = np.exp(logits.astype(np.float64))
        p /= p.sum(1, keepdims=True)
        return [np.exp((q * np.log(q / q.mean(0))).sum(1).mean()) for q in np.split(p, splits)]

    plain, shuffled = scores(logits, 3), scores(logits[order], 3)
    figures = {
        "is_mean_unshuffled": np.mean(plain),
        "studiogan_is_mean_unshuffled": np.mean(plain),
        "is_std_unshuffled_ddof0": np.std(plain),
        "is_mean_shuffled": np.mean(shuffled),
        "is_std_shuffled_ddof0": np.std(shuffled),
        "is_mean_1split": scores(logits, 1)[0],
    }
    tensors = {"in.logits": logits, "in.permutation": order, "out.split_scores": np.array(plain)}

    run("met_is", tensors, meta, figures)
    with pytest.raises(AssertionError, match="is_mean_shuffled"):
        run("met_is", tensors, meta | {"rng_seed": 78}, figures)


@pytest.mark.parametrize("kind", ["sg_2c_eq7", "sg_2c_augmented"])
def test_a_contrastive_loss_of_another_temperature(run, kind):
    chance, labels, t = torch.Generator().manual_seed(7), [0, 1, 1, 2, 0], 0.4
    names = ("embed", "proxy", "augmented") if kind == "sg_2c_augmented" else ("embed", "proxy")
    inputs = {name: torch.randn(5, 4, generator=chance) for name in names}
    leaves = {name: tensor.double().requires_grad_() for name, tensor in inputs.items()}
    e, *anchors = ((leaf / leaf.norm(dim=1, keepdim=True)) for leaf in leaves.values())
    terms = []
    for i, label in enumerate(labels):
        others = {j: (e[i] @ e[j] / t).exp() for j in range(5) if j != i}
        pulled = sum((e[i] @ anchor[i] / t).exp() for anchor in anchors)
        same = sum((other for j, other in others.items() if labels[j] == label), torch.tensor(0.0))
        terms.append(((pulled + sum(others.values())) / (pulled + (0 if kind == "sg_2c_eq7" else same))).log())
    loss = sum(terms) / 5
    gradients = torch.autograd.grad(loss, tuple(leaves.values()))
    tensors = {f"in.{name}": tensor for name, tensor in inputs.items()} | {"in.label": torch.tensor(labels)}
    tensors |= {"out.loss": loss.detach()} | {f"grad.{n}": g for n, g in zip(names, gradients, strict=True)}

    run(kind, tensors, {"temperature": t})
    with pytest.raises(AssertionError, match=r"out\.loss"):
        run(kind, tensors, {"temperature": 0.5})
