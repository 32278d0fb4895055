"""Winograd convolutions as matrix products, for float32 on CPUs.

In tiles of 4x4 outputs a 3x3 convolution takes 36 multiplications a tile instead of 144 (Winograd's F(4x4, 3x3); Lavin
and Gray 2016, arXiv 1509.09308). Along each axis, y = A (G g * B x). B, which pads and cuts into tiles, and A, which
puts the tiles together, are written out as matrices over a stretch of the axis. So every step is a matrix product,
borders are exact, and x2 upsampling before the convolution is multiplied into B and costs nothing. For nearest
neighbours the product at one point is then always zero and is left out: 25 multiplications remain.

The points are 0, 1, -1, 1/2, -2 and infinity; the rounding error is about three times that of the direct convolution,
with the usual 2 in place of 1/2 it would be four times (Barabasz et al. 2018, arXiv 1803.10986, compare many).

The intermediate layouts are such that every product reads and writes plain matrices, possibly strided: no copies.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TILE = 4  # outputs of a tile along one axis
POINTS = (0.0, 1.0, -1.0, 0.5, -2.0)
POINTS_OF_NEAREST = (0.0, 1.0, -1.0, 2.0, -2.0)  # symmetric: only then is the product at -1 zero
BLOCK = 16  # outputs along one axis that are computed together; products over a whole axis grow with its square
SCRATCH = 1 << 21  # numbers that one block's products may take: they are to stay in the cache


def minimal_filtering(points: tuple[float, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """A (m, m + 2), G (m + 2, 3) and B (m + 2, m + 2), float64: y = A (G g * B x) are m outputs of a 3-tap filter.

    x are the m + 2 inputs that m neighbouring outputs see (Toom-Cook at the points and infinity, transposed).
    """
    n = len(points) + 1

    def powers(columns: int) -> Tensor:
        infinity = [0.0] * (columns - 1) + [1.0]
        return torch.tensor([[p**j for j in range(columns)] for p in points] + [infinity], dtype=torch.float64)

    return powers(n - 2).T, powers(3), torch.linalg.inv(powers(n)).T


def upsampling_matrix(size: int, mode: str | None) -> Tensor:
    """(2 size, size), or the identity for None: what F.interpolate does along one axis."""
    identity = torch.eye(size, dtype=torch.float64)
    if mode is None:
        return identity
    if mode == "nearest":
        return identity.repeat_interleave(2, dim=0)
    return F.interpolate(identity.T[None], scale_factor=2, mode="linear", align_corners=False)[0].T


class Block(nn.Module):
    """The tiles of neighbouring outputs along one axis: where they read and write, and the two matrices."""

    def __init__(self, to_tiles: Tensor, from_tiles: Tensor, first: int):
        """`to_tiles` (tiles, points, inputs of the axis), `from_tiles` (outputs, tiles, points), `first` output."""
        super().__init__()
        seen = to_tiles.abs().sum(dim=(0, 1)).nonzero()
        self.reads = slice(int(seen[0]), int(seen[-1]) + 1)
        self.writes = slice(first, first + len(from_tiles))
        self.tiles = len(to_tiles)
        to_tiles = to_tiles[..., self.reads]
        # Along H points come first, so that each point's rows are one piece; along W last, so that its stride is even.
        self.register_buffer("rows_in", to_tiles.transpose(0, 1).flatten(0, 1).float().contiguous())
        self.register_buffer("rows_out", from_tiles.transpose(1, 2).flatten(1).float().contiguous())
        self.register_buffer("columns_in", to_tiles.flatten(0, 1).float().contiguous())
        self.register_buffer("columns_out", from_tiles.flatten(1).float().contiguous())


def blocks_of(size: int, upsample: str | None, output: Tensor, input: Tensor) -> list[Block]:
    """One axis of `size` outputs in blocks."""
    tiles = -(-size // TILE)
    padded = F.pad(
        upsampling_matrix(size if upsample is None else size // 2, upsample), (0, 0, 1, TILE * tiles - size + 1)
    )
    to_tiles = torch.stack([input @ padded[TILE * t : TILE * t + TILE + 2] for t in range(tiles)])
    count = -(-size // BLOCK)
    each = -(-tiles // count)
    blocks = []
    for first in range(0, tiles, each):
        here = to_tiles[first : first + each]
        back = torch.block_diag(*[output] * len(here)).unflatten(1, (len(here), -1))
        blocks.append(Block(here, back[: size - TILE * first], TILE * first))
    return blocks


class WinogradConv(nn.Module):
    """A 3x3 convolution with zero padding, of a map that is first upsampled x2 where `upsample` says so.

    Args:
        weight, bias: (O, I, 3, 3) and (O,).
        size: side of the square output.
        upsample: None, "nearest" or "bilinear", as in F.interpolate.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, size: int, upsample: str | None = None):
        super().__init__()
        self.size, self.out_channels = size, len(weight)
        with torch.device(weight.device):
            output, kernel, input = minimal_filtering(POINTS_OF_NEAREST if upsample == "nearest" else POINTS)
            if upsample == "nearest":
                output, kernel, input = _without_zeros(output, kernel, input)
            self.axis = nn.ModuleList(blocks_of(size, upsample, output, input))  # the same along H and W
        self.points = len(kernel)
        weight = torch.einsum("pi,ocij,qj->pqco", kernel, weight.double(), kernel)  # (points, points, I, O)
        # Not four axes, which .to(memory_format=torch.channels_last) would reorder.
        self.register_buffer("weight", weight.flatten(0, 1).float().contiguous())
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor, onto: Tensor | None = None) -> Tensor:
        """(N, I, H, W) to (N, O, size, size), channels-last; `onto`, if given, is added to, and returned."""
        n, x = len(x), x.permute(0, 2, 3, 1).contiguous()  # (N, H, W, I)
        beta = 0 if onto is None else 1
        out = x.new_empty(n, self.size, self.size, self.out_channels) if onto is None else onto.permute(0, 2, 3, 1)
        per_image = (self.points * self.axis[0].tiles) ** 2 * max(self.weight.shape[1:])
        step = max(1, SCRATCH // per_image)
        for rows in self.axis:
            for first in range(0, n, step):
                images = slice(first, first + step)
                self._rows(rows, x[images, rows.reads], out[images, rows.writes], beta)
        if self.bias is not None:
            out += self.bias
        return out.permute(0, 3, 1, 2)

    def _rows(self, rows: Block, x: Tensor, out: Tensor, beta: int) -> None:
        """Some rows of some images, (n, H', W', I) to (n, H, size, O)."""
        k, n, in_channels = self.points, *x.shape[::3]
        lines = k * rows.tiles * n  # (point along H, tile along H, image)
        a = x.new_empty(k * rows.tiles, n, *x.shape[2:])
        torch.bmm(rows.rows_in.expand(n, -1, -1), x.flatten(2), out=a.flatten(2).transpose(0, 1))
        a = a.view(lines, -1, in_channels)
        y = x.new_empty(lines, self.size, self.out_channels)
        for columns in self.axis:
            v = torch.bmm(columns.columns_in.expand(lines, -1, -1), a[:, columns.reads])
            v = v.view(k, -1, k, in_channels)  # (point along H; tile along H, image, tile along W; point along W; I)
            m = x.new_empty(*v.shape[:3], self.out_channels)
            for p in range(k):
                torch.bmm(v[p].transpose(0, 1), self.weight[k * p : k * p + k], out=m[p].transpose(0, 1))
            m = m.view(lines, -1, self.out_channels)
            torch.bmm(columns.columns_out.expand(lines, -1, -1), m, out=y[:, columns.writes])
        y = y.view(k * rows.tiles, n, -1).transpose(0, 1)
        out = out.flatten(2)
        torch.baddbmm(out, rows.rows_out.expand(n, -1, -1), y, beta=beta, out=out)


def _without_zeros(output: Tensor, kernel: Tensor, input: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Without the points whose products are zero for every tile of a nearest-neighbour upsampled map."""
    seen = input @ upsampling_matrix(TILE // 2 + 2, "nearest")[1:-1]
    kept = seen.abs().sum(dim=1) > 1e-9
    return output[:, kept], kernel[kept], input[kept]
