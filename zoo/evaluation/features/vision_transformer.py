"""DINOv2's vision transformer (Oquab et al. 2023, arXiv 2304.07193), as facebookresearch/dinov2 publishes its weights.

Patches of 14x14 pixels, pre-norm blocks with a learned scale on each branch, and the class token after the last norm
as the features. Positions were learned on a grid of 37x37 and are interpolated to smaller ones, with the original's
offset of 0.1. Names of parameters are the original's.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATCH, TRAINED_SIDE = 14, 518
_OFFSET = 0.1  # on the new side of the grid, in the scale of the interpolation


class VisionTransformer(nn.Module):
    """Images (N, 3, H, W) in sides of whole patches, normalised, to features (N, width)."""

    def __init__(self, width: int, depth: int, heads: int, trained_side: int = TRAINED_SIDE):
        super().__init__()
        positions = (trained_side // PATCH) ** 2
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + positions, width))
        self.mask_token = nn.Parameter(torch.zeros(1, width))  # of the training; in the files, but not used
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, PATCH, PATCH)})
        self.blocks = nn.ModuleList(EncoderBlock(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patch_embed["proj"](x)  # (N, width, rows, columns)
        grid = patches.shape[2:]
        tokens = torch.cat([self.cls_token.expand(len(x), -1, -1), patches.flatten(2).transpose(1, 2)], dim=1)
        tokens = tokens + self._positions(*grid)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens[:, 0])

    def _positions(self, rows: int, columns: int) -> Tensor:
        """Return the positions of the class token and of a grid: (1, 1 + rows * columns, width)."""
        trained = round((self.pos_embed.shape[1] - 1) ** 0.5)
        if (rows, columns) == (trained, trained):
            return self.pos_embed
        learned = self.pos_embed[:, 1:].unflatten(1, (trained, trained)).permute(0, 3, 1, 2)
        scale = ((rows + _OFFSET) / trained, (columns + _OFFSET) / trained)
        grid = F.interpolate(learned, scale_factor=scale, mode="bicubic")
        return torch.cat([self.pos_embed[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)


class EncoderBlock(nn.Module):
    """x + s1 attention(norm(x)), then x + s2 mlp(norm(x))."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})
        self.ls1, self.ls2 = Scale(width), Scale(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x)))))


class Attention(nn.Module):
    """Self-attention; queries, keys and values from one linear map."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (N, heads, tokens, D) each
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Scale(nn.Module):
    """One learned factor a feature."""

    def __init__(self, width: int):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma
