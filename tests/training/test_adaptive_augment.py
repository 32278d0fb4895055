"""The operations of ADA by themselves, in closed form, and how often they are applied."""

import math

import pytest
import torch

from training import adaptive_augment as ada
from training.noise import CountedNoise

SIDE = 8


@pytest.fixture
def images():
    return torch.rand(5, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 2 - 1


def each(images, value: float):
    return torch.full((len(images),), value)


def test_without_a_chance_nothing_changes(images):
    same = ada.adaptive_augment(images, torch.tensor(0.0), CountedNoise(0))
    torch.testing.assert_close(same, images, atol=2e-6, rtol=0)


def test_flips_and_quarter_turns_move_whole_pixels(images):
    flipped = ada.warp(images, ada.scaling(each(images, -1), 1))
    torch.testing.assert_close(flipped, images.flip(3), atol=2e-6, rtol=0)
    for turns in range(4):
        turned = ada.warp(images, ada.rotation(each(images, turns * math.pi / 2)))
        torch.testing.assert_close(turned, images.rot90(turns, (2, 3)), atol=1e-5, rtol=0)


def test_shifts_bring_in_mirrored_edges(images):
    moved = ada.warp(images, ada.shifting(each(images, 2), each(images, -1)))
    torch.testing.assert_close(moved[:, :, :-1, 2:], images[:, :, 1:, :-2], atol=2e-6, rtol=0)
    torch.testing.assert_close(moved[:, :, :-1, :2], images[:, :, 1:, :2].flip(3), atol=2e-6, rtol=0)
    half = ada.warp(images, ada.shifting(each(images, 0.5), each(images, 0)))
    torch.testing.assert_close(half[..., 1:], (images[..., 1:] + images[..., :-1]) / 2, atol=2e-6, rtol=0)


def test_an_enlarged_image_is_its_middle(images):
    small = images[:, :, 2:6, 2:6]
    wanted = torch.nn.functional.interpolate(images, scale_factor=2, mode="bilinear", align_corners=False)
    enlarged = ada.warp(images, ada.scaling(each(images, 0.5), each(images, 0.5)))
    torch.testing.assert_close(enlarged, wanted[:, :, 4:12, 4:12], atol=2e-6, rtol=0)
    assert (enlarged.mean() - small.mean()).abs() < 0.05


def test_colours_in_closed_form(images):
    def colored(matrix):
        return ada.recolor(images, matrix)

    bright = colored(ada.brightness_contrast(each(images, 0.25), each(images, 2)))
    torch.testing.assert_close(bright, (images + 0.25) * 2)
    grey = images.mean(dim=1, keepdim=True)
    torch.testing.assert_close(colored(ada.along_grey(each(images, 0))), grey.expand_as(images))
    torch.testing.assert_close(colored(ada.along_grey(each(images, 3))), grey + (images - grey) * 3)
    torch.testing.assert_close(colored(ada.luma_flip(each(images, 1))), images - 2 * grey)
    third = colored(ada.turned_about_grey(each(images, 2 * math.pi / 3)))
    torch.testing.assert_close(third, images.roll(1, 1), atol=1e-6, rtol=0)


def test_one_channel_is_three_equal_ones(images):
    colors = ada.draw_colors(5, torch.tensor(1.0), CountedNoise(3))
    grey = images[:, :1]
    threefold = ada.recolor(grey.expand(-1, 3, -1, -1), colors).mean(dim=1, keepdim=True)
    torch.testing.assert_close(ada.recolor(grey, colors), threefold, atol=1e-5, rtol=1e-5)


def test_everything_is_applied_with_its_probability():
    n, p = 8_000, 0.4
    eye, error = ada.identity(n, 3), 4 * math.sqrt(0.25 / n)

    def changed(matrices: torch.Tensor) -> float:
        return float((matrices - ada.identity(n, matrices.shape[1])).abs().amax(dim=(1, 2)).gt(1e-6).float().mean())

    blit, geometry = (
        draw(n, SIDE, SIDE, torch.tensor(p), CountedNoise(1)) for draw in (ada.draw_blit, ada.draw_geometry)
    )
    # A flip changes an image half of the time, a turn three times of four, a whole shift unless both round to 0.
    still = (1 - p / 2) * (1 - 3 * p / 4) * (1 - p * (1 - 1 / 4))
    assert abs(changed(blit) - (1 - still)) < error
    assert abs(changed(geometry) - (1 - (1 - p) ** 4)) < error  # scaling, two rotations that count as one, two more
    colors = ada.draw_colors(n, torch.tensor(p), CountedNoise(1))
    assert abs(changed(colors) - (1 - (1 - p) ** 4 * (1 - p / 2))) < error
    assert changed(eye) == 0
    shifts = ada.draw_blit(n, 64, 64, torch.tensor(1.0), CountedNoise(2))[:, :2, 2]
    assert shifts.abs().max().round() == 8


def test_draws_belong_to_images_and_gradients_pass(images):
    p = torch.tensor(0.8)
    whole = ada.adaptive_augment(images, p, CountedNoise(7))
    rest = ada.adaptive_augment(images[2:], p, CountedNoise(7, first_row=2))
    torch.testing.assert_close(whole[2:], rest)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(ada.adaptive_augment(images, p, CountedNoise(7)), whole)
    given = images.double().requires_grad_()

    def of(x):
        return ada.recolor(ada.warp(x, place), colors)

    place = ada.draw_geometry(5, SIDE, SIDE, p, CountedNoise(7)).double()
    colors = ada.draw_colors(5, p, CountedNoise(7)).double()
    (gradient,) = torch.autograd.grad(of(given).square().sum() / 2, given)
    # The map is affine, so that the gradient along a direction is a difference of two values.
    direction = torch.randn_like(given)
    wanted = ((of(given + direction) - of(given)) * of(given)).sum()
    torch.testing.assert_close((gradient * direction).sum(), wanted)
