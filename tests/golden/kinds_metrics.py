"""Metrics of given features, and generator output made 8-bit."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from golden import Case, kind
from torch import Tensor

from zoo.common import quantise
from zoo.evaluation.metrics import formulas
from zoo.sampling.images import Images


def check_figure(case: Case, name: str, actual: float) -> None:
    """A figure of the manifest, within the tolerance of the outputs."""
    tolerance, expected = case.record["tolerance"]["out"], case.record["figures"][name]
    assert actual == pytest.approx(expected, rel=tolerance["rtol"], abs=tolerance["atol"]), name


def _check_frechet(case: Case) -> tuple[Tensor, Tensor]:
    features = case["in.features_1"], case["in.features_2"]
    first, second = (formulas.statistics(f) for f in features)
    for i, found in enumerate((first, second), 1):
        case.check(f"out.mu_{i}", torch.from_numpy(found.mu).float())
        case.check(f"out.sigma_{i}", torch.from_numpy(found.sigma).float())
    distance = formulas.frechet_distance(first, second)
    case.check("out.fid", torch.tensor(distance))
    check_figure(case, "fid_torch_fidelity_float32_features", distance)
    for name in ("scipy_sqrtm_float64", "mimicry_sqrtm_eps1e-6", "studiogan_sqrtm_eps1e-6"):
        check_figure(case, f"fid_{name}", distance)
    for a, b in ((first, second), (second, first)):
        check_figure(case, "fid_scipy_sqrtm_float64", formulas.CovarianceRoot(a).distance(b))
    return features


@kind("met_fid")
def frechet_distance_of_singular_covariances(case: Case):
    _check_frechet(case)


@kind("met_fid_kid")
def frechet_and_kernel_distance(case: Case):
    first, second = _check_frechet(case)
    exact = [formulas.statistics(f.double()) for f in (first, second)]
    product = scipy.linalg.sqrtm(exact[0].sigma @ exact[1].sigma).real
    difference = exact[0].mu - exact[1].mu
    by_scipy = difference @ difference + np.trace(exact[0].sigma + exact[1].sigma - 2 * product)
    assert formulas.frechet_distance(*exact) == pytest.approx(by_scipy, rel=1e-6)
    assert formulas.CovarianceRoot(exact[0]).distance(exact[1]) == pytest.approx(by_scipy, rel=1e-6)
    subsets, size, seed = case.meta["subsets"], case.meta["subset_size"], case.meta["rng_seed"]
    found = formulas.kernel_distance(first, second, subsets, size, seed)
    check_figure(case, "kid_mean_float32", found.value)
    check_figure(case, "kid_std_float32", found.std)
    exactly = formulas.kernel_distance(first.double(), second.double(), subsets, size, seed)
    check_figure(case, "kid_mean_float64", exactly.value)
    check_figure(case, "kid_std_float64", exactly.std)
    each = [
        formulas.kernel_distance(first.double()[i], second.double()[j], 1, size).value
        for i, j in zip(case["in.idx_1"], case["in.idx_2"], strict=True)
    ]
    case.check("out.mmd2", torch.tensor(each))


@kind("met_is")
def classifier_score(case: Case):
    logits, splits, seed = case["in.logits"], case.meta["splits"], case.meta["rng_seed"]
    plain, shuffled = (formulas.classifier_score(logits, splits, shuffle, seed) for shuffle in (False, True))
    check_figure(case, "is_mean_unshuffled", plain.value)
    check_figure(case, "is_std_unshuffled_ddof0", plain.std)
    check_figure(case, "is_mean_shuffled", shuffled.value)
    check_figure(case, "is_std_shuffled_ddof0", shuffled.std)
    check_figure(
        case, "is_mean_shuffled", formulas.classifier_score(logits[case["in.permutation"]], splits, False).value
    )
    check_figure(case, "is_mean_1split", formulas.classifier_score(logits, 1, False).value)
    check_figure(case, "studiogan_is_mean_unshuffled", plain.value)
    n = len(logits)
    parts = [logits[i * n // splits : (i + 1) * n // splits] for i in range(splits)]
    case.check("out.split_scores", torch.tensor([formulas.classifier_score(part, 1, False).value for part in parts]))


@kind("met_quantise")
def images_made_8_bit(case: Case):
    images = case["in.image"]
    scaled = quantise.min_max(images, float(images.min()), float(images.max()))
    case.check("out.mimicry_uint8_nhwc", scaled.permute(0, 2, 3, 1).long())
    case.check("out.studiogan_uint8_nchw", quantise.fixed(images).long())
    case.check("out.studiogan_uint8_nchw", Images.from_float(images).uint8.long())
