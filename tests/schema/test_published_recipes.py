"""Every recipe and architecture in hub_configs, against the facts in tests/published."""

import re

import pytest
import torch
from published_facts import (
    CONFIGS,
    CONTRAGAN,
    HISTORY,
    INFOMAX,
    INFOMAX_RUNS,
    MIMICRY,
    NAMES,
    STUDIOGAN,
    STUDIOGAN_ROWS,
    facts,
)

from zoo import nets


def recipe(training):
    o, sizes = training.optimizer, (training.steps, training.batch_size, training.accumulation)
    rates = (o.generator_lr, o.discriminator_lr, o.beta1, o.beta2)
    return *sizes, training.discriminator_steps, training.lr_decay, rates


@pytest.mark.parametrize("r", [r for r in MIMICRY["records"] if r["train"]], ids=lambda r: r["id"])
def test_mimicry_recipe(r):
    t, config = r["train"], CONFIGS[NAMES["mimicry"][r["id"]]]
    rates = (t["lr"], t["lr"], t["beta1"], t["beta2"])
    assert recipe(config.training) == (t["n_iter"], t["batch"], 1, t["n_dis"], t["decay"] or "none", rates)
    assert (config.num_classes, config.data.split, config.data.flip) == (r["num_classes"] or 0, r["real_split"], False)
    assert config.training.ema is None
    assert config.training.track_statistics_in_discriminator_step
    weights = {"infomax": {"alpha": 0.2, "beta": 0.2}, "rotation": {"generator_weight": 0.2, "discriminator_weight": 1}}
    stated = next(d["code"] for d in MIMICRY["differences"] if d["topic"] == "weights of the losses")
    assert "0.2 for both by default; SSGAN: rotation loss 0.2 for the generator and 1.0" in stated
    for loss in config.training.auxiliary:
        assert all(getattr(loss, field) == value for field, value in weights[loss.type].items())


@pytest.mark.parametrize("config", [c for c in CONFIGS.values() if "mimicry" in (c.default_tag or "")], ids=str)
def test_mimicry_code_differs_from_the_papers_as_stated(config):
    """What `differences` says of the code is in the config, what it says of the paper is in `as_paper`."""
    topics = {d["topic"]: d for d in MIMICRY["differences"]}
    paper, d = config.as_paper(), config.discriminator
    assert "in place" in topics["activation before the shortcut of discriminator blocks"]["code"]
    assert (d.rectify_shortcut, paper.discriminator.rectify_shortcut) == (True, False)
    partly = "in WGAN-GP shortcuts and the last generator convolution keep PyTorch defaults"
    assert partly in topics["initialisation"]["code"]
    expected = "xavier-main-path" if config.method == "wgan-gp" else "xavier"
    assert (config.generator.init, d.init) == (expected, expected)
    assert config.training.adversarial == {"dcgan": "non-saturating-floored", "wgan-gp": "wasserstein"}.get(
        config.method, "hinge"
    )
    if not d.infomax:
        return
    assert "-10" in topics["negatives of the contrastive task"]["code"]
    assert config.training.auxiliary[0].negatives == "other-images"
    assert paper.training.auxiliary[0].negatives == "all"
    assert "overwrites the local feature map" in topics["local features are rectified"]["code"]
    assert (d.infomax.rectify_local, paper.discriminator.infomax.rectify_local) == (True, False)
    after = {32: 3, 48: 4, 64: 4, 128: 5}[d.resolution]
    assert d.infomax.local_after == after
    assert paper.discriminator.infomax.local_after == (4 if d.resolution == 128 else after)  # Tables 7 to 9
    assert (d.infomax.projection_dim, d.infomax.spectral_norm) == (INFOMAX["method"]["R"]["value"], True)


@pytest.mark.parametrize("cell", [k for k in NAMES["infomax_gan_paper"] if k.split("/")[1] in INFOMAX_RUNS])
def test_infomax_paper_recipe(cell):
    t, training = INFOMAX_RUNS[cell.split("/")[1]], CONFIGS[NAMES["infomax_gan_paper"][cell]].training
    rates = (t["lr"], t["lr"], t["beta1"], t["beta2"])
    assert recipe(training) == (t["generator_steps"], t["batch"], 1, t["n_dis"], t["lr_decay"].split()[0], rates)
    for loss in training.auxiliary:
        if loss.type == "infomax":
            assert (loss.alpha, loss.beta) == (INFOMAX["method"]["alpha"]["value"], INFOMAX["method"]["beta"]["value"])


ICR = {"real_weight": "real_lambda", "fake_weight": "fake_lambda", "latent_radius": "radius"}
ICR |= {"latent_generator_weight": "g_lambda", "latent_discriminator_weight": "d_lambda"}
REGULARIZERS = {
    "gradient-penalty": ("apply_gp", {"weight": "gp_lambda"}),
    "weight-clipping": ("apply_wc", {"bound": "wc_bound"}),
    "dragan": ("apply_dra", {"weight": "dra_lambda"}),
    "consistency": ("apply_cr", {"weight": "cr_lambda"}),
    "improved-consistency": ("apply_bcr", ICR),
    "diff-augment": ("apply_diffaug", {}),
}


@pytest.mark.parametrize("r", STUDIOGAN_ROWS + STUDIOGAN["head_configs"], ids=lambda r: r["id"])
def test_studiogan_recipe(r):
    s = {k: v for part in r["effective"].values() if isinstance(part, dict) for k, v in part.items()}
    for change in r.get("training_log", {}).get("settings_that_differ_from_yaml", []):  # then the log is right
        s[change["key"].split(".")[1]] = None if change["training_log"] == "N/A" else change["training_log"]
    config = CONFIGS[NAMES["studiogan"][r["id"]]]
    t, g, d = config.training, config.generator, config.discriminator
    rates = (s["g_lr"], s["d_lr"], s["beta1"], s["beta2"])
    assert recipe(t) == (s["total_steps"], s["batch_size"], s["acml_steps"], s["d_updates_per_step"], "none", rates)
    assert t.optimizer.eps == 1e-6
    assert config.data.flip == r["effective"]["random_flip"]
    assert {g.init, d.init} == {"orthogonal"}
    assert {s["g_init"], s["d_init"], s["g_act_fn"], s["d_act_fn"]} == {"ortho", "ReLU"}
    if s["d_embed_dim"]:
        assert (d.head.embedding_dim, d.head.projection) == (s["d_embed_dim"], "linear")
    assert (t.ema.decay, t.ema.start) == (s["g_ema_decay"], s["g_ema_start"]) if s["apply_g_ema"] else t.ema is None
    assert {x.type for x in t.regularizers} == {kind for kind, (flag, _) in REGULARIZERS.items() if s.get(flag)}
    for x in t.regularizers:
        assert all(getattr(x, field) == s[setting] for field, setting in REGULARIZERS[x.type][1].items())
    for field, setting in (("weight", "cond_lambda"), ("temperature", "temperature"), ("positive_margin", "m_p")):
        assert getattr(t.conditioning, field, None) == s.get(setting)
    assert (g.latent_dim, g.spectral_norm, d.spectral_norm) == (s["z_dim"], s["apply_g_sn"], s["apply_d_sn"])
    assert (list(g.attention_after), list(d.attention_after)) == (s["attn_g_loc"] or [], s["attn_d_loc"] or [])
    assert g.num_classes == (0 if s["d_cond_mtd"] == "W/O" else r["config"]["DATA"]["num_classes"])


RUNS = [r for r in STUDIOGAN_ROWS if "training_log" in r]


def before(topic, date):
    """Is a run of this date older than the change?"""
    return date < HISTORY["changes"][topic]["date"]


def date_of(r):
    return "-".join(re.search(r"train-(\d{4})_(\d\d)_(\d\d)", r["training_log"]["path"]).groups())


DATED = [(r, date_of(r)) for r in RUNS] + [(r, None) for r in STUDIOGAN["head_configs"]]


@pytest.mark.parametrize(("r", "date"), DATED, ids=[r["id"] for r, _ in DATED])
def test_studiogan_code_of_the_time(r, date):
    """The run behind the default weights had the code of its day, of a head config the code of 947b35e."""
    config = CONFIGS[NAMES["studiogan"][r["id"]]]
    if date is None and config.default_tag is not None:
        return  # an older run is the default
    t, date, vanilla = config.training, date or "2023-08-06", r["effective"]["loss"]["adv_loss"] == "vanilla"
    assert t.track_statistics_in_discriminator_step == before("running statistics of the generator", date)
    losses = {"vanilla": "non-saturating", "least_square": "least-squares", "least_squre": "least-squares"}
    loss = losses.get(r["effective"]["loss"]["adv_loss"], r["effective"]["loss"]["adv_loss"])
    shifted = vanilla and before("discriminator loss 'vanilla'", date)
    assert t.adversarial == (f"{loss}-shifted" if shifted else loss)
    assert config.as_paper().training.adversarial == loss
    if t.conditioning.type == "classifier":
        assert t.conditioning.fakes_in_discriminator == before("classifier loss of ACGAN", date)
    if t.conditioning.type == "contrastive" and "training_log" in r:
        collected = HISTORY["pos_collected_numerator"]["logs"].get(r["training_log"]["path"], True)
        assert t.conditioning.same_class_in_numerator == collected
        paper = config.as_paper().training.conditioning
        assert paper.same_class_in_numerator
        assert paper.self_in_numerator
    if config.discriminator.spectral_norm:  # the in-place activation
        assert config.discriminator.rectify_shortcut
        assert not config.as_paper().discriminator.rectify_shortcut


FIRST_SETTINGS = {  # of the models whose only run is that of the paper
    "acgan-biggan/cifar10": "Table1/ac_biggan32_cifar",
    "acgan-biggan/tiny-imagenet": "Table1/ac_biggan64_tiny",
    "acgan-sndcgan/cifar10": "Table1/ac_dcgan32_cifar",
    "acgan-snresgan/cifar10": "Table1/ac_resgan32_cifar",
    "biggan-b256/tiny-imagenet": "Table1/proj_biggan64_tiny",
    "contragan-b256/tiny-imagenet": "Table1/contra_biggan64_tiny",
    "contragan-sndcgan/cifar10": "Table1/contra_dcgan32_cifar",
    "contragan-snresgan/cifar10": "Table1/contra_resgan32_cifar",
    "projgan-sndcgan/cifar10": "Table1/proj_dcgan32_cifar",
}


@pytest.mark.parametrize("name", FIRST_SETTINGS)
def test_runs_of_the_contragan_paper(name):
    """Models without weights follow the settings files that were published with the paper."""
    s = HISTORY["first_settings"]["files"][f"configs/{FIRST_SETTINGS[name]}_hinge_no.json"]
    config = CONFIGS[name]
    t, g, d = config.training, config.generator, config.discriminator
    rates = (s["g_lr"], s["d_lr"], s["beta1"], s["beta2"])
    sizes = (s["total_step"], s["batch_size"], s["accumulation_steps"], s["d_steps_per_iter"])
    assert recipe(t) == (*sizes, "none", rates)
    assert (g.latent_dim, g.spectral_norm, d.spectral_norm) == (s["z_dim"], s["g_spectral_norm"], s["d_spectral_norm"])
    assert {g.activation, d.activation} == {"leaky_relu" if s["leaky_relu"] else "relu"}
    assert (t.ema.decay, t.ema.start) == (s["ema_decay"], s["ema_start"])
    assert (t.optimizer.eps, g.batch_norm_eps, g.spectral_norm_eps) == (1e-8, 1e-5, 1e-12)
    assert (config.data.flip, t.regularizers, t.track_statistics_in_discriminator_step) == (False, (), True)
    if t.conditioning.type == "contrastive":
        assert (d.head.embedding_dim, t.conditioning.temperature) == (s["hyper_dim"], s["start_temperature"])
    if t.conditioning.type == "classifier":
        assert t.conditioning.fakes_in_discriminator
        assert d.head.bias


CONTRAGAN_RUNS = [k for k in NAMES["contragan_paper"] if k.startswith(("Table 1", "Table 2/Tiny", "Table 3"))]


@pytest.mark.parametrize("cell", CONTRAGAN_RUNS)
def test_contragan_paper_recipe(cell):
    """What `as_paper` makes of each model in the tables is the set-up that the paper's appendix C states."""
    table, where, *backbone = cell.split("/")
    setups, columns = CONTRAGAN["experiment_setups"], {row["id"]: row for row in CONTRAGAN["table_3"]["rows"]}
    run = setups["table_1"].get(where, setups["table_1"]["Tiny ImageNet"])
    batch, updates, setting = run["batch"], run["generator_updates"], run.get("setting")
    if where == "CIFAR10":
        updates, setting = updates[backbone[0]], run["best_setting"][backbone[0]]
    elif table != "Table 1":  # which differ in the batch only
        batch = columns[where]["batch"] if where in columns else setups["table_2"][where]["batch"]
    s, paper = CONTRAGAN["table_A9"]["settings"][setting], CONFIGS[NAMES["contragan_paper"][cell]].as_paper()
    rates = (s["lr_G"], s["lr_D"], s["beta1"], s["beta2"])
    assert recipe(paper.training) == (updates, batch, 1, s["n_dis"], "none", rates)
    averaging = CONTRAGAN["method"]["weight_averaging"]
    ema = (averaging["decay"], averaging["starts_after_generator_iterations"])
    assert (paper.training.ema.decay, paper.training.ema.start) == ema
    assert (paper.data.flip, paper.generator.spectral_norm, paper.discriminator.spectral_norm) == (False, True, True)
    assert not getattr(paper.discriminator, "rectify_shortcut", False)
    leaky = "SNDCGAN" in cell  # Tables A1 and A2
    assert {paper.generator.activation, paper.discriminator.activation} == {"leaky_relu" if leaky else "relu"}
    if paper.training.conditioning.type == "contrastive":
        conditioning, dims = paper.training.conditioning, CONTRAGAN["method"]["projection"]["dims"]
        assert (conditioning.weight, conditioning.temperature) == (
            CONTRAGAN["method"]["lambda"]["value"],
            CONTRAGAN["method"]["temperature"]["value"],
        )
        assert conditioning.same_class_in_numerator
        assert conditioning.self_in_numerator
        assert paper.discriminator.head.embedding_dim == dims["CIFAR10" if where == "CIFAR10" else "Tiny ImageNet"]
    if table == "Table 3":
        flags = {"2C": "contrastive", "APS": "augmented-positives", "CR": "consistency"}
        used = {paper.training.conditioning.type, *(x.type for x in paper.training.regularizers)}
        assert {flag for flag, kind in flags.items() if kind in used} == {f for f in flags if columns[where][f]}


STACKED = {"DCGAN/1/4", "DCGAN + IM/1/4", "DCGAN/1/2", "DCGAN + IM/1/2"}


@pytest.mark.parametrize("cell", sorted(STACKED))
def test_stacked_mnist_is_the_unrolled_gan_experiment(cell):
    """As PacGAN's code repeats it, K the size of the discriminator; InfoMax is all that the paper adds."""
    f, config = facts("pacgan_unrolled"), CONFIGS[NAMES["infomax_gan_paper"][cell]]
    g, d, t, size = config.generator, config.discriminator, config.training, cell.split("/", 1)[1]
    side, _, first = f["generator"]["linear"]
    assert (g.latent_dim, g.bottom_width, list(g.channels)) == (
        f["generator"]["z"],
        side,
        [first, *f["generator"]["deconv_channels"]],
    )
    assert (g.kernel_size, g.input_norm, g.activation, g.output) == (f["generator"]["kernel"], True, "relu", "tanh")
    assert {g.resolution, d.resolution, config.data.resolution} == {f["images"]["side"]}
    assert (list(d.channels), d.layout, d.batch_norm, d.spectral_norm) == (
        f["discriminator"]["channels"][size],
        "strided",
        True,
        False,
    )
    assert (d.activation, d.leak) == ("leaky_relu", f["discriminator"]["leak"])
    s = f["training"]
    rates = (s["generator_lr"], s["discriminator_lr"], s["beta1"], s["beta2"])
    assert recipe(t) == (t.steps, s["batch"], 1, s["n_dis"], "none", rates)
    assert t.steps <= s["steps_at_most"]
    assert t.adversarial == "non-saturating"
    assert bool(t.auxiliary) == ("IM" in cell)
    generator = nets.build_generator(g)
    sides = []
    for block in generator.blocks:
        block.register_forward_hook(lambda _, __, out: sides.append(out.shape[-1]))
    assert generator(torch.randn(2, g.latent_dim)).shape == (2, 3, 28, 28)
    assert sides == f["generator"]["deconv_sides"]
