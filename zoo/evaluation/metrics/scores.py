"""The values of each metric from the features that its task has chosen."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...common.errors import ZooError
from ..features.references import Reference
from ..protocols.protocol import CMMD, CT, FID, IS, KID, MIND, PRD, AuthPct, DensityCoverage, PrecisionRecall, Settings
from . import cmmd, copying, formulas, monge, neighbourhoods, prd
from .formulas import Spread


def values(
    settings: Settings, fake: Tensor, real: Reference | None, held_out: Reference | None = None
) -> dict[str, Spread]:
    """Return the values of a metric's settings by kind.

    Args:
        fake: features (N, D) of the generated images; logits for IS.
        real: None for IS; with features for all but FID.
        held_out: real images that the model was not trained on, for C_T.

    Raises:
        ZooError: features so large that their score overflows.
    """
    found = _values(settings, fake, real, held_out)
    for kind, spread in found.items():
        if not all(math.isfinite(number) for number in (spread.value, spread.std or 0)):
            raise ZooError(
                f"{kind}: the score of these features is no finite number, as they are too large; see to the images, "
                f"the extractor's weights or the reference statistics"
            )
    return found


def _values(settings: Settings, fake: Tensor, real: Reference | None, held_out: Reference | None) -> dict[str, Spread]:
    if isinstance(settings, IS):
        return {"is": formulas.classifier_score(fake, settings.splits, settings.shuffle)}
    assert real is not None
    if isinstance(settings, FID):
        return {"fid": Spread(formulas.frechet_distance(formulas.statistics(fake), real.statistics))}
    theirs = real.features
    assert theirs is not None
    if isinstance(settings, KID):
        size = min(settings.subset_size, len(fake), len(theirs))
        return {"kid": formulas.kernel_distance(fake, theirs, settings.subsets, size)}
    if isinstance(settings, CT):
        assert held_out is not None
        assert held_out.features is not None
        options = settings.model_dump(include={"cells", "components", "smallest_cell"})
        return {"c_t": Spread(copying.copying_score(fake, theirs, held_out.features, **options))}
    if isinstance(settings, AuthPct):
        return {"authpct": Spread(100 * neighbourhoods.authentic_share(fake, theirs))}
    some = theirs[random_indices(len(theirs), len(fake))]
    if isinstance(settings, PrecisionRecall):
        precision, recall = formulas.precision_recall(fake, some, settings.neighbours)
        return {"precision": Spread(precision), "recall": Spread(recall)}
    if isinstance(settings, DensityCoverage):
        density, coverage = neighbourhoods.density_coverage(fake, some, settings.neighbours)
        return {"density": Spread(density), "coverage": Spread(coverage)}
    if isinstance(settings, PRD):
        found = prd.f_scores(fake, some, settings.clusters, settings.runs)
        return {"f_8": Spread(found.recall), "f_1/8": Spread(found.precision)}
    if isinstance(settings, CMMD):
        return {"cmmd": Spread(cmmd.cmmd(fake, some))}
    assert isinstance(settings, MIND)
    return {"mind": Spread(monge.sliced_distance(fake, some, settings.projections))}


def random_indices(total: int, count: int) -> Tensor:
    """Draw `count` of the indices below `total` from a fixed seed, in ascending order."""
    return torch.randperm(total, generator=torch.Generator().manual_seed(0))[:count].sort().values
