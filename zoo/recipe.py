"""How a model is trained: the `training` part of a config. The papers' hyper-parameter tables, one to one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from .architecture import Part

Fraction = Annotated[float, Field(ge=0, lt=1)]

# ---------------------------------------------------------------------------------------------------- conditioning


class NoConditioning(Part):
    type: Literal["none"] = "none"


class ProjectionConditioning(Part):
    """The class enters through the discriminator's projection head; no further loss."""

    type: Literal["projection"] = "projection"


class ClassifierConditioning(Part):
    """Cross entropy of the auxiliary classifier (ACGAN)."""

    type: Literal["classifier"] = "classifier"
    weight: PositiveFloat = 1.0


class ContrastiveConditioning(Part):
    """2C loss (ContraGAN Eq. 8)."""

    type: Literal["contrastive"] = "contrastive"
    weight: PositiveFloat = 1.0  # lambda
    temperature: PositiveFloat = 1.0
    self_in_numerator: bool = False  # as Eq. 8 is printed; the code behind the published weights leaves it out


class D2DCEConditioning(Part):
    """Data-to-data cross entropy (ReACGAN); recorded for its checkpoints, this repository does not train it."""

    type: Literal["d2d-ce"] = "d2d-ce"
    weight: PositiveFloat
    temperature: PositiveFloat
    positive_margin: float


Conditioning = Annotated[
    NoConditioning | ProjectionConditioning | ClassifierConditioning | ContrastiveConditioning | D2DCEConditioning,
    Field(discriminator="type"),
]

# ----------------------------------------------------------------------------------------------- auxiliary losses


class InfoMax(Part):
    """Contrastive InfoMax objective (InfoMax-GAN Eq. 4, weighted as in Eq. 6 and 7)."""

    type: Literal["infomax"] = "infomax"
    alpha: NonNegativeFloat = 0.2  # weight in the generator loss
    beta: NonNegativeFloat = 0.2  # weight in the discriminator loss
    negatives: Literal["other-images", "all"] = "other-images"  # "all" is Eq. 4; the released code leaves out the own


class Rotation(Part):
    """Rotation self-supervision (SSGAN)."""

    type: Literal["rotation"] = "rotation"
    generator_weight: NonNegativeFloat = 0.2
    discriminator_weight: NonNegativeFloat = 1.0


Auxiliary = Annotated[InfoMax | Rotation, Field(discriminator="type")]

# --------------------------------------------------------------------------------------------------- regularisers


class GradientPenalty(Part):
    """(|grad D| - 1)^2 on interpolates (WGAN-GP)."""

    type: Literal["gradient-penalty"] = "gradient-penalty"
    weight: PositiveFloat = 10.0


class WeightClipping(Part):
    """Discriminator weights clipped to [-bound, bound] after each step (WGAN)."""

    type: Literal["weight-clipping"] = "weight-clipping"
    bound: PositiveFloat = 0.01


class Consistency(Part):
    """Consistency regularisation (CR): squared change of the outputs under augmentation of real images."""

    type: Literal["consistency"] = "consistency"
    weight: PositiveFloat = 10.0


class AugmentedPositives(Part):
    """Augmented positive samples (APS, ContraGAN Section 4.5): class embeddings replaced by augmented positives."""

    type: Literal["augmented-positives"] = "augmented-positives"


class Dragan(Part):
    """Gradient penalty around real images (DRAGAN); recorded for its checkpoints, not trained here."""

    type: Literal["dragan"] = "dragan"
    weight: PositiveFloat = 10.0


class ImprovedConsistency(Part):
    """Improved consistency regularisation (ICR); recorded for its checkpoints, not trained here."""

    type: Literal["improved-consistency"] = "improved-consistency"
    real_weight: PositiveFloat
    fake_weight: PositiveFloat
    latent_radius: PositiveFloat
    latent_generator_weight: PositiveFloat
    latent_discriminator_weight: PositiveFloat


class DiffAugment(Part):
    """Differentiable augmentation; recorded for its checkpoints, not trained here."""

    type: Literal["diff-augment"] = "diff-augment"


Regularizer = Annotated[
    GradientPenalty | WeightClipping | Consistency | AugmentedPositives | Dragan | ImprovedConsistency | DiffAugment,
    Field(discriminator="type"),
]

# ----------------------------------------------------------------------------------------------------- the recipe


class Optimizer(Part):
    """Adam for both networks."""

    generator_lr: PositiveFloat
    discriminator_lr: PositiveFloat
    beta1: Fraction
    beta2: Fraction
    eps: PositiveFloat = 1e-8


class Ema(Part):
    """Moving average of the generator, buffers included; until `start` generator steps it is a copy."""

    decay: Fraction
    start: NonNegativeInt = 0


class Training(Part):
    """One training run. A step is one generator update, preceded by `discriminator_steps` discriminator updates."""

    steps: PositiveInt
    batch_size: PositiveInt
    discriminator_steps: PositiveInt = 1  # n_dis
    accumulation: PositiveInt = 1  # batches whose mean gradient makes one update
    adversarial: Literal["hinge", "non-saturating", "wasserstein", "least-squares"] = "hinge"
    conditioning: Conditioning = NoConditioning()
    auxiliary: tuple[Auxiliary, ...] = ()
    regularizers: tuple[Regularizer, ...] = ()
    optimizer: Optimizer
    lr_decay: Literal["none", "linear"] = "none"  # linear: to zero over all steps
    ema: Ema | None = None
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"  # bfloat16: autocast, weights and losses in float32
    sync_batch_norm: bool = False  # among several processes: statistics of the whole batch, not of a process's rows
    track_statistics_in_discriminator_step: bool = True  # StudioGAN leaves G's running statistics alone there
    as_paper: dict[str, JsonValue] = {}  # what the paper says where the run differs, by dotted field
    notes: tuple[str, ...] = ()

    @property
    def objective(self) -> str:
        """The losses and regularisers by name, such as "hinge + infomax"."""
        parts = (self.conditioning, *self.auxiliary, *self.regularizers)
        return " + ".join([self.adversarial, *(part.type for part in parts if part.type != "none")])
