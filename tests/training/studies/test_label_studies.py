"""What the studies of labels measure: a hook that changes nothing, the losses of training, a complete page."""

import json

import numpy as np
import pytest
import torch
from narrow import short, tiny

import zoo
from training import losses
from training.run.trainer import Options, train
from training.studies import label_losses, label_page, label_probe, sweep, sweep_report, sweep_runs
from training.studies.label_probe import ASKED, BY_DISCRIMINATOR, LabelProbe
from training.studies.sweep_runs import SweepSetup
from zoo import nets
from zoo.sampling.gan import GAN
from zoo.schema import registry
from zoo.schema.label_alignment import PERMUTED
from zoo.schema.recipe import ContrastiveConditioning


def test_looking_at_labels_leaves_the_training_as_it_is(tmp_path):
    """To the bit; what is noted is in the log."""
    config = short("contragan/digits", 4)
    plain = train(config, Options(tmp_path / "plain", device="cpu", log_every=2))
    probe = LabelProbe(2, lambda images: images.flatten(1).sum(dim=1) % 10, images_per_label=2)
    looked = train(config, Options(tmp_path / "looked", device="cpu", log_every=2), [probe])
    first, second = ((run / "model.safetensors").read_bytes() for run in (plain, looked))
    assert first == second
    records = [json.loads(line) for line in (looked / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records if ASKED in record] == [2, 4]
    assert all(0 <= record[ASKED + BY_DISCRIMINATOR] <= 1 for record in records if ASKED in record)


def test_twins_are_classes_whose_embeddings_are_alike():
    config = tiny(registry.config("contragan/cifar10"))
    discriminator = nets.build_discriminator(config.discriminator).eval()
    directions = torch.linalg.qr(torch.randn(16, 16, generator=torch.Generator().manual_seed(0)))[0]
    with torch.no_grad():
        discriminator.heads.proxies.weight.copy_(directions[:10])
        assert label_probe.twins(discriminator) == 0
        discriminator.heads.proxies.weight[3] = discriminator.heads.proxies.weight[8] + 0.1 * directions[12]
        assert label_probe.twins(discriminator) == pytest.approx(0.2)


@pytest.fixture(scope="module")
def small():
    """A tiny ContraGAN with random weights, and its discriminator."""
    config = tiny(registry.config("contragan/cifar10"))
    torch.manual_seed(0)
    model = GAN(config, nets.build_generator(config.generator), device="cpu")
    return model, nets.build_discriminator(config.discriminator).eval()


def test_losses_under_the_labels_asked_for_are_those_of_training(small):
    model, discriminator = small
    part = ContrastiveConditioning(temperature=0.5)
    identity = tuple(range(10))
    found = label_losses.measure(model, discriminator, identity, part, batch_size=16)
    values = []
    for batch in range(10):
        y = model.drawn_labels(16, 11, 16 * batch)
        with torch.no_grad():
            out = discriminator(model.generate(model.latents(16, 11, 16 * batch), y), y)
        values.append(losses.contrastive_2c(out.embedding, out.proxy, y, 0.5).item())
    assert found.own.asked == pytest.approx(np.mean(values), rel=1e-5)
    assert found.own.assigned == found.own.asked, "the identity"


def test_the_embedding_has_all_of_the_numerator_where_no_image_shares_the_label():
    own = torch.eye(4)
    assert label_losses._embedding_share(torch.eye(4), own, torch.arange(4)) == 1
    share = label_losses._embedding_share(torch.eye(4), own, torch.zeros(4, dtype=torch.int64))
    assert share == pytest.approx(np.e / (np.e + 3))


@pytest.fixture(scope="module")
def grown():
    """The look at the bundled model, with fewer images than the page has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(label_page, "_EACH", 20)
        patch.setattr(label_losses, "_BATCHES", 2)
        return label_page.inspect_bundled_model()


def test_the_grown_model_s_losses_hardly_mind_the_label(grown):
    """The finding of the study, on the discriminator that ships."""
    found = grown
    assert found.verdict == PERMUTED
    assert found.assigned > 0.7 > 0.15 > found.asked
    eq8, eq7 = found.losses.own, found.losses.only_embeddings
    assert eq8.assigned < eq8.random
    assert eq7.asked - eq7.assigned > 5 * (eq8.asked - eq8.assigned), "Eq. 7 minds"
    assert 0.05 < found.losses.embedding_share < 0.25


def test_a_sweep_of_labels_has_its_tables_and_curves(tmp_path, grown, monkeypatch):
    """From training to the page, at the smallest size."""
    monkeypatch.setattr(label_page, "inspect_bundled_model", lambda: grown)
    monkeypatch.setattr(label_page, "_EACH", 10)
    path = tmp_path / "labels.json"
    data = json.loads((sweep.FOLDER / "contragan-labels.json").read_text(encoding="utf-8"))
    data["small"]["set"] |= {
        "data.dataset": "digits",
        "training.steps": 2,
        "training.batch_size": 4,
        "generator.channels": [8, 8, 8],
        "discriminator.channels": [8, 8, 8, 8],
    }
    data["small"] |= {"seeds": [0], "only": {"loss": ["2C, Eq. 8", "projection"]}}
    data["metrics"] = []
    path.write_text(json.dumps(data))
    setup = SweepSetup(str(path), tmp_path / "out", device="cpu")
    for run in setup.planned():
        sweep_runs.run_one(setup, run.id)
    page = sweep_report.make_report(setup)
    page.write(setup.out)
    text = (setup.out / "README.md").read_text(encoding="utf-8")
    for said in ("as assigned", "Eq. 7, random", "119.63", "ReACGAN", "labels-over-time.png", "(bundled)"):
        assert said in text
    assert (setup.out / "class-embeddings-over-time.png").stat().st_size > 1000
    assert len(page.results["labels"]["projection"]) == 1


def test_the_published_figures_are_those_of_the_benchmark():
    cells = {c.where["loss"]: c.value for c in sweep.load("contragan-labels").published}
    assert cells == {"2C, Eq. 8": 119.63, "D2D-CE": 15.17, "projection": 14.29, "classifier": 72.75}
    assert "contragan-snresgan/cifar10" in zoo.list_models(available="offline")
