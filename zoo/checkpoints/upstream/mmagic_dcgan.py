"""mmagic's names of DCGAN and LSGAN, generators and discriminators; see `mmagic`."""

from __future__ import annotations

from ...schema import architecture
from . import mmagic_layers as layers
from .keymap import KeyMap, Rename


def generator(keys: KeyMap, spec: architecture.DCGANGenerator) -> None:
    (_lsgan if spec.refined_blocks else _dcgan)(keys, spec)


def discriminator(keys: KeyMap, spec: architecture.DCGANDiscriminator) -> None:
    (_lsgan_discriminator if spec.kernel_size == 5 else _dcgan_discriminator)(keys, spec)


def _dcgan(keys: KeyMap, spec: architecture.DCGANGenerator) -> None:
    """Map DCGAN, whose first layer is a transposed convolution of one pixel, and which has no bias before a norm."""
    keys.add("input.weight", Rename("noise2feat.conv.weight", lambda t: t.movedim(0, -1).flatten(0, -2)))
    keys.zero("input.bias")
    keys.batch_norm("input_norm", "noise2feat.bn")
    for i in range(spec.num_blocks):
        layers.convolution(keys, f"blocks.{i}", f"upsampling.{i}")
    keys.layer("output", "output_layer.conv")


def _dcgan_discriminator(keys: KeyMap, spec: architecture.DCGANDiscriminator) -> None:
    """Map DCGAN, whose last layer is a convolution of the whole map to one pixel, the logit."""
    for i in range(spec.num_blocks):
        layers.convolution(keys, f"blocks.{i}", f"downsamples.{i}", norm=i > 0 or spec.first_norm)
    keys.add("heads.logit.weight", Rename("output_layer.conv.weight", lambda t: t.flatten(1)))
    keys.add("heads.logit.bias", Rename("output_layer.conv.bias"))


def _lsgan(keys: KeyMap, spec: architecture.DCGANGenerator) -> None:
    """Map LSGAN, all of whose convolutions are transposed, those of stride 1 too."""
    keys.layer("input", "noise2feat_head.0")
    keys.batch_norm("input_norm", "noise2feat_tail.0")
    position = 0
    for i in range(spec.num_blocks):
        layers.convolution(keys, f"blocks.{i}", f"conv_blocks.{position}")
        if i + 1 in spec.refined_blocks:
            position += 1
            layers.transposed_convolution(keys, f"blocks.{i}.refining_conv", f"conv_blocks.{position}.conv")
            keys.zero(f"blocks.{i}.refining_conv.bias")
            keys.batch_norm(f"blocks.{i}.refining_norm", f"conv_blocks.{position}.bn")
        position += 1
    layers.transposed_convolution(keys, "output", f"conv_blocks.{position}.conv")
    keys.add("output.bias", Rename(f"conv_blocks.{position}.conv.bias"))


def _lsgan_discriminator(keys: KeyMap, spec: architecture.DCGANDiscriminator) -> None:
    for i in range(spec.num_blocks):
        layers.convolution(keys, f"blocks.{i}", f"conv_blocks.{i}", norm=i > 0 or spec.first_norm)
    keys.layer("heads.logit", "decision.0")
