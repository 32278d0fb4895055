"""EfficientNet-Lite as evaluations run it on a CPU: the same bits in less time.

Each convolution computes its activation in the same pass, by the operation of oneDNN that PyTorch's compiler uses, and
threads take parts of a batch that fit their caches from beginning to end. torch-fidelity's registry keeps the network
as its package has it. Figures: benchmarks/README.md.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...inference.threads import one_thread_each
from .efficientnet import EfficientNetLite

_PART = 16  # images; batches of multiples of it have the bits of the registered network, others differ by rounding


class FastEfficientNetLite(EfficientNetLite):
    """The network with fused activations."""

    def __init__(self, name: str, features_list: list[str], **kwargs):
        super().__init__(name, features_list, **kwargs)
        network = self.network
        for owner, names in [(network, ("_conv_stem", "_conv_head"))] + [
            (block, ("_expand_conv", "_depthwise_conv")) for block in network._blocks
        ]:
            for conv in names:
                if hasattr(owner, conv):
                    setattr(owner, conv, _ConvolutionAndReLU6(getattr(owner, conv)))
            assert isinstance(owner._swish, nn.ReLU6), "the Lite networks have no other activation"
            owner._swish = nn.Identity()

    def forward(self, input: Tensor) -> tuple[Tensor, ...]:
        if input.device.type != "cpu":
            return super().forward(input)
        parts = [(part,) for part in input.tensor_split(max(1, len(input) // _PART))]
        found = one_thread_each(super().forward, parts)
        return tuple(torch.cat(layers) for layers in zip(*found, strict=True))


class _ConvolutionAndReLU6(nn.Module):
    def __init__(self, convolution: nn.Conv2d):
        super().__init__()
        self.convolution = convolution  # of the package, with its padding
        padding = getattr(convolution, "static_padding", None)
        left, right, top, bottom = padding.padding if isinstance(padding, nn.ZeroPad2d) else (0, 0, 0, 0)
        # TensorFlow pads the right and the bottom more; a kernel with zeros before it needs no padded copy of x.
        self._padding, self._grown = [bottom, right], None
        if (left, top) != (right, bottom):
            grown = F.pad(convolution.weight.detach(), (right - left, 0, bottom - top, 0))
            self._grown = grown.contiguous(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        conv = self.convolution
        if x.device.type != "cpu":
            return F.relu6(conv(x))
        # x, weight, bias, padding, stride, dilation, groups, and the activation with its bounds
        return torch.ops.mkldnn._convolution_pointwise(
            x,
            conv.weight if self._grown is None else self._grown,
            conv.bias,
            self._padding,
            list(conv.stride),
            list(conv.dilation),
            conv.groups,
            "hardtanh",
            [0.0, 6.0],
            "",
        )
