"""A product by oneDNN is PyTorch's own, of any operands that networks have, as it is without oneDNN."""

import pytest
import torch
import torch.nn.functional as F

from zoo.inference import matrix_product


def strided(rows: int, width: int) -> torch.Tensor:
    return torch.randn(rows, 3, width)[:, 1]


@pytest.mark.parametrize(
    "x", [torch.randn(5, 7), torch.randn(2, 3, 4, 7), strided(6, 7), torch.randn(7, 5).T, torch.randn(1, 7)]
)
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("has_onednn", [False, True])
def test_the_product_is_the_stated_one(x, with_bias, has_onednn, monkeypatch):
    if not has_onednn:
        monkeypatch.setattr(matrix_product, "has_onednn", lambda: False)
    weight, bias = torch.randn(11, 7), torch.randn(11) if with_bias else None
    expected = F.linear(x.double(), weight.double(), None if bias is None else bias.double())
    found = matrix_product.linear(x, weight, bias)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1e-5


def test_other_precisions_and_empty_batches():
    x, weight = torch.randn(3, 4), torch.randn(2, 4)
    for dtype in (torch.bfloat16, torch.float64):
        assert torch.equal(
            matrix_product.linear(x.to(dtype), weight.to(dtype)), F.linear(x.to(dtype), weight.to(dtype))
        )
    assert matrix_product.linear(x[:0], weight).shape == (0, 2)
