"""A model card in Markdown: it says what the config says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from ..checkpoints import weights
from ..common.package_data import top_folder
from ..common.text import fenced, markdown, table
from ..schema import labels
from ..schema.config import ModelConfig
from ..schema.entries import Measured, Published
from ..schema.identity import has_public_data
from ..schema.licenses import terms
from . import own_card
from .card_labels import labels_section
from .card_metadata import front_matter
from .card_panel import panel_section

SHEET_SEED = 0

# What the data brings into the images that are drawn from it.
_DATA_LIMITS = {
    "cifar10": "CIFAR-10 is 32x32 photographs of ten kinds of animals and vehicles, cut from a web collection "
    "(80 Million Tiny Images) that its authors withdrew in 2020 for offensive labels and images.",
    "cifar100": "CIFAR-100 is 32x32 photographs of a hundred kinds of things, people among them, cut from a web "
    "collection (80 Million Tiny Images) that its authors withdrew in 2020 for offensive labels and images.",
    "stl10": "STL-10's unlabelled images are photographs from ImageNet: what is rare there is rare here.",
    "celeba": "CelebA is faces of celebrities from the web, not of people as they are: ages, skin tones and styles are "
    "unevenly represented, and so they are in the images. The faces are of nobody; do not use them to portray anyone.",
    "lsun-bedroom": "LSUN's bedrooms come from web searches in English: other homes are rare.",
    "imagenet": "ImageNet is photographs from the web with labels of uneven quality; people and places are unevenly "
    "represented, and so they are in the images.",
    "tiny-imagenet": "Tiny ImageNet is 64x64 versions of ImageNet's photographs, with labels of uneven quality; people "
    "and places are unevenly represented, and so they are in the images.",
    **dict.fromkeys(
        ("baby-imagenet", "papa-imagenet", "grandpa-imagenet"),
        "It is a hundred of ImageNet's classes at 64x64, photographs from the web with labels of uneven quality; "
        "people and places are unevenly represented, and so they are in the images.",
    ),
    "afhq-v2": "AFHQ-V2 is faces of cats, dogs and wild animals from the web, for non-commercial use (CC BY-NC 4.0); "
    "breeds and species are unevenly represented, and so they are in the images.",
    "mnist": "MNIST is digits by some 500 writers in the United States.",
    "stacked-mnist": "Stacked MNIST is three of MNIST's digits in the three colour channels, for counting modes.",
    "digits": "The digits are 8x8 originals by 43 writers, enlarged.",
}


def render(
    config: ModelConfig,
    record: bool | None = None,
    *,
    place: str | None = None,
    step: int | None = None,
    sheet: bool | None = None,
) -> str:
    """The text of model_cards/<method>-<dataset>.md, with the front matter that the Hugging Face Hub reads.

    Args:
        record: show the training record that lies beside the card; None: where the default weights have one.
        place: what `zoo.load` takes for this model; None: its name.
        step: of its training that the weights are of, if known.
        sheet: show the sheet of samples that lies beside the card; None: where the default weights are bundled.
    """
    place = place or config.name
    sections = [front_matter(config), f"# {markdown(config.title)}", _summary(config)]
    if has_sheet(config) if sheet is None else sheet:
        sections.append(f"![Samples of seed {SHEET_SEED}]({sheet_filename(config)})")
    sections += [_use(config, place)]
    if config.published or any(entry.scores for entry in config.weights):
        sections.append(_scores(config, place))
    if config.default_weights and (section := panel_section(config.default_weights, place)):
        sections.append(section)
    if section := labels_section(config, place):
        sections.append(section)
    sections.append(_training(config, step))
    if has_record(config) if record is None else record:
        sections.append(_record(config))
    if config.weights:
        sections.append(_weights(config))
    sections.append(_limits(config))
    if config.notes:
        sections.append("## Notes\n\n" + "\n".join(f"- {markdown(note)}" for note in config.notes))
    return "\n\n".join(sections) + "\n"


def filename(config: ModelConfig) -> str:
    return f"{config.slug}.md"


def sheet_filename(config: ModelConfig) -> str:
    return f"{config.slug}.png"


class RecordFiles(NamedTuple):
    """The files of a training record, by what they hold."""

    curves: str
    over_time: str
    log: str


def record_filenames(config: ModelConfig) -> RecordFiles:
    """What `run_record.write_record` writes beside the card."""
    return RecordFiles(f"{config.slug}-curves.png", f"{config.slug}-over-time.png", f"{config.slug}-metrics.jsonl")


def has_record(config: ModelConfig) -> bool:
    """Whether a record of the training of the default weights is kept beside the card."""
    return any(entry.training_record and entry.tag == config.default_tag for entry in config.weights)


def pictures_dir() -> Path:
    """Where the cards' pictures and training records are: in the installed package, or in the repository."""
    return top_folder("model_cards")


def has_sheet(config: ModelConfig) -> bool:
    """Whether a sheet of samples is kept beside the card: where the default weights are bundled."""
    return any(entry.bundled and entry.tag == config.default_tag for entry in config.weights)


def _summary(config: ModelConfig) -> str:
    g = config.generator
    kind = f"a class-conditional ({config.num_classes} classes)" if config.conditional else "an unconditional"
    paper = f" The method: [arXiv {config.paper}](https://arxiv.org/abs/{config.paper})." if config.paper else ""
    return (
        f"`{config.name}`, {kind} generator of {g.resolution}x{g.resolution} images. Latents: {g.latent_dim} numbers "
        f"from N(0, 1). Output: [-1, 1].{paper}"
    )


def _use(config: ModelConfig, place: str) -> str:
    names = labels.class_names(config)
    label = f", label={_as_argument(names[0])}" if names else ""
    name = json.dumps(place, ensure_ascii=False)
    code = f'import zoo\n\nzoo.load({name}).sample(64{label}, seed=0).save("grid.png")'
    text = f"## Use\n\n{fenced(code, 'python')}"
    if names:
        shown = ", ".join(map(markdown, names[:20])) + (f", ... ({len(names)} in all)" if len(names) > 20 else "")
        text += f"\n\nClasses, in the data's order: {shown}."
    return text


def _as_argument(first: str) -> str:
    """The first class by its name, or by its number where the name looks like code."""
    return "0" if re.search(r"[()\[\]{};=<>$`\\]|__", first) else json.dumps(first, ensure_ascii=False)


# -------------------------------------------------------------------------------------------------------- scores


def _scores(config: ModelConfig, place: str) -> str:
    """Published and measured side by side: in one row where metric, counts, split and weights are the same."""
    measured = [(entry.tag, score) for entry in config.weights for score in entry.scores]
    head = ("metric", "published", "measured here", "real / generated", "split", "weights", "source or protocol")
    rows = []
    for published in config.published:
        beside = next((m for m in measured if _same_measurement(published, *m)), None)
        if beside:
            measured.remove(beside)
        rows.append(_row(published, beside[1] if beside else None, published.tag, _source(published)))
    rows += [_row(None, score, tag, _protocol(score)) for tag, score in measured]
    own = any(entry.scores for entry in config.weights)
    remark = (
        "\n\nOnly scores called FID, KID and IS are of Inception's features and comparable with published ones."
        if own
        else ""
    )
    verify = f"\n\nMeasure them again: `zoo verify {quote(place)}{_verify_option(config)}`." if config.weights else ""
    return "## Scores\n\n" + table(head, rows) + remark + verify


def _verify_option(config: ModelConfig) -> str:
    """The option of `zoo verify` that measures what was measured here, where that is all there is for these weights."""
    entry = config.default_weights
    if entry is None:
        return ""
    found = {score.extractor for score in entry.scores}
    published = any(score.tag == entry.tag for score in config.published)
    return " --extractor efficientnet-lite0" if found == {"efficientnet-lite0"} and not published else ""


def _same_measurement(published: Published, tag: str, score: Measured) -> bool:
    mine, theirs = ((s.metric, s.num_real, s.num_fake, s.split) for s in (score, published))
    return published.tag in (tag, None) and not published.settings and mine == theirs


def _row(published: Published | None, measured: Measured | None, tag: str | None, source: str) -> list[str]:
    stated = published or measured
    assert stated is not None
    return [
        markdown(stated.metric),
        str(published) if published else "",
        str(measured) if measured else "",
        stated.counts,
        markdown(stated.split or ""),
        f"`@{tag}`" if tag else "",
        markdown(source),
    ]


def _source(score: Published) -> str:
    return score.origin + (f". {score.note}" if score.note else "")


def _protocol(score: Measured) -> str:
    carried = score.extractor and score.extractor in score.metric
    extractor = f"; {score.extractor}" if score.extractor and not carried else ""
    seeds = f", {score.seeds} seeds" if score.seeds > 1 and "seed" not in score.protocol else ""
    return score.protocol + seeds + extractor + (f". {score.note}" if score.note else "")


# ------------------------------------------------------------------------------------------------- training, limits


def _training(config: ModelConfig, step: int | None) -> str:
    t, data, origin = config.training, config.data, config.origin
    adam = t.optimizer
    if origin and origin.data is None:  # nothing is known of the training
        return "\n\n".join(["## Training", *own_card.command_lines(origin), own_card.data_line(config)])
    public = f"- data: {markdown(data.dataset)}, {markdown(data.split)} split, {data.resolution}x{data.resolution}" + (
        ", random flips" * data.flip
    )
    lines = [
        own_card.data_line(config) if origin else public,
        f"- objective: {markdown(t.objective)}",
        own_card.steps_line(config, step if origin else None),
        f"- Adam: learning rates {adam.generator_lr:g} (G) and {adam.discriminator_lr:g} (D), betas {adam.beta1:g} and "
        f"{adam.beta2:g}, eps {adam.eps:g}, decay {t.lr_decay}",
        f"- moving average: {f'decay {t.ema.decay:g} from step {t.ema.start:,}' if t.ema else 'none'}",
        *(f"- {markdown(note)}" for note in t.notes),
        *_deviations(config),
    ]
    command = own_card.command_lines(origin) if origin else [f"`zoo train {config.name} --out runs/{config.method}`"]
    return "\n\n".join(["## Training", *command, "\n".join(lines)])


def _deviations(config: ModelConfig) -> list[str]:
    """Where the runs behind the weights differ from the recipe above."""
    return [
        f"- **the run behind `@{entry.tag}` differs from this recipe**: {markdown('; '.join(entry.deviations))}"
        for entry in config.weights
        if entry.deviations
    ]


def _record(config: ModelConfig) -> str:
    files = record_filenames(config)
    return (
        f"![Losses, and scores where there are any, over the generator's steps]({files.curves})\n\n"
        f"![The same latents over the generator's steps]({files.over_time})\n\n"
        f"The log: [{files.log}]({files.log})."
    )


def _weights(config: ModelConfig) -> str:
    lines = []
    for entry in config.weights:
        where = "bundled with the package." if entry.bundled else markdown(weights.how_to_get(config, entry))
        default = " (default)" if entry.tag == config.default_tag else ""
        where += f" Licence: {markdown(terms(entry.upstream))}." if entry.upstream else ""
        lines.append(f"- `@{entry.tag}`{default}: {where}" + (f" {markdown(entry.note)}" if entry.note else ""))
    return "## Weights\n\n" + "\n".join(lines)


def _limits(config: ModelConfig) -> str:
    side = config.generator.resolution
    lines = [
        f"- It draws {side}x{side} images like those of its training data and nothing else.",
        "- A GAN may leave out parts of its data" + _copies(config),
    ]
    if has_public_data(config) and (text := _DATA_LIMITS.get(config.data.dataset)):
        lines.insert(1, f"- {text}")
    return "## Limits and biases\n\n" + "\n".join(lines)


def _copies(config: ModelConfig) -> str:
    """Whether it repeats training images, as far as that was looked at."""
    entry = config.default_weights
    if entry is None or entry.nearest is None:
        return ", and nothing here tests whether it repeats training images."
    near = entry.nearest
    return (
        f".\n- Copies: {near.images:,} generated images are {near.median:g} from their nearest training image in the "
        f"median, {near.smallest:g} at least (root mean square of pixels, 0 to 255); training images are "
        f"{near.training_median:g} from their nearest other one, {near.training_smallest:g} at least."
    )
