"""Cases of sources/: networks of the libraries that published weights (see make_sources.py)."""

from __future__ import annotations

import torch
from golden import Case, kind
from pydantic import TypeAdapter

from zoo import nets
from zoo.checkpoints import upstream
from zoo.evaluation.features.vision_transformer import VisionTransformer
from zoo.inference.fuse import fuse
from zoo.schema.architecture import Discriminator, Generator


@kind("source_gen")
def converted_generator(case: Case):
    """mmagic's own networks draw BGR, ours RGB."""
    source = case.meta["source"]
    spec = TypeAdapter(Generator).validate_python(case.meta["spec"])
    network = nets.build_generator(spec).eval()
    network.load_state_dict(upstream.convert(case.group("state."), source, spec))
    for form in (network, fuse(network)):
        with torch.no_grad():
            image = form(case["in.z"], case.get("in.y"))
        case.check("out.image", image.flip(1) if source == "mmagic" else image)


@kind("vision_transformer")
def features_of_dinov2(case: Case):
    network = VisionTransformer(**case.meta["spec"]).eval()
    network.load_state_dict(case.group("state."))
    for side in map(int, case.group("out.")):
        with torch.no_grad():
            case.check(f"out.{side}", network(case["in.image"][..., :side, :side]))


@kind("source_disc")
def converted_discriminator(case: Case):
    """mmagic's own networks judge BGR, ours RGB."""
    source = case.meta["source"]
    spec = TypeAdapter(Discriminator).validate_python(case.meta["spec"])
    network = nets.build_discriminator(spec).eval()
    network.load_state_dict(upstream.convert(case.group("state."), source, spec))
    image = case["in.image"]
    with torch.no_grad():
        found = network(image.flip(1) if source == "mmagic" else image, case.get("in.y"))
    case.check("out.logits", found.logits)
