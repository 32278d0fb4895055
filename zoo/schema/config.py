"""The schema of a model: `hub_configs/<method>/<dataset>.json`, and a Hub folder's `config.json`.

A config is data. Reading checks every key, type and combination, and an error names the file, the field and the
reason. Configs are immutable; `ModelConfig.updated` makes a changed copy and checks it again.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from ..common.errors import ConfigError
from ..common.json_files import as_json
from ..common.text import cut, one_line, short, visible
from . import config_files
from .architecture import ConfigPart, Discriminator, Generator
from .bounds import MAX_CLASSES, Length, Line, Notes, Side, Word
from .entries import Published, Tag, Weights
from .keys import keys_beside
from .label_alignment import LabelAlignment
from .origin import Name, Origin
from .own_preparation import OwnPreparation
from .recipe import Training

DatasetName = Literal[
    "cifar10",
    "cifar100",
    "stl10",
    "celeba",
    "lsun-bedroom",
    "imagenet",
    "tiny-imagenet",
    "baby-imagenet",
    "papa-imagenet",
    "grandpa-imagenet",
    "afhq-v2",
    "mnist",
    "stacked-mnist",
    "digits",
]


class Data(ConfigPart):
    """The training data of a model. Images are scaled to [-1, 1] unless `range` says otherwise."""

    dataset: DatasetName | Annotated[Line, Field(pattern=r"^custom(:.+)?$")]  # custom: a user's own images
    resolution: Side
    split: Word = "train"
    # Whose crop and filter; None = the usual ones of the data set. Own pictures have one of their own.
    preparation: Literal["mimicry", "studiogan"] | OwnPreparation | None = None
    range: Literal["[-1, 1]", "[0, 1]"] = "[-1, 1]"
    flip: bool = False  # random horizontal flips
    # In label order; of own pictures, those that are used. None = the data set's public names, or all folders.
    class_names: Annotated[tuple[Line, ...], Length(MAX_CLASSES)] | None = None


class ModelConfig(ConfigPart):
    """A model of the zoo: its networks, its training, its weights, and its published scores."""

    name: Name
    title: Line
    paper: Annotated[str, Field(pattern=r"^\d{4}\.\d{4,5}$")] | None = None  # arXiv id of the paper of the method
    generator: Generator
    discriminator: Discriminator
    data: Data
    training: Training
    default_tag: Tag | None = None  # which weights a plain name loads
    weights: Annotated[tuple[Weights, ...], Length(100)] = ()
    alignment: LabelAlignment | None = (
        None  # in an exported folder: the alignment of the model.safetensors beside this file
    )
    published: Annotated[tuple[Published, ...], Length(1000)] = ()
    origin: Origin | None = None  # of a model outside the registry: its recipe, its data, its command
    license: Word = "MIT"
    notes: Notes = ()

    @property
    def method(self) -> str:
        return self.name.split("/")[0]

    @property
    def slug(self) -> str:
        """The name as part of a file name: "contragan-cifar10"."""
        return self.name.replace("/", "-")

    @property
    def num_classes(self) -> int:
        return self.generator.num_classes

    @property
    def conditional(self) -> bool:
        return self.num_classes > 0

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(weights.tag for weights in self.weights)

    @property
    def default_weights(self) -> Weights | None:
        """The weights that a plain name loads; None if no weights are listed."""
        return next((entry for entry in self.weights if entry.tag == self.default_tag), None)

    @property
    def default_alignment(self) -> LabelAlignment | None:
        """The alignment of the weights beside this config, else of the default weights."""
        return self.alignment or (self.default_weights.alignment if self.default_weights else None)

    @field_validator("weights")
    @classmethod
    def _tags_differ(cls, weights: tuple[Weights, ...]):
        tags = [w.tag for w in weights]
        if len(set(tags)) < len(tags):
            raise ValueError(f"two weights share a tag: {', '.join(tags)}")
        return weights

    @model_validator(mode="after")
    def _consistent(self):
        problems = [text for failed, text in self._combinations() if failed]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _combinations(self) -> list[tuple[bool, str]]:
        """Return (failed, problem) for each check that involves several fields."""
        g, d, data, training = self.generator, self.discriminator, self.data, self.training
        names, tags = data.class_names, self.tags
        return [
            (
                not g.resolution == d.resolution == data.resolution,
                f"generator, discriminator and data disagree on the resolution: {g.resolution}, {d.resolution} and "
                f"{data.resolution}",
            ),
            (
                g.image_channels != d.image_channels,
                f"generator makes {g.image_channels} image channels, discriminator expects {d.image_channels}",
            ),
            (
                d.head.type != "plain" and d.num_classes != g.num_classes,
                f"generator has {g.num_classes} classes, discriminator {d.num_classes}",
            ),
            (
                names is not None and g.num_classes not in (0, len(names)),
                f"data.class_names has {len(names or ())} names, generator.num_classes is {g.num_classes}",
            ),
            (
                (g.output == "sigmoid") != (data.range == "[0, 1]"),
                f'generator.output "{g.output}" does not fit data.range "{data.range}"',
            ),
            (
                self.default_tag is not None and self.default_tag not in tags,
                f'default_tag "{self.default_tag}" is not among the tags of weights ({", ".join(tags) or "none"})',
            ),
            *(
                (len(found.assignment) != g.num_classes, f"an alignment has {len(found.assignment)} labels")
                for found in (self.alignment, *(entry.alignment for entry in self.weights))
                if found is not None
            ),
            (bool(tags) and self.default_tag is None, "weights are listed, so default_tag must name one of them"),
            *_conditioning_problems(d, training),
        ]

    # ------------------------------------------------------------------------------------------ reading and writing

    @classmethod
    def from_dict(cls, data: Any, origin: str = "config") -> ModelConfig:
        """Build a config from parsed JSON and resolve its base; `origin` names it in errors."""
        try:
            return cls.model_validate(config_files.resolved(data, origin))
        except ValidationError as error:
            raise ConfigError(f"{origin}: {explain(error)}") from None
        except RecursionError:
            raise ConfigError(f"{origin}: it has too many nested lists and objects") from None

    @classmethod
    def from_file(cls, path: str | Path) -> ModelConfig:
        """Read a config; raises ConfigError naming the file, the field and the reason."""
        return cls.from_dict(config_files.read(path), str(path))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data. Networks, data and recipe are spelled out; elsewhere default values are left out."""
        spelled_out = {
            "generator": {"architecture": self.generator.architecture, **self.generator.model_dump(mode="json")},
            "discriminator": {
                "architecture": self.discriminator.architecture,
                **self.discriminator.model_dump(mode="json"),
            },
            "data": self.data.model_dump(mode="json"),
            "training": self.training.model_dump(mode="json"),
        }
        return {
            key: spelled_out.get(key, value)
            for key, value in self.model_dump(mode="json", exclude_defaults=True).items()
        }

    def to_json(self, base: str | None = None) -> str:
        """Return JSON text with lists of numbers on one line; `from_file` reads it back as an equal config.

        Args:
            base: write only the differences to this config of the registry; None = spell everything out.
        """
        data = self.to_dict()
        return as_json(config_files.difference(data, base) if base else data) + "\n"

    def updated(self, changes: dict[str, Any]) -> ModelConfig:
        """Return a checked copy with dotted fields replaced, such as {"training.steps": 200}."""
        data = self.to_dict()
        for field, value in changes.items():
            *parents, last = field.split(".")
            node: Any = data
            try:
                for key in parents:
                    node = node[int(key)] if isinstance(node, list) else node.setdefault(key, {})
                node[int(last) if isinstance(node, list) else last] = value
            except (KeyError, IndexError, TypeError, ValueError, AttributeError):
                raise ConfigError(
                    f"{self.name}: there is no field {field}; see `zoo info {self.name} --json`"
                ) from None
        if data["generator"].get("num_classes") != self.num_classes:  # the alignment belongs to the old classes
            for holder in (data, *data.get("weights", ())):
                holder.pop("alignment", None)
        return type(self).from_dict(data, self.name)

    def of_weights(self, tag: str | None) -> ModelConfig:
        """Return this config as the networks of the weights of a tag are; some discriminators differ in a setting."""
        file = next((weights.discriminator for weights in self.weights if weights.tag == tag), None)
        if file is None or file.rectify_shortcut is None:
            return self
        return self.updated({"discriminator.rectify_shortcut": file.rectify_shortcut})

    def as_paper(self) -> ModelConfig:
        """Return this config with the paper's values where the run of the published weights differs."""
        return self.updated(self.training.as_paper)

    def at_width(self, width: int) -> ModelConfig:
        """Return this config with `width` channels in the narrowest layer of each network.

        The other layers keep their ratio to it, rounded to multiples of 8. Latents, class embeddings and projections
        stay as they are.

        Raises:
            ConfigError: `width` is not a multiple of 8 (self-attention divides channels by 8).
        """
        if width < 8 or width % 8:
            raise ConfigError(f"width {width} is not usable; give a multiple of 8, such as 32")
        changes = {}
        for part in ("generator", "discriminator"):
            channels = getattr(self, part).channels
            changes[f"{part}.channels"] = [8 * int(c * width / min(channels) / 8 + 0.5) for c in channels]
        return self.updated(changes)


# Regularisers that change all that the discriminator sees, or compare it with unchanged images: at most one.
AUGMENTING = {"diff-augment", "improved-consistency", "adaptive-augment"}


def _conditioning_problems(d: Discriminator, training: Training) -> list[tuple[bool, str]]:
    heads = {"none": "plain", "projection": "projection", "classifier": "classifier", "contrastive": "contrastive"}
    wanted = heads.get(training.conditioning.type, "contrastive")
    auxiliary = {loss.type for loss in training.auxiliary}
    regularizers = {regularizer.type for regularizer in training.regularizers}
    return [
        (
            d.head.type != wanted,
            f"training.conditioning {training.conditioning.type} needs a {wanted} discriminator head, not a "
            f"{d.head.type} head",
        ),
        ("infomax" in auxiliary and d.infomax is None, "training.auxiliary infomax needs discriminator.infomax"),
        (
            "rotation" in auxiliary and not d.rotation_head,
            "training.auxiliary rotation needs discriminator.rotation_head",
        ),
        (
            "augmented-positives" in regularizers and training.conditioning.type != "contrastive",
            "training.regularizers augmented-positives needs training.conditioning contrastive, of which it is a part",
        ),
        (
            len(alone := sorted(regularizers & AUGMENTING)) > 1,
            f"training.regularizers {' and '.join(alone)} do not combine: remove one of them",
        ),
        (
            "adaptive-augment" in regularizers and training.adversarial == "wasserstein",
            "training.regularizers adaptive-augment needs an adversarial loss that tells real from generated images by "
            "a threshold, and wasserstein has none: take diff-augment",
        ),
        (
            any(part.type == "freeze-d" and part.blocks > len(d.channels) for part in training.regularizers),
            f"training.regularizers freeze-d: the discriminator has {len(d.channels)} blocks; freeze fewer",
        ),
    ]


_INSIDE = re.compile(r"(function|constrained|nullable|tagged)-|\w+\[")  # pydantic's names of types
_EXPLAINED = 5  # problems of a config
_UNIONS = {"generator", "discriminator", "head", "conditioning"}
_MEMBERS = {
    "resnet",
    "biggan",
    "biggan-deep",
    "dcgan",
    "none",
    "plain",
    "projection",
    "classifier",
    "contrastive",
    "d2d-ce",
    "xt-xent",
    "triplet",
    "proxy-nca",
}


def explain(error: ValidationError) -> str:
    """Return the first problems of a validation, each as `field: reason`, on one line of bounded length."""
    items = error.errors(include_url=False, include_context=False)
    root = [ModelConfig] if error.title == ModelConfig.__name__ else []
    lines = [_problem(item, root) for item in items[:_EXPLAINED]]
    if more := len(items) - len(lines):
        lines.append(f"and {more:,} more")
    return one_line("; ".join(lines), 1000)


def _problem(item: Any, root: Sequence[type[BaseModel]]) -> str:
    # pydantic puts the member of a union into the path; users know only the keys of the JSON.
    path = [cut(visible(str(key)), 60) for key in item["loc"] if not _INSIDE.match(str(key))]
    in_list = [
        i > 1 and path[i - 1].isdigit() and path[i - 2] in ("auxiliary", "regularizers") for i in range(len(path))
    ]
    names = [
        key for i, key in enumerate(path) if not (in_list[i] or (i and path[i - 1] in _UNIONS and key in _MEMBERS))
    ]
    message = cut(visible(re.sub(r"^Value error, ", "", item["msg"])), 400)
    if item["type"] == "extra_forbidden":
        close = difflib.get_close_matches("".join(names[-1:]), keys_beside(names, root), n=1)
        message = f"unknown key; {f'did you mean {close[0]}?' if close else 'remove it or correct its spelling'}"
    elif item["type"] == "missing":
        message = "missing; add it"
    elif item["type"] != "value_error" and not isinstance(item["input"], dict):
        message = f"{message}, got {short(item['input'])}"
    return f"{'.'.join(names)}: {message}" if names else message
