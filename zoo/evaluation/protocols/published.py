"""How published scores were measured, as data.

A score belongs to its protocol. `PROTOCOLS` holds those behind the scores in `hub_configs`, quirks included, and
`clean`, which has none and is the default for weights of this repository. Sources: appendix A.3 of InfoMax-GAN (arXiv
2007.04589); section 4.3 of ContraGAN (arXiv 2006.12681); torch_mimicry/metrics at a7fda06; PyTorch-StudioGAN's README,
src/metrics and src/utils/misc.py at 26f7b7f and 947b35e.
"""

from __future__ import annotations

from ...common import choices
from ...common.errors import UsageError
from ...schema.config import ModelConfig
from ...schema.entries import Measured, Published, Score
from ..names import CLIP, DINOV2
from .protocol import (
    CAS,
    CMMD,
    CT,
    FID,
    IS,
    KID,
    MIND,
    PRD,
    AuthPct,
    DensityCoverage,
    Doubt,
    PrecisionRecall,
    Protocol,
    Sampling,
)

# How names of scores of equal counts begin.
EQUAL_COUNTS = ("precision", "recall", "density", "coverage", "F_", "MIND", "MD ", "CMMD")
_MIN_MAX = Sampling(quantise="min-max")
_SMALL = ("cifar10", "cifar100", "tiny-imagenet")
_SUBSETS = ("baby-imagenet", "papa-imagenet", "grandpa-imagenet")
_UNROUNDED = Sampling(quantise="none", batch_norm="batch", batch_size="training")
_STANDING = Sampling(quantise="none", batch_norm="standing", batch_size="training")
_STANDING_ROUNDED = Sampling(batch_norm="standing", batch_size="training")

_CLEAN = Protocol(
    name="clean",
    title="Fixed scale, evaluation mode, torch-fidelity's settings",
    source="this repository",
    fid=FID(),
    kid=KID(),
    isc=IS(),
    pr=PrecisionRecall(),
    dc=DensityCoverage(),
    prd=PRD(),
    mind=MIND(),
    cmmd=CMMD(),
    authpct=AuthPct(),
    ct=CT(),
    cas=CAS(),
)
_MIMICRY = Protocol(
    name="mimicry",
    title="Mimicry's README: 50K real and 50K generated images, three seeds",
    source="kwotsin/mimicry a7fda06: README.md (Metrics) and torch_mimicry/metrics",
    published_in=("Mimicry README",),
    fid=FID(num_real=50_000, sampling=_MIN_MAX),
    kid=KID(num_real=50_000, subsets=10, subset_size=5000, sampling=_MIN_MAX),
    isc=IS(shuffle=False, sampling=Sampling(quantise="min-max-batch", batch_norm="batch", batch_size=50)),
    splits={"stl10": "unlabeled"},
    selection="balanced",
    quirks=(
        "Generated images are scaled by the smallest and largest value found, over all images for FID and KID and "
        "over each batch of 50 for IS, not by the fixed range [-1, 1].",
        "The IS routine leaves the generator in training mode: batch statistics of 50 images.",
        "The spread is the population standard deviation over seeds; that over IS splits and KID subsets is dropped.",
        "Original scores come from TensorFlow's Inception graph of 2015-12-05; torch-fidelity's is a port of it.",
        "Which real images were drawn, where not all, is not known; here they are drawn from a seed.",
    ),
    doubts=(
        Doubt(
            metric="fid",
            dataset="imagenet",
            resolution=128,
            num_fake=10_000,
            why="the three ImageNet 128 FIDs equal the paper's 10K figures to the last digit, though the README says "
            "50K for its tables; in the other twelve rows of Table 1 the two differ",
        ),
    ),
)
_CONTRAGAN = Protocol(
    name="contragan",
    title="ContraGAN's tables: 10K real images of the test or validation split, 10K generated",
    source="arXiv 2006.12681, section 4.3; PyTorch-StudioGAN at 27e951d and 26f7b7f for what the paper leaves open",
    published_in=("ContraGAN",),
    datasets=_SMALL,
    seeds=(0,),
    splits={"cifar10": "test", "cifar100": "test", "tiny-imagenet": "valid"},
    resize="bilinear",
    fid=FID(num_real=10_000, num_fake=10_000, sampling=_UNROUNDED),
    quirks=(
        "Images go into Inception unrounded, resized by PyTorch's bilinear interpolation.",
        "Batch statistics of training-sized batches; the code's default changed six times between September 2020 and "
        "May 2021, and which one belongs to a row is inferred from dates.",
        "Tiny ImageNet rows are the best of the evaluations during training; spreads are over training runs.",
    ),
)
_STUDIOGAN_2021 = _CONTRAGAN.model_copy(
    update={
        "name": "studiogan-2021",
        "title": "PyTorch-StudioGAN's README of November 2021",
        "source": "POSTECH-CVLab/PyTorch-StudioGAN 26f7b7f: README.md and src/metrics",
        "published_in": ("PyTorch-StudioGAN README, 26f7b7f",),
        "isc": IS(num_fake=10_000, splits=1, shuffle=False, logits="with-bias", sampling=_UNROUNDED),
        "prd": PRD(sampling=_UNROUNDED),
        "quirks": (
            *_CONTRAGAN.quirks[:2],
            "Each row is one run at the best of its evaluations every 2,000 steps, without a spread.",
            "IS is one split over all images, softmax over 1,008 outputs with bias.",
            "F_1/8 and F_8 are of ten clusterings without a seed; here they are drawn from one.",
            "Tiny ImageNet, WGAN-WC and WGAN-GP: the README's two rows are swapped according to the training logs; "
            "the configs follow the logs.",
        ),
    }
)
_STUDIOGAN_2023 = Protocol(
    name="studiogan-2023",
    title="PyTorch-StudioGAN's README of 2023: the training split, 50K generated images rounded to 8 bits",
    source="POSTECH-CVLab/PyTorch-StudioGAN 947b35e: README.md, src/utils/resize.py and src/metrics",
    published_in=("StudioGAN, benchmark table",),
    seeds=(0,),
    splits=dict.fromkeys((*_SMALL, "imagenet", *_SUBSETS, "afhq-v2"), "train"),
    resize="pillow",
    fid=FID(sampling=_STANDING_ROUNDED),
    isc=IS(splits=1, shuffle=False, logits="with-bias", sampling=_STANDING_ROUNDED),
    pr=PrecisionRecall(max_count=50_000, neighbours=5, sampling=_STANDING_ROUNDED),
    dc=DensityCoverage(max_count=50_000, sampling=_STANDING_ROUNDED),
    quirks=(
        "Precision, recall, density and coverage take 50K generated images against the whole training split; where "
        "that has more, here as many real ones.",
        "Batch norm statistics are collected anew from random batches; the README leaves their number and size open.",
        "Its scores were published as a picture; where several runs of a model were released, which of them was scored "
        "is not stated.",
    ),
)

_MMAGIC = Protocol(
    name="mmagic",
    title="MMagic's README: the training split, 50K generated images",
    source="open-mmlab/mmagic 0a560bb: configs/*/README.md",
    published_in=("mmagic README",),
    seeds=(0,),
    splits=dict.fromkeys((*_SMALL, "imagenet"), "train"),
    fid=FID(),
    isc=IS(),
    quirks=(
        "Its Inception is StyleGAN2-ADA's TorchScript of the TensorFlow one; torch-fidelity has a port of it.",
        "Resizing, rounding and the splits of IS are torch-fidelity's here, as the README leaves them open.",
    ),
)

_EDM2 = Protocol(
    name="edm2",
    title="FD-DINOv2 as edm2 has it: the whole training split, 50K generated images, resized in float",
    source="NVlabs/edm2 4bf8162: calculate_metrics.py; Karras et al. 2024, arXiv 2312.02696",
    extractor=DINOV2,
    resize="bicubic",
    fid=FID(),
    quirks=("The paper reports the smallest score of several seeds; here three are averaged.",),
)
_DGM_EVAL = Protocol(
    name="dgm-eval",
    title="FD-DINOv2 as Stein et al. have it: 50K training and 50K generated images, resized by Pillow",
    source="layer6ai-labs/dgm-eval 74c79f7: dgm_eval/__main__.py and dgm_eval/models/dinov2.py; arXiv 2306.04675",
    extractor=DINOV2,
    resize="pillow-bicubic",
    fid=FID(),
    kid=KID(),
    pr=PrecisionRecall(neighbours=5),
    dc=DensityCoverage(),
    authpct=AuthPct(num_fake=50_000),
    ct=CT(num_fake=50_000),
    quirks=(
        "Where the training split has more than 50K images it draws 50K of them; here the whole split is taken, unless "
        "--num-real says otherwise.",
    ),
)
_CMMD = Protocol(
    name="cmmd",
    title="CMMD: 30K real and 30K generated images",
    source="google-research/cmmd: distance.py, embedding.py and io_util.py; arXiv 2401.09603",
    extractor=CLIP,
    resize="pillow-bicubic",
    cmmd=CMMD(max_count=30_000),
    quirks=("Its tables are of COCO's captions; on other data sets its counts are a custom only.",),
)

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        _CLEAN,
        _MIMICRY,
        _MIMICRY.model_copy(
            update={
                "name": "infomax-gan",
                "title": "InfoMax-GAN's tables: FID of 10K generated images, KID and IS of 50K, three seeds",
                "source": "arXiv 2007.04589, appendix A.3; Mimicry's code for what the paper leaves open",
                "published_in": ("InfoMax-GAN",),
                "fid": FID(num_real=50_000, num_fake=10_000, sampling=_MIN_MAX),
                "doubts": (),
            }
        ),
        _CONTRAGAN,
        _STUDIOGAN_2021,
        _STUDIOGAN_2021.model_copy(
            update={
                "name": "studiogan-2021-imagenet",
                "title": "PyTorch-StudioGAN's README of November 2021, ImageNet",
                "datasets": ("imagenet",),
                "splits": {"imagenet": "valid"},
                "fid": FID(num_real=50_000, num_fake=50_000, sampling=_STANDING),
                "isc": IS(splits=1, shuffle=False, logits="with-bias", sampling=_STANDING),
                "prd": PRD(max_count=50_000, sampling=_STANDING),
                "quirks": (
                    _CONTRAGAN.quirks[0],
                    "Batch norm statistics are collected anew from random batches; the README leaves their number and "
                    "size open, and scores logged during training follow the default of their date.",
                    *_STUDIOGAN_2021.quirks[1:4],
                    "ContraGAN: the FID is from the evaluation during training, IS and F from a second one of the "
                    "same step, whose FID is 25.405.",
                ),
            }
        ),
        _STUDIOGAN_2023,
        _MMAGIC,
        _EDM2,
        _DGM_EVAL,
        _CMMD,
        Protocol(
            name="biggan-pytorch",
            title="BigGAN-PyTorch's README: IS of 50K generated images",
            source="ajbrock/BigGAN-PyTorch 9845943: README.md",
            published_in=("BigGAN-PyTorch README",),
            seeds=(0,),
            isc=IS(),
            quirks=("Its score is of the TensorFlow network; torch-fidelity has a port of it.",),
        ),
    )
}


def find(protocol: str | Protocol) -> Protocol:
    """The protocol of a name; raises UsageError with the nearest, or the choice."""
    if isinstance(protocol, Protocol):
        return protocol
    if protocol not in PROTOCOLS:
        raise UsageError(choices.unknown("protocol", protocol, (*PROTOCOLS, "published")))
    return PROTOCOLS[protocol]


def of_score(score: Published | Measured, config: ModelConfig) -> Protocol | None:
    """The protocol that a score was measured with, in its own counts and split; None if it is not one of these."""
    if isinstance(score, Measured):
        protocol = PROTOCOLS.get(score.protocol)
    else:
        dataset = config.data.dataset
        fits = (
            p
            for p in PROTOCOLS.values()
            if score.source.startswith(p.published_in or ("\0",)) and (not p.datasets or dataset in p.datasets)
        )
        protocol = next(fits, None)
    if protocol is None:
        return None
    return with_counts(protocol, score, config)


def with_counts(protocol: Protocol, score: Score, config: ModelConfig) -> Protocol:
    """A protocol with the counts, the split and the number of seeds of one score."""
    # Metrics of equal counts take a part of the real images of the split, so their count is not the split's.
    stated = ("num_fake",) if score.metric.startswith(EQUAL_COUNTS) else ("num_real", "num_fake")
    changes = {key: value for key in stated if (value := getattr(score, key)) is not None}
    if doubt := doubt_about(score, config, protocol):
        changes["num_fake"] = doubt.num_fake
    if score.split:
        changes["splits"] = {config.data.dataset: score.split}
    if isinstance(score, Measured):
        changes["seeds"] = tuple(range(score.seeds))
    return protocol.updated(**changes)


def doubt_about(score: Score, config: ModelConfig, protocol: Protocol) -> Doubt | None:
    """What is doubtful about the counts that a published score states."""
    where = (score.metric.lower(), config.data.dataset, config.data.resolution)
    return next((d for d in protocol.doubts if (d.metric, d.dataset, d.resolution) == where), None)
