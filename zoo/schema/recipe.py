"""Schema of the training recipe: the `training` part of a config, one to one with the papers' tables."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from .architecture import ConfigPart
from .bounds import MAX_BLOCKS, Count, CountOrNone, Facts, Length, Notes, Word

Fraction = Annotated[float, Field(ge=0, lt=1)]
Shifts = Literal["any", "ends"]  # by up to an eighth of the side: any whole number of pixels, or all or nothing

# ---------------------------------------------------------------------------------------------------- conditioning


class NoConditioning(ConfigPart):
    type: Literal["none"] = "none"


class ProjectionConditioning(ConfigPart):
    """The class enters through the discriminator's projection head; no further loss."""

    type: Literal["projection"] = "projection"


class ClassifierConditioning(ConfigPart):
    """Cross entropy of the auxiliary classifier (ACGAN)."""

    type: Literal["classifier"] = "classifier"
    weight: PositiveFloat = 1.0
    fakes_in_discriminator: bool = False  # the discriminator also learns the classes of generated images (ACGAN Eq. 3)


class ContrastiveConditioning(ConfigPart):
    """2C loss (ContraGAN Eq. 8)."""

    type: Literal["contrastive"] = "contrastive"
    weight: PositiveFloat = 1.0  # lambda
    temperature: PositiveFloat = 1.0
    same_class_in_numerator: bool = True  # False is ContraGAN Eq. 7: only the class embedding attracts
    self_in_numerator: bool = False  # as in the printed Eq. 8; the code of the published weights leaves it out

    @model_validator(mode="after")
    def _one_equation(self):
        if self.self_in_numerator and not self.same_class_in_numerator:
            raise ValueError("self_in_numerator needs same_class_in_numerator: an image belongs to its own class")
        return self


class D2DCEConditioning(ConfigPart):
    """Data-to-data cross entropy (ReACGAN, arXiv 2111.01118)."""

    type: Literal["d2d-ce"] = "d2d-ce"
    weight: PositiveFloat
    temperature: PositiveFloat
    positive_margin: float  # m_p; the margin of the negatives is 1 - m_p
    shift_negatives: bool = True  # the released code shifts only the scores of negatives by the largest of the row


class XTXentConditioning(ConfigPart):
    """XT-Xent (ContraGAN Eq. 6): an image and its augmentation attract each other; labels have no part in it."""

    type: Literal["xt-xent"] = "xt-xent"
    weight: PositiveFloat = 1.0
    temperature: PositiveFloat = 1.0
    shifts: Shifts = "ends"  # of the augmentation


class TripletConditioning(ConfigPart):
    """Triplet loss over all triplets of a batch (ContraGAN Figure 1a)."""

    type: Literal["triplet"] = "triplet"
    weight: PositiveFloat = 1.0
    margin: PositiveFloat = 0.2


class ProxyNCAConditioning(ConfigPart):
    """Proxy-NCA: an image and its class embedding attract each other, those of other classes push (Figure 1b)."""

    type: Literal["proxy-nca"] = "proxy-nca"
    weight: PositiveFloat = 1.0


Conditioning = Annotated[
    NoConditioning
    | ProjectionConditioning
    | ClassifierConditioning
    | ContrastiveConditioning
    | D2DCEConditioning
    | XTXentConditioning
    | TripletConditioning
    | ProxyNCAConditioning,
    Field(discriminator="type"),
]

# ----------------------------------------------------------------------------------------------- auxiliary losses


class InfoMax(ConfigPart):
    """Contrastive InfoMax objective (InfoMax-GAN Eq. 4, weighted as in Eq. 6 and 7)."""

    type: Literal["infomax"] = "infomax"
    alpha: NonNegativeFloat = 0.2  # weight in the generator loss
    beta: NonNegativeFloat = 0.2  # weight in the discriminator loss
    negatives: Literal["other-images", "all"] = (
        "other-images"  # "all" is Eq. 4; the released code leaves out the image itself
    )
    # Share of the vectors of each feature map that are drawn at random and used; 0.5 in the ablation of A.5.
    sampled_locations: Annotated[float, Field(gt=0, le=1)] = 1.0


class Rotation(ConfigPart):
    """Rotation self-supervision (SSGAN)."""

    type: Literal["rotation"] = "rotation"
    generator_weight: NonNegativeFloat = 0.2
    discriminator_weight: NonNegativeFloat = 1.0


class Custom(ConfigPart):
    """A loss or regulariser of the user's own, registered by a plugin (training/README.md, "Add your own loss")."""

    type: Literal["custom"] = "custom"
    name: Word  # as given to training.objectives.register
    arguments: Facts = {}


Auxiliary = Annotated[InfoMax | Rotation | Custom, Field(discriminator="type")]

# --------------------------------------------------------------------------------------------------- regularisers


class GradientPenalty(ConfigPart):
    """(|grad D| - 1)^2 on interpolates (WGAN-GP)."""

    type: Literal["gradient-penalty"] = "gradient-penalty"
    weight: PositiveFloat = 10.0


class WeightClipping(ConfigPart):
    """Discriminator weights clipped to [-bound, bound] after each step (WGAN)."""

    type: Literal["weight-clipping"] = "weight-clipping"
    bound: PositiveFloat = 0.01


class Consistency(ConfigPart):
    """Consistency regularisation (CR): squared change of the outputs when a real image is flipped and shifted."""

    type: Literal["consistency"] = "consistency"
    weight: PositiveFloat = 10.0
    scores: Literal["all", "logits"] = "all"  # the code adds embeddings and class logits to the logits of the CR paper
    shifts: Shifts = "any"


class AugmentedPositives(ConfigPart):
    """Augmented positive samples (APS, ContraGAN Section 4.5): the 2C loss also attracts an image to its augmentation.

    The text says that augmented positives replace the class embeddings; the run kept them (`keep_class_embeddings`).
    """

    type: Literal["augmented-positives"] = "augmented-positives"
    keep_class_embeddings: bool = True
    shifts: Shifts = "ends"


class Dragan(ConfigPart):
    """(|grad D| - 1)^2 around real images (DRAGAN, arXiv 1705.07215)."""

    type: Literal["dragan"] = "dragan"
    weight: PositiveFloat = 10.0


class ImprovedConsistency(ConfigPart):
    """Improved consistency regularisation (ICR, arXiv 2002.04724): of real and generated images, and of latents."""

    type: Literal["improved-consistency"] = "improved-consistency"
    real_weight: PositiveFloat  # lambda_real
    fake_weight: PositiveFloat  # lambda_fake
    latent_radius: PositiveFloat  # sigma_noise
    latent_generator_weight: PositiveFloat  # lambda_gen
    latent_discriminator_weight: PositiveFloat  # lambda_dis


Augmentation = Literal["color", "translation", "cutout"]


class DiffAugment(ConfigPart):
    """Differentiable augmentation (arXiv 2006.10738) of all that the discriminator sees."""

    type: Literal["diff-augment"] = "diff-augment"
    policy: Annotated[tuple[Augmentation, ...], Length(10)] = ("color", "translation", "cutout")


class AdaptiveAugment(ConfigPart):
    """ADA (arXiv 2006.06676): augmentation of all that the discriminator sees, as much as it overfits.

    p rises while the mean sign of its outputs on real images is above the target, and falls otherwise.
    """

    type: Literal["adaptive-augment"] = "adaptive-augment"
    target: Annotated[float, Field(gt=-1, lt=1)] = 0.6
    images_to_certainty: Count = 500_000  # real images while p goes from 0 to 1, at the fastest
    operations: Annotated[tuple[Literal["blit", "geometry", "color"], ...], Length(3, least=1)] = (
        "blit",
        "geometry",
        "color",
    )


class FreezeD(ConfigPart):
    """The discriminator's first blocks keep the weights of the model that the run starts from (arXiv 2002.10964)."""

    type: Literal["freeze-d"] = "freeze-d"
    blocks: Annotated[int, Field(gt=0, le=MAX_BLOCKS)]


Regularizer = Annotated[
    GradientPenalty
    | WeightClipping
    | Consistency
    | AugmentedPositives
    | Dragan
    | ImprovedConsistency
    | DiffAugment
    | AdaptiveAugment
    | FreezeD
    | Custom,
    Field(discriminator="type"),
]

# ----------------------------------------------------------------------------------------------------- the recipe


class Optimizer(ConfigPart):
    """Adam for both networks."""

    generator_lr: PositiveFloat
    discriminator_lr: PositiveFloat
    beta1: Fraction
    beta2: Fraction
    eps: PositiveFloat = 1e-8


class Ema(ConfigPart):
    """Moving average of the generator, buffers included; until `start` generator steps it is a copy."""

    decay: Fraction
    start: CountOrNone = 0


Adversarial = Literal[
    "hinge",
    "non-saturating",
    "non-saturating-floored",  # Mimicry's DCGAN: the generator loss is at most 18.42
    "non-saturating-shifted",  # StudioGAN until November 2021: the discriminator compares generated images with 1
    "wasserstein",
    "least-squares",
]


class Training(ConfigPart):
    """One training run. A step is one generator update, preceded by `discriminator_steps` discriminator updates."""

    steps: Count
    batch_size: Annotated[int, Field(gt=0, le=1 << 20)]
    discriminator_steps: Annotated[int, Field(gt=0, le=1000)] = 1  # n_dis
    accumulation: Annotated[int, Field(gt=0, le=100_000)] = 1  # batches whose gradients are averaged into one update
    adversarial: Adversarial = "hinge"
    conditioning: Conditioning = NoConditioning()
    auxiliary: Annotated[tuple[Auxiliary, ...], Length(50)] = ()
    regularizers: Annotated[tuple[Regularizer, ...], Length(50)] = ()
    optimizer: Optimizer
    lr_decay: Literal["none", "linear"] = "none"  # linear: to zero over all steps
    ema: Ema | None = None
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"  # bfloat16: autocast, weights and losses in float32
    sync_batch_norm: bool = (
        False  # with several processes: statistics of the whole batch, not of the rows of one process
    )
    track_statistics_in_discriminator_step: bool = True  # since September 2021 StudioGAN keeps those of G fixed there
    as_paper: Facts = {}  # the paper's values where the run differs, by dotted field
    notes: Notes = ()

    @property
    def objective(self) -> str:
        """The names of the losses and regularisers, such as "hinge + infomax"."""
        parts = (self.conditioning, *self.auxiliary, *self.regularizers)
        names = (getattr(part, "name", part.type) for part in parts)  # a custom part has its own name
        return " + ".join([self.adversarial, *(name for name in names if name != "none")])
