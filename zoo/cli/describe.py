"""Describe a config for `zoo info`."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from ..checkpoints import alignments, weights
from ..common.tables import columns, pairs
from ..common.text import plain
from ..schema import labels
from ..schema.architecture import DCGANGenerator
from ..schema.config import ModelConfig
from ..schema.label_alignment import LabelAlignment
from ..schema.licenses import terms

if TYPE_CHECKING:
    from pathlib import Path

    from ..common.tables import Columns
    from ..schema.architecture import Discriminator, Generator, InfoMaxCritics
    from ..schema.entries import Measured
    from ..schema.origin import Origin


def describe(config: ModelConfig, file: Path | None = None, alignment: LabelAlignment | None = None) -> Group:
    """Return the page of `zoo info`.

    Args:
        file: the weights file of a run or an export.
        alignment: the alignment of its labels.
    """
    parts: list[RenderableType] = [plain(f"{config.name}   {config.title}", style="bold")]
    if config.paper:
        parts.append(plain(f"https://arxiv.org/abs/{config.paper}"))
    parts += [_heading("Networks"), pairs(_networks(config).items())]
    parts += [_heading("Training"), pairs(_training(config).items())]
    if config.origin:
        parts += [_heading("Origin"), pairs(_origin(config.origin, labels.class_names(config)).items())]
    parts += [_heading("Weights"), _weights(config) if file is None else _of_file(config, file, alignment)]
    if config.published:
        parts += [_heading("Published scores"), _scores(config)]
    if config.notes:
        parts += [_heading("Notes"), *(plain(f"- {note}") for note in config.notes)]
    return Group(*parts)


def _heading(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def _networks(config: ModelConfig) -> dict[str, str]:
    g, d = config.generator, config.discriminator
    names = labels.class_names(config)
    shown = ", ".join(names[:12]) + (f", ... ({len(names)}; `zoo labels` lists them)" if len(names) > 12 else "")
    facts = {"generator": _generator(g), "discriminator": _discriminator(d)}
    if names:
        facts["classes"] = shown
    return facts


def _generator(g: Generator) -> str:
    extras = [
        "transposed convolutions" if isinstance(g, DCGANGenerator) else f"{g.upsample} upsampling",
        "spectral norm" if g.spectral_norm else "",
        f"attention after block {', '.join(map(str, g.attention_after))}" if g.attention_after else "",
    ]
    widths = " ".join(map(str, g.channels))
    return f"{g.architecture}, z {g.latent_dim}, {widths} channels to {g.resolution}x{g.resolution}, {_join(extras)}"


def _discriminator(d: Discriminator) -> str:
    extras = [
        f"{d.head.type} head",
        "rotation head" if d.rotation_head else "",
        _critics(d.infomax) if d.infomax else "",
        "spectral norm" if d.spectral_norm else "batch norm" if d.batch_norm else "no norm",
        f"attention after block {', '.join(map(str, d.attention_after))}" if d.attention_after else "",
    ]
    return f"{d.architecture}, {' '.join(map(str, d.channels))} channels, {_join(extras)}"


def _critics(critics: InfoMaxCritics) -> str:
    second = f" and block {critics.global_after}" if critics.global_after else ""
    return f"InfoMax critics after block {critics.local_after}{second}"


def _training(config: ModelConfig) -> dict[str, str]:
    t, data = config.training, config.data
    adam = t.optimizer
    rates = f"G {adam.generator_lr:g}, D {adam.discriminator_lr:g}, betas {adam.beta1:g} {adam.beta2:g}"
    return {
        "data": f"{data.dataset}, {data.split} split, {data.resolution}x{data.resolution}"
        + (", flips" if data.flip else ""),
        "objective": t.objective,
        "schedule": f"{t.steps:,} generator steps, each after {t.discriminator_steps} of the discriminator, batch "
        f"{t.batch_size}",
        "Adam": rates + (", linear decay" if t.lr_decay == "linear" else ""),
        "EMA": f"decay {t.ema.decay:g} from step {t.ema.start:,}" if t.ema else "none",
    }


def _origin(origin: Origin, names: tuple[str, ...]) -> dict[str, str]:
    """Return where a model outside the registry comes from."""
    facts = {"recipe": origin.recipe}
    if origin.changed:
        facts["weights"] = "changed by a program after they were loaded; how is not on record"
    if origin.beginning:
        facts["begun with"] = str(origin.beginning)
    if origin.deviations:
        facts["differs in"] = "; ".join(origin.deviations)
    if seen := origin.data:
        each = ", ".join(f"{name} {count:,}" for name, count in zip(names[:12], seen.of_class, strict=False))
        more = ", ..." if len(names) > 12 else ""
        facts["images"] = f"{seen.images:,}" + (f": {each}{more}" if each else "")
        facts |= {"place": seen.place} if seen.place else {}
        facts["checksum"] = seen.checksum
    return facts | ({"command": origin.command} if origin.command else {})


def _weights(config: ModelConfig) -> RenderableType:
    if not config.weights:
        return plain(f'none yet: train it (zoo train {config.name} --out runs/x), or load it with weights="random"')
    rows: list[tuple[str, str]] = []
    for entry in config.weights:
        default = " (default)" if entry.tag == config.default_tag else ""
        here = weights.is_local(config, entry)
        where = "bundled" if entry.bundled else "available offline" if here else weights.how_to_get(config, entry)
        rows.append((f"@{entry.tag}{default}", where + (f"  {entry.note}" if entry.note else "")))
        if entry.upstream:
            rows.append(("", f"licence: {terms(entry.upstream)}"))
        if entry.deviations:
            rows.append(("", f"differs from the recipe: {'; '.join(entry.deviations)}"))
        if config.conditional:
            known = alignments.of_tag(config, entry.tag)
            rows.append(("", labels_of(config, f"{config.name}@{entry.tag}", known)))
        for score in entry.scores:
            rows.append(("", _measured(score)))
    return pairs(rows, key_style="")


def _of_file(config: ModelConfig, file: Path, alignment: LabelAlignment | None) -> RenderableType:
    """Describe the weights of a folder, with the scores that its config carries."""
    lines = [plain(str(file))]
    for entry in config.weights:
        lines += [plain(entry.note)] if entry.note else []
        lines += [plain(f"differs from the recipe: {'; '.join(entry.deviations)}")] if entry.deviations else []
        lines += [plain(_measured(score)) for score in entry.scores]
    if config.conditional:
        lines.append(plain(labels_of(config, str(file.parent), alignment)))
    return Group(*lines)


def _measured(score: Measured) -> str:
    counts = f" of {score.counts} real / generated images" if score.counts else ""
    return f"{score.metric} {score}{counts}, measured: {score.protocol}"


def labels_of(config: ModelConfig, name: str, found: LabelAlignment | None) -> str:
    """Return what is known about the labels of conditional weights, in one line."""
    if found is None:
        return labels.doubt(config, name, None) or f"labels: not measured (zoo align {quote(name)})"
    return found.summary


def _scores(config: ModelConfig) -> Columns:
    table = columns("metric", "value", "real / fake", "weights", "source", head="dim")
    for score in config.published:
        tag = f"@{score.tag}" if score.tag else "not released"
        table.add_row(*map(plain, (score.metric, str(score), score.counts, tag, score.origin)))
    return table


def _join(parts: list[str]) -> str:
    return ", ".join(part for part in parts if part)
