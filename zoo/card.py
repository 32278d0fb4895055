"""A model card in Markdown, rendered from the config alone: it says what the config says."""

from __future__ import annotations

from . import labels, weights
from .config import Measured, ModelConfig, Published


def render(config: ModelConfig) -> str:
    """The text of model_cards/<method>-<dataset>.md, with the front matter that the Hugging Face Hub reads."""
    sections = [_front_matter(config), f"# {config.title}", _summary(config), _use(config), _training(config)]
    if config.weights:
        sections.append(_weights(config))
    if config.published:
        sections.append(_published(config.published))
    if config.notes:
        sections.append("## Notes\n\n" + "\n".join(f"- {note}" for note in config.notes))
    return "\n\n".join(sections) + "\n"


def filename(config: ModelConfig) -> str:
    return f"{config.slug}.md"


def _front_matter(config: ModelConfig) -> str:
    tags = ["gan", config.method, config.data.dataset]
    lines = [f"license: {config.license.lower()}", "library_name: contrastive-gan-zoo", f"tags: [{', '.join(tags)}]"]
    return "\n".join(["---", *lines, "pipeline_tag: unconditional-image-generation", "---"])


def _summary(config: ModelConfig) -> str:
    g = config.generator
    kind = f"class-conditional ({config.num_classes} classes)" if config.conditional else "unconditional"
    paper = f" The method: [arXiv {config.paper}](https://arxiv.org/abs/{config.paper})." if config.paper else ""
    return (
        f"`{config.name}`, a {kind} generator of {g.resolution}x{g.resolution} images. Latents: {g.latent_dim} numbers "
        f"from N(0, 1). Output: [-1, 1].{paper}"
    )


def _use(config: ModelConfig) -> str:
    names = labels.class_names(config)
    label = f', label="{names[0]}"' if names else ""
    text = (
        f'## Use\n\n```python\nimport zoo\n\nzoo.load("{config.name}").sample(64{label}, seed=0).save("grid.png")\n```'
    )
    if names:
        shown = ", ".join(names[:20]) + (f", ... ({len(names)} in all)" if len(names) > 20 else "")
        text += f"\n\nClasses, in label order: {shown}."
    return text


def _training(config: ModelConfig) -> str:
    t, data = config.training, config.data
    adam = t.optimizer
    lines = [
        f"- data: {data.dataset}, {data.split} split, {data.resolution}x{data.resolution}"
        + (", random flips" * data.flip),
        f"- objective: {t.objective}",
        f"- {t.steps:,} generator steps, {t.discriminator_steps} discriminator steps each, batch {t.batch_size}",
        f"- Adam: learning rates {adam.generator_lr:g} (G) and {adam.discriminator_lr:g} (D), betas {adam.beta1:g} and "
        f"{adam.beta2:g}, eps {adam.eps:g}, decay {t.lr_decay}",
        f"- moving average: {f'decay {t.ema.decay:g} from step {t.ema.start:,}' if t.ema else 'none'}",
        *(f"- {note}" for note in t.notes),
    ]
    return f"## Training\n\n`zoo train {config.name} --out runs/{config.method}`\n\n" + "\n".join(lines)


def _weights(config: ModelConfig) -> str:
    lines = []
    for entry in config.weights:
        where = "bundled with the package." if entry.bundled else weights.how_to_get(config, entry)
        default = " (default)" if entry.tag == config.default_tag else ""
        lines.append(f"- `@{entry.tag}`{default}: {where}" + (f" {entry.note}" if entry.note else ""))
    table = [_measured(entry.tag, score) for entry in config.weights for score in entry.scores]
    if table:
        head = ["", "| weights | metric | value | protocol |", "|---|---|---|---|"]
        lines += [*head, *table]
    return "## Weights\n\n" + "\n".join(lines)


def _measured(tag: str, score: Measured) -> str:
    return f"| `@{tag}` | {score.metric} | {score} | {score.protocol} |"


def _published(scores: tuple[Published, ...]) -> str:
    lines = ["| metric | value | real / fake | weights | source |", "|---|---|---|---|---|"]
    for score in scores:
        source = score.origin + (f". {score.note}" if score.note else "")
        tag = f"`@{score.tag}`" if score.tag else ""
        lines.append(f"| {score.metric} | {score} | {score.counts} | {tag} | {source} |")
    return "## Published scores\n\n" + "\n".join(lines)
