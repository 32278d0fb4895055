"""Winograd convolutions as matrix products, for float32 on CPUs.

In tiles of 4x4 outputs a 3x3 convolution takes 36 multiplications per tile, not 144 (Winograd's F(4x4, 3x3); Lavin
and Gray 2016, arXiv 1509.09308); in tiles of 4x1 outputs 72, and the transforms of one axis only, which weigh more the
fewer the channels are. Along each axis, y = A (G g * B x). B, which pads and cuts into tiles, is written out as a
matrix over a stretch of the axis. So every step is a matrix product, borders are exact, and x2 upsampling before the
convolution is multiplied into B and costs nothing. For nearest neighbours the product at one point is then always zero
and is left out: 25 multiplications remain.

The points are 0, 1, -1, 1/2, -2 and infinity; the rounding error is about three times that of the direct convolution,
with the usual 2 in place of 1/2 it would be four times (Barabasz et al. 2018, arXiv 1803.10986, compare many).

The intermediate layouts are such that every product reads plain matrices, possibly strided, without a copy.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..nets.resample import upsample
from .matrix_product import linear

TILE = 4  # outputs of a tile along one axis
POINTS = (0.0, 1.0, -1.0, 0.5, -2.0)
POINTS_OF_NEAREST = (0.0, 1.0, -1.0, 2.0, -2.0)  # symmetric: only then is the product at -1 zero
BLOCK = 16  # outputs along one axis that are computed together; products over a whole axis grow with its square
SCRATCH = 1 << 21  # numbers of one block's products, which should stay in the cache


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
    """(2 size, size), or the identity for None: F.interpolate along one axis as a matrix."""
    identity = torch.eye(size, dtype=torch.float64)
    if mode is None:
        return identity
    if mode == "nearest":
        return identity.repeat_interleave(2, dim=0)
    return F.interpolate(identity.T[None], scale_factor=2, mode="linear", align_corners=False)[0].T


class Block(nn.Module):
    """The tiles of neighbouring outputs along one axis: where they read and write, and B."""

    rows_in: Tensor
    columns_in: Tensor

    def __init__(self, to_tiles: Tensor, first: int, size: int):
        """`to_tiles` (tiles, points, inputs of the axis); `first` of `size` outputs."""
        super().__init__()
        seen = to_tiles.abs().sum(dim=(0, 1)).nonzero()
        self.tiles = len(to_tiles)
        self.reads = slice(int(seen[0]), int(seen[-1]) + 1)
        self.writes = slice(first, min(first + TILE * self.tiles, size))
        to_tiles = to_tiles[..., self.reads]
        # Along H points come first, so that each point's rows are one piece; along W last, so that its stride is even.
        self.register_buffer("rows_in", to_tiles.transpose(0, 1).flatten(0, 1).float().contiguous())
        self.register_buffer("columns_in", to_tiles.flatten(0, 1).float().contiguous())


def blocks_of(size: int, upsample: str | None, input: Tensor) -> list[Block]:
    """Divide one axis of `size` outputs into blocks."""
    tiles = -(-size // TILE)
    padded = F.pad(
        upsampling_matrix(size if upsample is None else size // 2, upsample), (0, 0, 1, TILE * tiles - size + 1)
    )
    to_tiles = torch.stack([input @ padded[TILE * t : TILE * t + TILE + 2] for t in range(tiles)])
    each = -(-tiles // -(-size // BLOCK))
    return [Block(to_tiles[first : first + each], TILE * first, size) for first in range(0, tiles, each)]


class _Filtered(nn.Module):
    """A 3x3 convolution with zero padding, of a map that is first upsampled x2 where `upsample` says so.

    Args:
        weight, bias: (O, I, 3, 3) and (O,).
        size: side of the square output.
        upsample: None, "nearest" or "bilinear", as in F.interpolate.
    """

    weight: Tensor
    bias: Tensor | None
    output: Tensor  # A

    def __init__(self, weight: Tensor, bias: Tensor | None, size: int, upsample: str | None = None):
        super().__init__()
        self.size, self.upsample, self.out_channels = size, upsample, len(weight)
        with torch.device(weight.device):
            output, kernel, input = minimal_filtering(POINTS_OF_NEAREST if upsample == "nearest" else POINTS)
            if upsample == "nearest":
                output, kernel, input = _without_zeros(output, kernel, input)
            self.axis = blocks_of(size, upsample, input)  # the same along H and W
            self.register_buffer("output", output.float().contiguous())
            # Not of four axes, which .to(memory_format=torch.channels_last) would reorder.
            self.register_buffer("weight", self._transformed(weight.double(), kernel).float().contiguous())
        self.blocks = nn.ModuleList(self.axis)  # for their buffers
        self.points = len(kernel)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor, onto: Tensor | None = None) -> Tensor:
        """(N, I, H, W) to (N, O, size, size), channels-last; `onto`, if given, is added to, and returned."""
        n, x = len(x), self._prepared(x).permute(0, 2, 3, 1).contiguous()  # (N, H, W, I)
        out = x.new_empty(n, self.size, self.size, self.out_channels) if onto is None else onto.permute(0, 2, 3, 1)
        each = self.points * self.axis[0].tiles * self._width * max(x.shape[3], self.out_channels)
        steps = -(-n * each // SCRATCH)
        for rows in self.axis:
            for images, outputs in zip(x[:, rows.reads].chunk(steps), out[:, rows.writes].chunk(steps), strict=True):
                tiles = self._rows(rows, images)
                (outputs.copy_ if onto is None else outputs.add_)(tiles)
        if self.bias is not None:
            out += self.bias
        return out.permute(0, 3, 1, 2)

    def _rows(self, rows: Block, x: Tensor) -> Tensor:
        """Some rows of some images, (n, H', W', I) to (n, H, size, O)."""
        n, lines = len(x), len(x) * rows.tiles
        a = x.new_empty(self.points * rows.tiles, n, *x.shape[2:])
        torch.bmm(rows.rows_in.expand(n, -1, -1), x.flatten(2), out=a.flatten(2).transpose(0, 1))
        y = self._along_rows(a.view(self.points, lines, *x.shape[2:]))
        y = torch.bmm(self.output.expand(lines, -1, -1), y.view(self.points, lines, -1).transpose(0, 1))
        y = y.view(rows.tiles, n, TILE, self.size, self.out_channels).transpose(0, 1)
        return y.flatten(1, 2)[:, : rows.writes.stop - rows.writes.start]

    def _transformed(self, weight: Tensor, kernel: Tensor) -> Tensor:
        """Transform the weight (O, I, 3, 3) for `_along_rows`; `kernel` (points, 3)."""
        raise NotImplementedError

    def _prepared(self, x: Tensor) -> Tensor:
        return x

    @property
    def _width(self) -> int:
        """Return the columns of a line whose products are computed together."""
        raise NotImplementedError

    def _along_rows(self, a: Tensor) -> Tensor:
        """Lines (point along H; tile along H, image; W', I), transformed along H, to (..., size, O)."""
        raise NotImplementedError


class WinogradConv(_Filtered):
    """F(4x4, 3x3): a product over channels for each of the points in a tile."""

    def _transformed(self, weight: Tensor, kernel: Tensor) -> Tensor:
        return torch.einsum("pi,ocij,qj->pqoc", kernel, weight, kernel).flatten(0, 1)  # (points * points, O, I)

    @property
    def _width(self) -> int:
        return self.points * self.axis[0].tiles

    def _along_rows(self, a: Tensor) -> Tensor:
        k, in_channels, a = self.points, a.shape[3], a.flatten(0, 1)
        lines = len(a)
        y = a.new_empty(lines, self.size, self.out_channels)
        for columns in self.axis:
            v = torch.bmm(columns.columns_in.expand(lines, -1, -1), a[:, columns.reads])
            v = v.view(k, -1, k, in_channels)  # (point along H; tile along H, image, tile along W; point along W; I)
            m = a.new_empty(*v.shape[:3], self.out_channels)
            for p in range(k):
                torch.stack([linear(v[p, :, q], self.weight[k * p + q]) for q in range(k)], dim=1, out=m[p])
            m = torch.bmm(self.output.expand(lines * columns.tiles, -1, -1), m.flatten(0, 1))
            width = columns.writes.stop - columns.writes.start
            y[:, columns.writes] = m.view(lines, -1, self.out_channels)[:, :width]
        return y


class RowWinogradConv(_Filtered):
    """F(4, 3) along H, and along W a convolution for each of the points: for large maps of fewer channels."""

    def _transformed(self, weight: Tensor, kernel: Tensor) -> Tensor:
        return torch.einsum("pi,ocij->pojc", kernel, weight).flatten(2)  # (points, O, 3 I)

    def _prepared(self, x: Tensor) -> Tensor:
        return x if self.upsample is None else upsample(x, self.upsample, scale=(1, 2))

    @property
    def _width(self) -> int:
        return self.size

    def _along_rows(self, a: Tensor) -> Tensor:
        kernels = self.weight.unflatten(2, (1, 3, -1)).permute(0, 1, 4, 2, 3)  # (points, O, I, 1, 3), channels-last
        lines = a.transpose(2, 3).unsqueeze(3)  # (points, N, I, 1, W)
        convolved = [F.conv2d(line, kernel, padding=(0, 1)) for line, kernel in zip(lines, kernels, strict=True)]
        return torch.stack([line.permute(0, 2, 3, 1) for line in convolved])  # (points, N, 1, W, O)


def _without_zeros(output: Tensor, kernel: Tensor, input: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Remove the points whose products are zero for every tile of a nearest-neighbour upsampled map."""
    seen = input @ upsampling_matrix(TILE // 2 + 2, "nearest")[1:-1]
    kept = seen.abs().sum(dim=1) > 1e-9
    return output[:, kept], kernel[kept], input[kept]
