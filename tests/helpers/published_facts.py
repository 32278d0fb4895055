"""The facts that hub_configs is held against, read from tests/published.

They were transcribed from the two papers and from the README files, configs and logs of Mimicry and PyTorch-StudioGAN;
config_names.json says which config each of their rows belongs to. studiogan_history.json holds what the git history of
PyTorch-StudioGAN tells about runs that are older than the other facts' code. studiogan_hub.json lists the runs on its
Hub repository, the scores of its benchmark and the settings of the models that only the Hub has.
"""

import json
from pathlib import Path

from zoo.schema.config import ModelConfig

TESTS = Path(__file__).parents[1]
PATHS = sorted((TESTS.parent / "hub_configs").glob("*/*.json"))
CONFIGS = {f"{path.parent.name}/{path.stem}": ModelConfig.from_file(path) for path in PATHS}


def facts(name):
    return json.loads((TESTS / "published" / f"{name}.json").read_text(encoding="utf-8"))


NAMES, INFOMAX, CONTRAGAN = facts("config_names"), facts("infomax_gan_paper"), facts("contragan_paper")
MIMICRY, STUDIOGAN = facts("mimicry_checkpoints"), facts("studiogan_checkpoints")
HISTORY = facts("studiogan_history")
HUB = facts("studiogan_hub")
OTHERS = facts("other_checkpoints")["records"]
OTHER_SOURCES = {record["score_source"] for record in OTHERS}
STUDIOGAN_ROWS = [  # no StyleGAN2, and no value quoted from elsewhere without an architecture
    r for r in STUDIOGAN["records"] if "StyleGAN" not in r["method"] and r["method"] != "LOGAN" and r.get("effective")
]
INFOMAX_RUNS = INFOMAX["training_settings"]["per_dataset"]


def mimicry_tag(record):
    return "mimicry-repro" if record["table"] == "reproducibility" else "mimicry"
