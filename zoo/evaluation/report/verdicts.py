"""Is a measured score the published one? The rule, in one place.

Two standard deviations are at hand: that of the published score over seeds (or none was published) and that of the
measurement. Where none was published, a usual one stands in, and where both are smaller than it, it is the tolerance:

    tolerance = max(usual, 2 * sqrt(published_std**2 + measured_std**2))

`usual` is the largest relative spread over sampling seeds of one checkpoint in Mimicry's README, a7fda06: FID 1.5 % of
the value (DCGAN on CIFAR-10, 28.95 +- 0.42; the median of its 35 rows is 0.4 %), KID 3 % (InfoMax-GAN on CelebA 64,
0.0033 +- 0.0001; median 1.3 %), IS 2 % (cGAN-PD on ImageNet 32, 9.08 +- 0.17; median 0.7 %). The tables of InfoMax-GAN
(arXiv 2007.04589) agree: median 0.6 %, 1.0 % and 0.7 %. ContraGAN's spreads (up to 3 % of FID) are over training runs,
which a single checkpoint does not have. Precision, recall, density, coverage, the F scores, AuthPct, CAS and accuracy
are shares: two points out of a hundred. C_T is a z-score: two of its standard deviations. MIND and CMMD have KID's.
"""

from __future__ import annotations

import math
from typing import Literal

from ...schema.architecture import ConfigPart

Verdict = Literal["reproduced", "better", "not reproduced", "not comparable"]
USUAL = {"fid": 0.015, "kid": 0.03, "is": 0.02, "mind": 0.03, "cmmd": 0.03}  # relative
USUAL_ABSOLUTE = {"authpct": 2.0, "c_t": 2.0}
USUAL_SHARE = 0.02  # absolute, of all others
HIGHER_IS_BETTER = (
    *("is", "precision", "recall", "density", "coverage", "f_8", "f_1/8", "authpct"),
    *("c_t", "cas", "cas as assigned", "class accuracy", "class accuracy as assigned"),
)


class Comparison(ConfigPart):
    """One published or recorded score beside ours."""

    metric: str
    published: float
    published_std: float | None = None
    source: str
    measured: float | None = None
    measured_std: float | None = None
    tolerance: float | None = None
    verdict: Verdict
    why: str | None = None  # why it is not comparable
    note: str | None = None  # what is known about the published figure
    counts: str = ""  # real / generated
    protocol: str = ""


def tolerance(kind: str, published: float, published_std: float | None, measured_std: float | None) -> float:
    """How far a measured score of this kind may be from the published one."""
    share = next((USUAL[word] for word in kind.split() if word in USUAL), None)  # "intra-class fid as assigned"
    usual = USUAL_ABSOLUTE.get(kind, USUAL_SHARE) if share is None else share * abs(published)
    spread = math.hypot(usual if published_std is None else published_std, measured_std or 0.0)
    return max(usual, 2 * spread)


def judge(kind: str, published: float, measured: float, allowed: float) -> Verdict:
    """ "reproduced" within the tolerance, else "better" or "not reproduced"."""
    difference = measured - published if kind in HIGHER_IS_BETTER else published - measured
    if abs(difference) <= allowed:
        return "reproduced"
    return "better" if difference > 0 else "not reproduced"
