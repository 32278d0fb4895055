"""Every published figure and checkpoint id in hub_configs, against the facts in tests/published.

The tests look both ways: each fact is in its config, and no config holds a figure or an id that is not a fact.
"""

import json
from collections import Counter

import pytest
from published_facts import (
    CONFIGS,
    CONTRAGAN,
    HUB,
    INFOMAX,
    MIMICRY,
    NAMES,
    OTHER_SOURCES,
    PATHS,
    STUDIOGAN,
    STUDIOGAN_ROWS,
    mimicry_tag,
)

from zoo.schema import config_files
from zoo.schema.config import ModelConfig

# ---------------------------------------------------------------------------------------------- published figures


def figure(name, metric, value, source, std=None, protocol=(None,) * 4, tag=None, **settings):
    """A score as a config should hold it; `protocol` is (real images, generated images, split, extractor)."""
    real, fake, split, extractor = protocol
    real, split = (None, None) if metric == "IS" else (real, split)  # it has no real images
    settings = json.dumps(settings, sort_keys=True)
    return name, metric, value, source, std, real, fake, split, extractor, tag, settings


def mimicry_figures():
    inception = MIMICRY["evaluation_protocol"]["feature_network"]
    for r in MIMICRY["records"]:
        name, source = NAMES["mimicry"][r["id"]], "Mimicry README, a7fda06"
        protocol = (r["n_real"], r["n_fake"], r["real_split"], inception)
        for metric, score in ((m, r[m]) for m in ("FID", "KID", "IS") if r[m]):
            yield figure(name, metric, score["mean"], source, score["std"], protocol, mimicry_tag(r))


def infomax_cells():
    """(source, model, data set, metric, cell, settings) of all that the InfoMax-GAN paper measures on images."""
    for source, table in (("Table 1", "table_1"), ("Table 2", "table_2")):
        for row in INFOMAX[table]["rows"]:
            for model in ("SNGAN", "SSGAN", "InfoMax-GAN", "SSGAN + IM"):
                if model in row:
                    yield source, model, row["dataset"], row["metric"], row[model], {}
    for row in INFOMAX["table_3"]["rows"]:
        grid = {"beta1": row["beta1"], "beta2": row["beta2"], "discriminator_steps": row["n_dis"]}
        for dataset in ("CIFAR-10", "STL-10"):
            for model, cell in row[dataset].items():
                yield "Table 3", model, dataset, "FID", cell, grid
    ours = ("InfoMax-GAN", "CIFAR-10", "FID")
    for row in INFOMAX["table_4"]["rows"]:
        yield "Table 4", *ours, row["FID"], {"projection_dim": row["R"]}
    positions, critics = (INFOMAX["ablations_a5"][k] for k in ("position_of_feature_maps", "spectral_norm_on_critics"))
    yield "appendix A.5", *ours, positions["local_global_FID"], {"features": "local-global"}
    yield "appendix A.5", *ours, positions["local_local_FID"], {"features": "local-local"}
    yield "appendix A.5", *ours, critics["with_FID"], {"critic_spectral_norm": True}
    yield "appendix A.5", *ours, critics["without_FID"], {"critic_spectral_norm": False}


def infomax_figures():
    names, splits = NAMES["infomax_gan_paper"], {"unlabelled images": "unlabeled", "aligned images": "all"}
    for source, model, dataset, metric, cell, settings in infomax_cells():
        counts = INFOMAX["evaluation_settings"]["per_dataset"][dataset]
        split = splits.get(counts["real_images"], "train")
        protocol = (counts[metric].get("n_real"), counts[metric]["n_fake"], split, "pre-trained Inception")
        name, source = names[f"{model}/{dataset}"], f"InfoMax-GAN, {source}"
        yield figure(name, metric, cell["mean"], source, cell["std"], protocol, **settings)
    for row in INFOMAX["table_5"]["rows"]:
        for model in ("DCGAN", "DCGAN + IM"):
            name, metric = names[f"{model}/{row['K']}"], row["metric"].removesuffix("(p||q)")
            yield figure(name, metric, row[model]["mean"], "InfoMax-GAN, Table 5", row[model]["std"])


def studiogan_figures():
    protocols = STUDIOGAN["evaluation_protocol"]
    inception = "Inception, " + protocols["common_2021"]["inception"].split(" (")[0]
    tables = {"CIFAR10 (3x32x32)": "CIFAR10 (all but StyleGAN2)"}
    for r in STUDIOGAN_ROWS:
        p = protocols[tables.get(r["table"], r["table"].split(" (")[0])]
        protocol = (p["n_real"], p["n_fake"], p["reference_split"], inception)
        protocol = protocol if "training_log" in r else (None,) * 4  # without a log the value is quoted from elsewhere
        name, source = NAMES["studiogan"][r["id"]], "PyTorch-StudioGAN README, 26f7b7f"
        tag = "studiogan" if r["google_drive_folder_id"] else None
        for metric, value in {"IS": r["IS"], "FID": r["FID"], **(r["other_scores"] or {})}.items():
            if value is not None:
                yield figure(name, metric, value, source, protocol=protocol, tag=tag)


def contragan_figures():
    names = NAMES["contragan_paper"]

    def fid(key, dataset, value, source, std=None, **settings):
        counts, extractor = CONTRAGAN["evaluation_protocol"][dataset], CONTRAGAN["evaluation_protocol"]["backbone"]
        split = counts["reference_split"].replace("validation", "valid")
        protocol = (counts["n_real"], counts["n_fake"], split, extractor)
        protocol = (None,) * 4 if "reported_by" in settings else protocol  # of another paper
        return figure(names[key], "FID", value, f"ContraGAN, {source}", std, protocol, **settings)

    for row in CONTRAGAN["table_1"]["rows"]:
        dataset = row["dataset"]
        for model in ("ACGAN", "cGAN", "ContraGAN"):
            key, cell = f"Table 1/{dataset}/{row['backbone']}/{model}", row[model]
            yield fid(key, dataset, cell["mean"], "Table 1", cell["spread"])
    for row in CONTRAGAN["table_2"]["rows"]:
        dataset = row["dataset"]
        for model in ("SNResGAN", "SAGAN", "BigGAN", "ContraGAN"):
            key, cell = f"Table 2/{dataset}/{model}", row[model]
            if cell.get("reported_in_original_paper"):
                yield fid(key, dataset, cell["reported_in_original_paper"], "Table 2", reported_by="original paper")
            if cell["own"]:
                yield fid(key, dataset, cell["own"], "Table 2")
    for row in CONTRAGAN["table_3"]["rows"]:
        key, source = f"Table 3/{row['id']}", f"Table 3, column {row['id']}"
        yield fid(key, "Tiny ImageNet", row["FID"], source)
        yield figure(names[key], "million parameters", row["params_millions"], f"ContraGAN, {source}")
        yield figure(names[key], "seconds per iteration", row["seconds_per_iteration"], f"ContraGAN, {source}")
    for dataset in ("CIFAR10", "Tiny ImageNet"):
        for implementation in ("TensorFlow", "PyTorch"):
            value = CONTRAGAN["table_A10"][implementation][dataset]
            yield fid(f"Table A10/{dataset}", dataset, value, "Table A10", implementation=implementation)
        for label, value in CONTRAGAN["fid_in_figures"][dataset].items():
            number = label.removesuffix(")").split(" (")[1]
            yield fid(f"Figure/{dataset}/{label}", dataset, value, f"Figure {number}")


def benchmark_figures():
    benchmark = HUB["benchmark"]
    assert benchmark["protocol"]["extractor"] == "TensorFlow Inception v3"
    assert benchmark["protocol"]["reference"] == "training split, all images"
    real = {"cifar10": 50_000, "imagenet128": 1_281_167}  # of the other data sets, no source states it
    for row in HUB["scored"]:
        values = zip(benchmark["columns"], benchmark["rows"][row["table"]][row["row"]], strict=True)
        protocol = (real.get(row["table"]), 50_000, "train", benchmark["protocol"]["extractor"])
        for metric, value in values:
            yield figure(row["model"], metric, value, "StudioGAN, benchmark table", None, protocol, row["tag"])


def test_published_figures_are_the_facts():
    sources = (mimicry_figures, infomax_figures, studiogan_figures, contragan_figures, benchmark_figures)
    expected, found = Counter(f for source in sources for f in source()), Counter()
    for name, config in CONFIGS.items():
        for p in config.published:
            if p.source in OTHER_SOURCES:  # in test_published_elsewhere
                continue
            protocol = (p.num_real, p.num_fake, p.split, p.extractor)
            settings = json.dumps(p.settings, sort_keys=True)
            found[(name, p.metric, p.value, p.source, p.std, *protocol, p.tag, settings)] += 1
    assert sorted((expected - found).elements(), key=str) == [], "facts that their config does not hold"
    assert sorted((found - expected).elements(), key=str) == [], "figures that no fact backs"


def test_doubtful_rows_say_so():
    for r in MIMICRY["records"]:
        published = CONFIGS[NAMES["mimicry"][r["id"]]].published
        scores = [p for p in published if p.tag == mimicry_tag(r) and p.metric == "FID"]
        reported = r.get("reported_in_literature")
        said = f"Reported in the literature: {reported['mean']}" if reported else r.get("note", "")[1:40]
        assert len(scores) == 1
        assert said in (scores[0].note or "")
    swapped = [r for r in STUDIOGAN_ROWS if "warning" in r.get("training_log", {})]
    assert len(swapped) == 2
    for r in swapped:
        config = CONFIGS[NAMES["studiogan"][r["id"]]]
        assert any("swapped" in note for note in config.notes)
        assert all(r["method"] in p.note for p in config.published)
    mixed = next(f for f in STUDIOGAN["findings"] if f.startswith("ImageNet, ContraGAN row"))
    scores = [p for p in CONFIGS["contragan/imagenet128"].published if p.tag == "studiogan"]
    assert all(p.note and p.note in mixed for p in scores)


# -------------------------------------------------------------------------------------------------- checkpoints


def hub_path(run, kind):
    return f"{HUB['root']}/{run['folder']}/{run['run']}/model={kind}-best-weights-step={run['step']}.pth"


def test_checkpoints_are_the_facts():
    expected = Counter()
    for r in MIMICRY["records"]:
        name, place = NAMES["mimicry"][r["id"]], (r["google_drive_file_id"], None, None)
        expected[name, mimicry_tag(r), "mimicry", place, r["file_name"]] += 1
    for r in STUDIOGAN_ROWS:
        name, folder_id = NAMES["studiogan"][r["id"]], r["google_drive_folder_id"]
        path = f"model={'G_ema' if r['effective']['model']['apply_g_ema'] else 'G'}-best-weights-step=*.pth"
        if folder_id:
            expected[name, "studiogan", "studiogan", (None, folder_id, None), path] += 1
    for r in HUB["runs"]:
        place = (None, None, HUB["repository"])
        expected[r["model"], r["tag"], "studiogan", place, hub_path(r, r["generator"])] += 1
    found = Counter()
    for name, config in CONFIGS.items():
        for w in config.weights:
            if (u := w.upstream) and u.source in (
                "mimicry",
                "studiogan",
            ):  # others: test_published_elsewhere; this repository's own weights are not facts about others
                place = (u.google_drive_file, u.google_drive_folder, u.hub_repo)
                found[name, w.tag, u.source, place, u.path] += 1
    assert found == expected


# ------------------------------------------------------------------------------------------------------- the files


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_file_is_in_its_normal_form(path):
    config = ModelConfig.from_file(path)
    assert config.to_json(config_files.base_of(path)) == path.read_text(encoding="utf-8")
    assert config.name == f"{path.parent.name}/{path.stem}"
    config.as_paper()  # its fields exist and its values are allowed
