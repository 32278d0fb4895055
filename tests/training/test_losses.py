"""Losses and augmentations against closed forms and independent restatements; tests/golden has the references."""

import itertools

import numpy as np
import pytest
import torch

from training import augment, losses, metric_learning
from training.noise import CountedNoise


def test_closed_forms():
    n, locations = 5, 9
    local, global_ = torch.zeros(n, 4, 3, 3), torch.zeros(n, 4)
    assert losses.infonce(local, global_, "all").item() == pytest.approx(np.log(n * locations), rel=1e-6)
    assert losses.infonce(local, global_).item() == pytest.approx(
        np.log(1 + (n - 1) * locations + locations * np.exp(-10)), rel=1e-6
    )
    logits = torch.linspace(-3, 3, 7)
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    expected = bce(logits, torch.ones(7)) + bce(logits - 1, torch.zeros(7))
    assert losses.non_saturating_discriminator(logits, logits - 1).item() == pytest.approx(expected.item(), rel=1e-6)
    slope = torch.randn(12)
    x = torch.randn(6, 12, requires_grad=True)
    penalty = losses.gradient_penalty(x @ slope, x)  # a linear critic has the same gradient everywhere
    assert penalty.item() == pytest.approx((slope.norm().item() - 1) ** 2, rel=1e-5)


def test_infonce_of_two_feature_maps_is_equation_4_for_every_vector_of_the_second():
    generator = torch.Generator().manual_seed(0)
    local, later = torch.randn(3, 5, 2, 2, generator=generator), torch.randn(3, 5, 3, 1, generator=generator)
    terms = []
    for image in range(3):
        for asking in later[image].flatten(1).t():
            scores = np.array([[float(asking @ v) for v in local[k].flatten(1).t()] for k in range(3)], float)
            terms += [np.log(np.exp(scores).sum()) - own for own in scores[image]]
    assert losses.infonce(local, later, "all").item() == pytest.approx(np.mean(terms), rel=1e-5)


def test_d2d_ce_without_the_shift_is_the_papers_formula():
    generator = torch.Generator().manual_seed(0)
    embedding, proxy = (torch.randn(7, 4, generator=generator) for _ in range(2))
    labels, t, margin = torch.tensor([0, 1, 1, 2, 0, 0, 3]), 0.5, 0.9
    unit, units = ((x / x.norm(dim=1, keepdim=True)).double().numpy() for x in (proxy, embedding))
    terms = []
    for i in range(7):
        positive = np.exp(min(0, units[i] @ unit[i] - margin) / t)
        negative = sum(
            np.exp(max(0, units[i] @ units[k] - (1 - margin)) / t) for k in range(7) if labels[k] != labels[i]
        )
        terms.append(-np.log(positive / (positive + negative)))
    value = losses.d2d_ce(embedding, proxy, labels, t, margin, shift_negatives=False)
    assert value.item() == pytest.approx(np.mean(terms), rel=1e-5)
    assert losses.d2d_ce(embedding, proxy, torch.zeros(7), t, margin).item() == 0, "no other class, nothing to tell"


def unit_rows(x):
    return (x / x.norm(dim=1, keepdim=True)).double().numpy()


def test_xt_xent_is_equation_6():
    generator = torch.Generator().manual_seed(0)
    images, moved = (torch.randn(5, 4, generator=generator) for _ in range(2))
    a = np.stack([unit_rows(images), unit_rows(moved)], axis=1).reshape(10, 4)  # x_1, T(x_1), x_2, ...
    terms = []
    for i in range(10):
        j = i ^ 1
        denominator = sum(np.exp(a[i] @ a[k] / 0.5) for k in range(10) if k != i)
        terms.append(-np.log(np.exp(a[i] @ a[j] / 0.5) / denominator))
    assert metric_learning.xt_xent(images, moved, 0.5).item() == pytest.approx(np.mean(terms), rel=1e-5)


@pytest.mark.parametrize("margin", [0.1, 1.0])
def test_triplet_is_the_mean_over_all_triplets(margin):
    embedding, labels = torch.randn(7, 3, generator=torch.Generator().manual_seed(0)), [0, 0, 1, 1, 1, 2, 0]
    x, terms = unit_rows(embedding), []
    for a, p, n in itertools.product(range(7), repeat=3):
        if a != p and labels[a] == labels[p] != labels[n]:
            near, far = ((x[a] - x[other]) ** 2 for other in (p, n))
            terms.append(max(0, near.sum() - far.sum() + margin))
    value = metric_learning.triplet(embedding, torch.tensor(labels), margin)
    assert value.item() == pytest.approx(np.mean(terms), rel=1e-5)
    assert metric_learning.triplet(embedding, torch.arange(7), margin).item() == 0, "no two images of a class"


def test_proxy_nca_is_its_formula():
    generator = torch.Generator().manual_seed(0)
    embedding, proxies = torch.randn(6, 3, generator=generator), torch.randn(4, 3, generator=generator)
    labels = [0, 3, 3, 1, 2, 0]
    x, p = unit_rows(embedding), unit_rows(proxies)
    terms = []
    for i, y in enumerate(labels):
        pull = np.exp(-((x[i] - p[y]) ** 2).sum())
        terms.append(-np.log(pull / sum(np.exp(-((x[i] - p[z]) ** 2).sum()) for z in range(4) if z != y)))
    value = metric_learning.proxy_nca(embedding, proxies, torch.tensor(labels))
    assert value.item() == pytest.approx(np.mean(terms), rel=1e-5)


def test_augmented_positives_can_stand_in_for_class_embeddings():
    generator = torch.Generator().manual_seed(0)
    embedding, augmented = (torch.randn(6, 4, generator=generator) for _ in range(2))
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    replaced = losses.contrastive_2c(embedding, None, labels, augmented=augmented)
    assert torch.equal(replaced, losses.contrastive_2c(embedding, augmented, labels))


@pytest.mark.parametrize("total", [8, 10, 6, 3])
def test_rotation_belongs_to_the_image_not_to_the_process(total):
    images = torch.arange(total * 4.0).view(total, 1, 2, 2)
    rotated, turns = losses.rotate_quarters(images)
    assert turns.tolist() == [4 * i // total for i in range(total)]
    assert all(torch.equal(r, x.rot90(k, (1, 2))) for r, x, k in zip(rotated, images, turns.tolist(), strict=True))
    cut = total // 2
    parts = [losses.rotate_quarters(images[:cut], 0, total), losses.rotate_quarters(images[cut:], cut, total)]
    for whole, (first, second) in zip((rotated, turns), zip(*parts, strict=True), strict=True):
        assert torch.equal(whole, torch.cat((first, second)))


def test_deviation_of_a_batch_from_its_parts():
    images = torch.randn(5, 3, 4, 4) * 2 + 1
    means = images.flatten(1).mean(dim=1)
    squares = (images.flatten(1) - means[:, None]).square().sum(dim=1)
    assert losses.deviation(means, squares, 48).item() == pytest.approx(images.std().item(), rel=1e-5)


def test_flips_and_shifts_are_those_of_numpy():
    images = torch.randn(6, 2, 16, 24)
    flip, up, left = augment.draw_flip_and_shift(images, CountedNoise(2))
    for i, result in enumerate(augment.flip_and_shift(images, flip, up, left)):
        image = images[i].flip(2) if flip[i] else images[i]
        padded = np.pad(image.numpy(), ((0, 0), (2, 2), (3, 3)), mode="reflect")
        assert np.array_equal(result, padded[:, 2 + up[i] :, 3 + left[i] :][:, :16, :24])
    ends = {int(x) for x in augment.draw_flip_and_shift(torch.empty(200, 3, 16, 16), CountedNoise(2), "ends")[1]}
    assert ends == {-2, 0, 2}
