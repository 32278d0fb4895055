"""Pictures of runs: what the discriminator embeds over its training, and values of the log against steps."""

import io
import json

import numpy as np
import pytest
import torch
from narrow import short
from PIL import Image

import zoo
from training.run import trainer
from training.studies import curves, embedding
from zoo.common.errors import ZooError
from zoo.evaluation.embedding_map import METHODS, planes


def trained(folder, name, data, steps=4):
    config = short(name, steps)
    return trainer.train(config, trainer.Options(folder, data=data, device="cpu", save_every=2, keep=10, log_every=1))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run with a contrastive head and one without classes, two checkpoints each, on 20 images of ten classes."""
    folder = tmp_path_factory.mktemp("runs")
    chance = np.random.default_rng(0)
    images = chance.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    np.savez(folder / "data.npz", train_images=images, train_labels=np.arange(20) % 10)
    names = {"contrastive": "contragan/cifar10-small", "plain": "infomax-gan/cifar10-small"}
    return {kind: trained(folder / kind, name, folder / "data.npz") for kind, name in names.items()}


def test_the_last_moment_is_what_the_run_as_a_model_embeds(runs):
    followed = embedding.follow(runs["contrastive"], num=20, device="cpu")
    assert [moment.step for moment in followed.moments] == [2, 4]
    assert followed.classes == [i // 2 for i in range(20)]
    first, last = (moment.points for moment in followed.moments)
    assert last.shape == (20 + 20 + 10, 16)
    assert not torch.equal(first[:20], last[:20])
    model = zoo.load(runs["contrastive"], device="cpu")  # in float16
    images = model.sample(20, followed.classes, seed=0)
    torch.testing.assert_close(model.embeddings(images), last[20:40], atol=0.05, rtol=0)
    torch.testing.assert_close(model.class_embeddings(), last[40:], atol=2e-3, rtol=0)
    near = (last[:20] @ last[40:].t()).argmax(dim=1)
    assert followed.moments[-1].right[0] == pytest.approx((near == torch.arange(20) // 2).float().mean().item())
    real = zoo.datasets.load_for(model.config).images
    drawn = embedding._real(model.config, None, followed.classes, 20, 0).uint8
    assert sorted(image.tobytes() for image in drawn.numpy()) == sorted(image.tobytes() for image in real.numpy())


@pytest.mark.parametrize("method", METHODS)
def test_a_map_has_a_panel_per_checkpoint(runs, tmp_path, capsys, method):
    pytest.importorskip("sklearn")
    out = tmp_path / "map.png"
    embedding.study(runs["contrastive"], out, num=20, method=method, device="cpu")
    told = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in told[:-1]] == ["step 2", "step 4"]
    assert told[-1] == f"wrote {out}"
    assert size_of(out) == (836, 363)
    with pytest.raises(ZooError, match="overwrite"):
        embedding.study(runs["contrastive"], out)


def test_a_run_without_classes_shows_its_features(runs):
    pytest.importorskip("sklearn")
    followed = embedding.follow(runs["plain"], num=12, panels=1, device="cpu")
    (moment,) = followed.moments
    assert moment.points.shape[0] == 24
    assert moment.told() == "step 4"
    assert size_of(io.BytesIO(embedding.drawn(followed, "PCA"))) == (506, 363)


def test_what_cannot_be_mapped_is_refused(runs, tmp_path):
    for change, reason in (
        ({"run": tmp_path}, "holds no run"),
        ({"method": "UMAP"}, "--method UMAP is unknown; there are PCA and t-SNE"),
        ({"num": 40}, "class 0 has 2 images, not 4"),
        ({"out": tmp_path / "x.jpg"}, "is not a .png file"),
    ):
        arguments = {"run": runs["contrastive"], "out": tmp_path / "x.png", "num": 20, "device": "cpu"} | change
        with pytest.raises(ZooError, match=reason):
            embedding.study(**arguments)
    with pytest.raises(ZooError, match="embeds no classes"):
        zoo.load(runs["plain"], device="cpu").class_embeddings()


def size_of(picture):
    with Image.open(picture) as image:
        return image.size


def log(folder, records):
    folder.mkdir()
    (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    return folder


def test_values_of_several_runs_by_name_and_pattern(tmp_path):
    records = [{"step": s, "seconds": 1.0, "d/infomax": 6 - s, "g/adversarial": 0.5} for s in (1, 2)]
    a = log(tmp_path / "a", [records[0], records[1] | {"FD (tiny)": 90.0}])
    b = log(tmp_path / "b", [records[0] | {"FD (tiny)": 120.0}])
    assert curves.series_of([a], ["D/*", "g/adversarial"]) == {
        "d/infomax": [(1, 5), (2, 4)],
        "g/adversarial": [(1, 0.5), (2, 0.5)],
    }
    assert curves.series_of([a, b], []) == {str(a): [(2, 90.0)], str(b): [(1, 120.0)]}
    assert set(curves.series_of([a, b], ["*"])) == {
        f"{name}, {run}" for name in ("d/infomax", "g/adversarial", "FD (tiny)") for run in (a, b)
    }
    with pytest.raises(ZooError, match="has none of fid; it has d/infomax, g/adversarial, FD"):
        curves.series_of([a], ["fid"])
    with pytest.raises(ZooError, match="no log has d/hinge; there are d/infomax, g/adversarial, FD"):
        curves.series_of([a], ["d/infomax", "d/hinge"])
    plain = log(tmp_path / "plain", [{"step": 1, "g/adversarial": 0.5}])
    assert set(curves.series_of([a, plain], ["d/infomax", "g/*"])) == {
        f"d/infomax, {a}",
        f"g/adversarial, {a}",
        str(plain),
    }
    unscored = log(tmp_path / "c", records)
    with pytest.raises(ZooError, match=r"has no scores \(zoo train --evaluate-every\); it has d/infomax"):
        curves.series_of([unscored], [])
    with pytest.raises(ZooError, match=r"has no metrics\.jsonl"):
        curves.series_of([tmp_path], [])


def test_curves_are_drawn_once(tmp_path, capsys):
    run = log(tmp_path / "a", [{"step": s, "d/infomax": 10.0**-s} for s in (1, 2, 3)])
    out = tmp_path / "curves.png"
    curves.study([run], out, ["d/infomax"], log=True)
    assert capsys.readouterr().out == f"wrote {out}: d/infomax\n"
    assert size_of(out) == (770, 440)
    with pytest.raises(ZooError, match="overwrite"):
        curves.study([run], out)


@pytest.mark.parametrize("method", METHODS)
def test_what_does_not_move_stays_in_its_place(method):
    pytest.importorskip("sklearn")
    points = np.concatenate([np.random.default_rng(i).normal(0, 0.1, (12, 5)) + np.eye(5)[i] for i in range(3)])
    first, second = planes([points, points], method)
    assert np.abs(first - second).max() < (1e-6 if method == "PCA" else 0.25)
