"""The tables of training/README.md, from the configs: `python -m training.table --write` renews them."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from zoo.common.files import write_atomically
from zoo.common.text import table
from zoo.schema import registry
from zoo.schema.config import ModelConfig

from . import paper_settings

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- tables: python -m training.table --write -->", "<!-- end of tables -->"

TITLES = {  # of the fields in which runs and papers differ, in the order of the table
    "training.auxiliary.0.negatives": "InfoNCE: negatives of a location (InfoMax-GAN Eq. 4)",
    "discriminator.infomax.local_after": "InfoMax: local features after block, at 128 pixels (Table 9)",
    "discriminator.infomax.rectify_local": "InfoMax: local features are rectified before they are projected",
    "discriminator.rectify_shortcut": "discriminator blocks rectify the shortcut's input too",
    "training.conditioning.self_in_numerator": "2C loss: the image itself in the numerator (ContraGAN Eq. 8)",
    "training.conditioning.same_class_in_numerator": "2C loss: images of the class in the numerator (Eq. 8, not Eq. 7)",
    "training.regularizers.0.keep_class_embeddings": "APS: class embeddings stay beside the augmented positives",
    "training.regularizers.0.scores": "CR: outputs that are compared",
    "training.regularizers.0.shifts": "CR: shifts by up to an eighth of the side: any number of pixels, or the ends",
    "training.conditioning.shift_negatives": "D2D-CE: negatives' scores shifted alone",
    "training.adversarial": "adversarial loss",
    "data.flip": "random flips of training images",
    "training.steps": "generator steps",
    "training.batch_size": "batch",
    "training.discriminator_steps": "discriminator steps per generator step",
    "training.ema": "moving average of the generator",
    "training.ema.start": "moving average starts at step",
    "generator.upsample": "upsampling in the generator's blocks (inferred: Tables 7 to 9 follow the exact settings of "
    "SNGAN, whose code repeats pixels)",
    "generator.spectral_norm": "spectral norm in the generator",
    "generator.activation": "activation of the generator",
    "discriminator.activation": "activation of the discriminator",
    "discriminator.head_iterates_in_eval": "spectral norm of the discriminator's head goes on iterating in evaluation",
    "training.optimizer.eps": "Adam's epsilon (of the code released with the paper, which does not state it)",
    "generator.batch_norm_eps": "epsilon of batch norm in the generator (likewise)",
    "discriminator.batch_norm_eps": "epsilon of batch norm in the discriminator (likewise)",
    "generator.spectral_norm_eps": "epsilon of spectral norm in the generator (likewise)",
    "discriminator.spectral_norm_eps": "epsilon of spectral norm in the discriminator (likewise)",
    "training.sync_batch_norm": "batch norm over the images of all GPUs (ContraGAN, appendix C: DataParallel)",
}


def render() -> str:
    """Return the text between the two marks of training/README.md."""
    configs = [registry.config(name) for name in registry.names()]
    return f"{BEGIN}\n\n{_differences(configs)}\n\n{_ablations(configs)}\n\n{_settings()}\n\n{END}"


def _differences(configs: list[ModelConfig]) -> str:
    groups = defaultdict(list)
    for config in configs:
        for field, value in config.training.as_paper.items():
            groups[list(TITLES).index(field), _value(_get(config, field)), _value(value)].append(config.name)
    rows = [(list(TITLES.values())[i], run, paper, _models(names)) for (i, run, paper), names in sorted(groups.items())]
    return "### The paper and the run\n\n" + table(("what", "the run", "`--as-paper`", "models"), rows)


def _ablations(configs: list[ModelConfig]) -> str:
    rows = []
    for config in configs:
        for score in config.published:
            wanted = paper_settings.changes(config, score)
            changed = {field: value for field, value in wanted.items() if _get(config, field) != value}
            options = f"`{paper_settings.as_options(changed)}`" if changed else "none"
            if wanted:
                rows.append((f"`{config.name}`", score.source, str(score), options))
    rows.sort(key=lambda row: (row[1], row[0]))
    return "### Published variations\n\n" + table(("model", "source", "FID", "options of `zoo train`"), rows)


def _settings() -> str:
    rows = [(letter, f"`{paper_settings.as_options(changed)}`") for letter, changed in paper_settings.CONTRAGAN.items()]
    return "### Settings of ContraGAN, Table A9\n\n" + table(("setting", "options of `zoo train`"), rows)


def _get(config: ModelConfig, field: str) -> Any:
    """Return the value of a dotted field."""
    node: Any = config
    for key in field.split("."):
        node = node[int(key)] if key.isdigit() else getattr(node, key)
    return node


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_value(item)}" for key, item in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


def _models(names: list[str]) -> str:
    """List model names, with a star for most of the models of a method."""
    shown = []
    for method in dict.fromkeys(name.split("/")[0] for name in names):
        of_method = [name for name in registry.names() if name.split("/")[0] == method]
        here, others = ([name for name in of_method if (name in names) == wanted] for wanted in (True, False))
        if len(here) > max(1, len(others)):
            datasets = " and ".join(f"`{name.split('/')[1]}`" for name in others)
            shown.append(f"`{method}/*`" + (f" but {datasets}" if others else ""))
        else:
            shown += [f"`{name}`" for name in here]
    return ", ".join(shown)


def main() -> None:
    if sys.argv[1:] != ["--write"]:
        print(render())
        return
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    write_atomically(README, (before + render() + rest.partition(END)[2]).encode())


if __name__ == "__main__":
    main()
