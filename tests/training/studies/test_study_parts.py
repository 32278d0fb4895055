"""The parts of the papers' analyses: measures against hand-worked cases, schedules, a discriminator alone."""

import math

import pytest
import torch
from narrow import tiny
from torch import nn

from training import losses
from training.data import Real
from training.networks import Networks
from training.objectives import InfoMax
from training.run.trainer import Options, train
from training.studies import digit_classifier, forgetting, forgetting_page, mode_collapse, modes
from training.studies.discriminator_run import DiscriminatorRun, in_eval
from zoo import datasets
from zoo.checkpoints import weights
from zoo.common.errors import ZooError
from zoo.schema import recipe, registry

# ------------------------------------------------------------------------------------------------------------ modes


class Brightness(nn.Module):
    """Reads the digit d from an image whose pixels are all 20 d + 10."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))  # so that it has a device

    def forward(self, images):
        return nn.functional.one_hot((images.mean(dim=(1, 2, 3)) * 255 / 20).long(), 10).float()


def test_a_mode_is_the_digits_of_the_three_channels_in_order():
    digits = torch.tensor([[0, 0, 0], [1, 2, 3], [9, 9, 9], [7, 0, 5]])
    images = (20 * digits + 10).to(torch.uint8)[:, :, None, None].expand(-1, -1, 28, 28)
    assert modes.modes_of(images, Brightness(), batch_size=3).tolist() == [0, 123, 999, 705]


@pytest.mark.parametrize(
    ("present", "modes_found", "kl"),
    [
        ({5: 10}, 1, math.log(1000)),  # everything in one mode
        (dict.fromkeys(range(1000), 3), 1000, 0.0),  # uniform
        ({1: 2, 2: 2}, 2, math.log(500)),
        ({1: 3, 2: 1}, 2, 0.75 * math.log(750) + 0.25 * math.log(250)),
    ],
)
def test_modes_and_kl_of_cases_worked_by_hand(present, modes_found, kl):
    counts = modes.counts_of(torch.cat([torch.full((n,), mode) for mode, n in present.items()]))
    assert modes.recovered(counts) == modes_found
    assert modes.kl_to_uniform(counts) == pytest.approx(kl, abs=1e-9)


def test_the_bundled_classifier_says_how_right_it_is():
    header = weights.read_metadata(digit_classifier.BUNDLED)
    assert float(header["accuracy"].split()[0]) > 0.99
    assert digit_classifier.BUNDLED.stat().st_size < 1e6
    assert digit_classifier.load()(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_the_classifier_learns():
    """Ten squares in places of their own, a class each."""
    labels = torch.arange(10).repeat(60)
    images = torch.zeros(600, 1, 28, 28)
    for label in range(10):
        top, left = 5 + 10 * (label // 5), 2 + 5 * (label % 5)
        images[labels == label, 0, top : top + 3, left : left + 3] = 1
    classifier = digit_classifier.train(images, labels, epochs=6)
    assert digit_classifier.accuracy(classifier, images, labels) > 0.5


# ----------------------------------------------------------------------------------------------- the contrastive task


def test_a_perfect_and_a_useless_answer():
    """One-hot vectors: every local vector of image i points where its global one does, and nowhere else."""
    n, locations = 4, 9
    own = 5 * torch.eye(n)
    assert mode_collapse.contrastive_accuracy(own[:, :, None].expand(n, n, locations), own) == (
        1.0,
        pytest.approx(1 / (1 + (n - 1) * locations * math.exp(-25))),
    )
    swapped = own.roll(1, dims=0)
    assert mode_collapse.contrastive_accuracy(own[:, :, None].expand(n, n, locations), swapped)[0] == 0


def test_one_image_again_and_again_is_never_right():
    n, locations = 6, 4
    local = torch.randn(1, 8, locations).expand(n, 8, locations)
    accuracy, probability = mode_collapse.contrastive_accuracy(local, torch.randn(1, 8).expand(n, 8))
    assert accuracy == 0  # others tie with the right answer
    assert probability < 1 / (n - 1)  # at least as many rivals as other images


def test_accuracy_counts_what_the_loss_compares():
    """Against a loop over Eq. 5, with an own location that would be a rival in the paper's own Eq. 4."""
    torch.manual_seed(0)
    local, global_ = torch.randn(5, 3, 2, 2), torch.randn(5, 3)
    scores, own, _ = losses.critic_scores(local, global_)
    right = 0
    for i in range(5):
        rivals = [global_[i] @ local[j].flatten(1)[:, k] for j in range(5) if j != i for k in range(4)]
        for k in range(4):
            mine = global_[i] @ local[i].flatten(1)[:, k]
            assert own[i, 0, k] == pytest.approx(float(mine), abs=1e-6)
            right += mine > max(rivals)
    assert mode_collapse.contrastive_accuracy(local, global_)[0] == pytest.approx(right / 20)
    assert scores.shape == (5, 1, 5, 4)


def test_simulated_generators():
    labels = torch.arange(200) % 4
    kinds = mode_collapse.collapsed_batches(labels, 4, batch_size=8, seed=3)
    assert sorted(kinds) == ["all classes", *(f"one class {c}" for c in range(4)), "one image"]
    for c in range(4):
        assert all((labels[batch] == c).all() for batch in kinds[f"one class {c}"])
    assert all(len(batch.unique()) == 8 for kind, batches in kinds.items() if kind != "one image" for batch in batches)
    assert all(len(batch) == 8 and len(batch.unique()) == 1 for batch in kinds["one image"])
    assert len(labels[torch.cat(kinds["all classes"])].unique()) == 4
    with pytest.raises(ZooError, match="fewer than a batch of 64"):
        mode_collapse.collapsed_batches(labels, 4, batch_size=64)


# -------------------------------------------------------------------------------------------------------- forgetting


def small_data(n=200, classes=10, side=32):
    images = torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    names = tuple(f"class {c}" for c in range(classes))
    return datasets.Dataset(images, torch.arange(n) % classes, classes, "sum", names)


def narrow(**changes):
    return tiny(registry.config("infomax-gan/cifar10")).updated(
        {"training.batch_size": 4, "training.lr_decay": "none", **changes}
    )


def test_the_class_changes_every_so_many_steps_and_comes_round():
    data = small_data()
    tasks = forgetting.Tasks(narrow(), data, data, task_steps=3, seed=0, device="cpu")
    assert [tasks.task_of(step) for step in (0, 2, 3, 29, 30, 33)] == [0, 0, 1, 9, 0, 1]
    real = tasks.batch(4)  # of class 1
    assert real.labels.tolist() == [1, 1, 0, 0]
    shown = ((real.images + 1) * 127.5).round().to(torch.uint8)
    where = [int((data.images == image).flatten(1).all(dim=1).nonzero()[0, 0]) for image in shown]
    assert [int(data.labels[i]) == 1 for i in where] == [True, True, False, False]
    assert torch.equal(tasks.batch(4).images, real.images)
    assert not torch.equal(tasks.batch(5).images, real.images)


def test_accuracy_of_a_task_is_balanced():
    data = small_data()
    tasks = forgetting.Tasks(narrow(), data, data, task_steps=3, seed=0, device="cpu")

    class Yes(nn.Module):
        def forward(self, images):
            return type("Output", (), {"logits": torch.ones(len(images))})

    assert tasks.measure(Yes(), 4) == {"accuracy": 0.5, "class": 1}
    seen = []
    tasks._accuracy = lambda discriminator, label: seen.append(label) or 0.5
    assert tasks.measure(Yes(), 6)["at change"] == 0.5, "the last update before a change"
    assert seen == [1, 2]


def test_summary_of_a_curve():
    """Two cycles of two tasks of four updates, measured at a change, after one update and after four."""
    curve = ((0.8, 1.0, 0.2), (0.4, 0.8, 0.6), (0.7, 1.0, 0.4), (0.6, 0.8, 0.9))  # after 1, after 4, at the change
    records = []
    for task, (first, last, change) in enumerate(curve):
        records.append({"step": 4 * task + 1, "accuracy": first})
        records.append({"step": 4 * task + 4, "accuracy": last, "at change": change})
    found = forgetting_page.summary(records, task_steps=4, num_tasks=2)
    areas = [2.7, 0.3 + 1.8, 0.65 + 2.55, 0.5 + 2.1]  # of which the first task's begins after its first update
    expected = {"mean": sum(areas) / 15, "at change 1": 0.2, "first 1": 0.4, "last 1": 0.9}
    expected |= {"at change 2": 0.5, "first 2": 0.65, "last 2": 0.9}
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("gains", "after_changes", "says"),
    [
        ([0.01, 0.02], [0.01, 0.03], "helps as in the paper, in 2 of 2 seeds"),
        ([0.01, 0.02], [0.01, -0.01], "helps in 1 of 2 seeds: they **do not agree**"),
        ([0.05, -0.1], [-0.01, 0.2], "does **not** help, in none of 2 seeds"),
        ([0.05], [0.01], "helps as in the paper, in the one seed that was run"),
        ([0.05], [-0.01], "does **not** help, in the one seed that was run"),
    ],
)
def test_a_seed_has_to_gain_on_average_and_after_changes(gains, after_changes, says):
    assert forgetting_page.verdict(gains, after_changes) == says


# ------------------------------------------------------------------------------------------- a discriminator alone


PLAIN = {"one_versus_all": forgetting.one_versus_all}


def lone_run(folder, steps=6, stop_at=None, seed=0, terms=None):
    config = narrow(**{"training.steps": steps})
    data = small_data()
    tasks = forgetting.Tasks(config, data, data, task_steps=2, seed=0, device="cpu")

    def batch_of(step):
        if step == stop_at:
            raise KeyboardInterrupt  # as a kill between two steps
        return tasks.batch(step)

    terms = terms or PLAIN | {"infomax": InfoMax(recipe.InfoMax()).real_loss}
    measure = in_eval(tasks.measure, set(range(1, steps + 1)))
    return DiscriminatorRun(config, folder, terms, batch_of, measure, "data", seed, "cpu")


def test_a_discriminator_alone_goes_on_to_the_bit(tmp_path, monkeypatch):
    monkeypatch.setattr("training.studies.discriminator_run._SAVE_EVERY", 2)
    whole = lone_run(tmp_path / "whole")
    records = whole.train_remaining()
    with pytest.raises(KeyboardInterrupt):
        lone_run(tmp_path / "parts", stop_at=3).train_remaining()
    parts = lone_run(tmp_path / "parts")
    again = parts.train_remaining()
    timeless = [[{k: v for k, v in r.items() if k != "seconds"} for r in rs] for rs in (records, again)]
    assert timeless[0] == timeless[1]
    for a, b in zip(whole.networks.discriminator.parameters(), parts.networks.discriminator.parameters(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(ZooError, match="another seed"):
        lone_run(tmp_path / "parts", seed=1).train_remaining()
    with pytest.raises(ZooError, match="another terms"):
        lone_run(tmp_path / "parts", terms=PLAIN).train_remaining()


def test_only_the_discriminator_learns(tmp_path):
    run = lone_run(tmp_path / "run", steps=2)
    torch.manual_seed(0)
    fresh = Networks.build(run.config)
    run.train_remaining()
    assert all(
        torch.equal(a, b)
        for a, b in zip(fresh.generator.parameters(), run.networks.generator.parameters(), strict=True)
    )
    pairs = zip(fresh.discriminator.parameters(), run.networks.discriminator.parameters(), strict=True)
    assert not all(torch.equal(a, b) for a, b in pairs)


def test_the_update_is_that_of_the_terms(tmp_path):
    """`Engine.discriminate` takes the step that the loss, written out, takes."""
    run = lone_run(tmp_path / "run")
    torch.manual_seed(0)
    reference = Networks.build(run.config)
    images, labels = torch.randn(4, 3, 32, 32), torch.tensor([1, 1, 0, 0])
    out = reference.discriminator(images)
    loss = nn.functional.binary_cross_entropy_with_logits(out.logits, labels.float())
    loss = loss + 0.2 * losses.infonce(*reference.discriminator.heads.critics(out))
    loss.backward()
    reference.discriminator_optimizer.step()
    run.engine.prepare(0)
    run.engine.discriminate(Real(images, labels), run.terms)
    pairs = zip(reference.discriminator.parameters(), run.networks.discriminator.parameters(), strict=True)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in pairs)


# --------------------------------------------------------------------------------------------- classes left out


def test_the_first_classes_of_a_data_set(tmp_path):
    data = small_data(n=30, classes=3)
    part = datasets.first_classes(data, 2)
    assert part.labels.unique().tolist() == [0, 1]
    assert (len(part), part.num_classes, part.class_names) == (20, 2, ("class 0", "class 1"))
    assert part.checksum != data.checksum
    assert datasets.first_classes(data, 3) is data
    with pytest.raises(ZooError, match="4 classes requested, the data has 3"):
        datasets.first_classes(data, 4)
    config = tiny(registry.config("contragan/digits")).updated(
        {f"{p}.num_classes": 4 for p in ("generator", "discriminator")}
        | {"training.steps": 1, "training.batch_size": 4}
    )
    out = train(config, Options(tmp_path / "run", device="cpu", classes=4))
    assert (out / "model.safetensors").exists()
