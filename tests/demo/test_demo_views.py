"""What the demo shows of models, without a server: cards, thumbnails, downloads, frames, verdicts, messages."""

from __future__ import annotations

import asyncio
import io
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from zoo import ZooError
from zoo.checkpoints import cache, weights
from zoo.checkpoints.availability import Status
from zoo.demo import (
    cards,
    critic,
    drawing,
    encoding,
    exploring,
    fetching,
    heatmap,
    model_list,
    models,
    neighbours,
    recorded,
    thumbnails,
    validation,
)  # fmt: skip
from zoo.demo.models import ModelCache, ModelsOnDevice
from zoo.demo.settings import Settings
from zoo.evaluation import embedding_map
from zoo.release.card import pictures_dir as cards_dir
from zoo.release.card import record_filenames
from zoo.release.run_log import read_log
from zoo.schema import registry

SETTINGS = Settings()


class _Job:
    def report(self, done, total, text=""):
        pass


@pytest.fixture(scope="module")
def device():
    return ModelsOnDevice("cpu", ModelCache(lambda name: models.load(name, "cpu"), 4))


# --------------------------------------------------------------------------------------------------------- the cards


def test_what_loads_now_comes_first_and_has_a_thumbnail():
    found = cards.all_cards()
    assert found[0].name == model_list.DEFAULT
    here = [card for card in found if card.status is Status.NOW]
    assert found[: len(here)] == here
    assert {registry.names()[card.index] for card in here} == {card.name for card in here}
    shown = cards.here()
    assert shown.count("<button") == len(here)
    assert shown.count("<img") == sum(thumbnails.of(card.config) is not None for card in here) >= 6


def test_the_other_cards_say_size_source_and_what_to_do():
    (card,) = cards.matching("biggan-deep 512", cards.EVERY)
    assert card.name == "biggan-deep/imagenet512"
    assert "s3.amazonaws.com" in card.place
    for downloads, action in ((True, "Download"), (False, "How to get it")):
        assert f">{action}</button>" in cards.others([card], downloads)
    assert cards.command(card) == "zoo sample biggan-deep/imagenet512 -n 64 -o biggan-deep-imagenet512.png"
    untrained = next(card for card in cards.all_cards() if card.status is Status.TRAIN)
    assert cards.command(untrained).startswith(f"zoo train {untrained.name} --out ")
    assert "How to train it" in cards.others([untrained], True)


def test_cards_are_found_by_words_and_data_set():
    found = cards.matching("biggan", "tiny-imagenet")
    assert found
    assert all("biggan" in card.name and card.config.data.dataset == "tiny-imagenet" for card in found)
    assert not cards.matching("no such model", cards.EVERY)
    assert cards.name_at(-1) is None
    assert cards.name_at(10**6) is None


def test_a_thumbnail_takes_images_of_the_sheet_a_row_each():
    sheet = Image.new("RGB", (4 * 10 + 2, 2 * 10 + 2))
    for row in range(2):
        sheet.paste((0, 0, 100 + row), (0, 2 + row * 10, sheet.width, 10 + row * 10))
    found = thumbnails.tiles(sheet, 8)
    assert [tile.size for tile in found] == [(8, 8)] * 10
    assert [tile.getpixel((4, 4))[2] for tile in found] == [100] * 5 + [101] * 5
    with Image.open(io.BytesIO(thumbnails.mosaic(found))) as made:
        assert made.size == (40, 16)


def test_a_model_without_a_sheet_gets_the_thumbnail_of_what_was_drawn(monkeypatch):
    config = zoo.info("contragan/cifar10")
    assert thumbnails.of(config) is None
    images = zoo.Images(torch.arange(20, dtype=torch.uint8)[:, None, None, None].expand(20, 3, 32, 32).contiguous())
    thumbnails.remember(config, images)
    with Image.open(io.BytesIO(thumbnails.of(config))) as made:
        assert [made.getpixel((64 * i + 9, 9))[0] for i in range(5)] == [0, 2, 4, 6, 8]
    thumbnails._drawn.clear()


# ---------------------------------------------------------------------------------------------------------- downloads


def test_a_download_is_shared_and_reports_what_is_on_the_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    config = zoo.info("biggan-deep/imagenet128")
    tag = config.default_tag
    asked, said = [], []

    def locate(config, tag):
        folder = cache.root_of(None) / "partial" / f"{config.slug}@{tag}" / "x"
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(bytes(1_500_000))
        asked.append(tag)
        import time

        time.sleep(0.2)

    monkeypatch.setattr(weights, "locate", locate)
    monkeypatch.setattr(fetching, "_LOOK", 0.05)

    async def both():
        await asyncio.gather(*(fetching.fetch(config.name, lambda *now: said.append(now)) for _ in range(2)))

    asyncio.run(both())
    assert asked == [tag]
    assert any("1.5 MB" in text for _, text in said)
    assert fetching.progress(config, tag, 3_000_000) == (0.5, "1.5 MB of 3.0 MB")


def test_a_failed_download_is_the_callers_error(monkeypatch):
    def locate(config, tag):
        raise ZooError("the server is down")

    monkeypatch.setattr(weights, "locate", locate)
    with pytest.raises(ZooError, match="the server is down"):
        asyncio.run(fetching.fetch("contragan/cifar10", lambda *now: None))
    assert not fetching._running


def test_a_download_that_fails_says_how_to_get_the_file_by_hand():
    error = zoo.WeightsUnavailableError(
        "biggan/tiny-imagenet@studiogan is not on this machine: no connection to <x>. Download this, then do that."
    )
    told = fetching.by_hand("biggan/tiny-imagenet", error)
    assert "It could not be downloaded: no connection to &lt;x&gt;.<" in told
    assert "zoo import biggan/tiny-imagenet@studiogan --from FILE" in told
    assert told.count("<a href=") == 1


@pytest.mark.parametrize(
    ("setting", "host", "public", "allowed"),
    [
        (None, None, False, True), (None, "127.0.0.1", False, True), (None, "0.0.0.0", False, False),
        (None, None, True, False), (True, "0.0.0.0", True, True), (False, None, False, False),
    ],
)  # fmt: skip
def test_visitors_download_where_only_the_owner_visits(setting, host, public, allowed):
    assert Settings(downloads=setting).may_download(host, public) is allowed


def test_weights_that_are_not_here_are_refused_and_not_fetched(monkeypatch):
    monkeypatch.setattr(weights, "locate", lambda *_: pytest.fail("it was fetched"))
    with pytest.raises(ZooError, match="contragan/cifar10 is not on this machine"):
        models.find_model("contragan/cifar10")


# ------------------------------------------------------------------------------------------------------------ explore


def test_rows_of_classes_are_those_of_the_model(device):
    for way in ("aligned", "trained"):
        found = drawing.asked(_Job(), device, "contragan/digits", [3, 5], 2, 7, way)
        expected = device.models.get("contragan/digits").sample(4, [3, 5, 3, 5], 7, labels=way)
        assert torch.equal(found.uint8, expected.uint8)


def _asked(kind: str, at: float, model: str = "contragan/digits", **changes) -> exploring.Exploration:
    request = validation.sample(SETTINGS, model, 1, None, 3)
    return replace(exploring.Exploration(kind, request, 4, 0, "infomax-gan/digits", at), **changes)


@pytest.mark.parametrize(("at", "seed"), [(0.0, 3), (1.0, 4)])
def test_the_ends_of_the_way_are_the_images_of_the_two_seeds(device, at, seed):
    (panel,) = exploring.frame(_Job(), device, _asked(exploring.BETWEEN, at))
    expected = zoo.load("contragan/digits").sample(10, list(range(10)), seed)
    assert (panel.images.uint8.int() - expected.uint8.int()).abs().max() <= 1
    assert panel.images.labels.tolist() == list(range(10))


def test_the_same_latents_are_drawn_for_each_class(device):
    (panel,) = exploring.frame(_Job(), device, _asked(exploring.CLASSES, 0.0))
    assert panel.titles == tuple("0123456789")
    model = zoo.load("contragan/digits")
    column = panel.images.uint8[7::10]
    assert (column.int() - model.sample(3, 7, 3).uint8.int()).abs().max() <= 1


def test_a_walk_begins_at_its_image_and_moves_with_the_slider(device):
    asked = _asked(exploring.AROUND, 0.5, number=2)
    near, far = (exploring.frame(_Job(), device, replace(asked, at=at))[0].images.uint8 for at in (0.1, 1.0))
    start = zoo.load("contragan/digits").sample(3, seed=3).uint8[2]
    for images in (near, far):
        assert (images[::9].int() - start.int()).abs().max() <= 1
    moved = [(images[8].int() - start.int()).abs().float().mean() for images in (near, far)]
    assert moved[0] < moved[1]


def test_truncation_is_that_of_sample(device):
    (panel,) = exploring.frame(_Job(), device, _asked(exploring.TRUNCATION, 0.5))
    expected = zoo.load("contragan/digits").sample(20, [i // 2 for i in range(20)], 3, 0.5)
    assert (panel.images.uint8.int() - expected.uint8.int()).abs().max() <= 1


def test_a_film_goes_there_and_back_with_two_models_side_by_side(device, monkeypatch):
    monkeypatch.setattr(exploring, "_FRAMES", 3)
    frames = exploring.film(_Job(), device, _asked(exploring.MODELS, 0.5))
    first, second = exploring.frame(_Job(), device, _asked(exploring.MODELS, 0.5))
    assert (first.heading, second.heading) == ("contragan/digits", "infomax-gan/digits")
    assert len(frames) == 4
    assert (np.asarray(frames[1]) == np.asarray(frames[3])).all()
    assert frames[1].width == first.images.grid(5).width * 2
    films, why = encoding.films(frames)
    with Image.open(io.BytesIO(films[".gif"])) as gif:
        assert gif.n_frames == 4
        assert gif.width >= 688
    assert (".mp4" in films) != bool(why)


# ------------------------------------------------------------------------------- labels, discriminator, training


def test_the_heat_map_shows_what_aligned_labels_change():
    config = zoo.info("contragan-snresgan/cifar10")
    found = heatmap.alignment(config, config.name)
    for way, share in ((heatmap.TRAINED, found.accuracy_asked), (heatmap.ALIGNED, found.accuracy_assigned)):
        rows = heatmap.counts(found, way)
        assert sum(row[i] for i, row in enumerate(rows)) / sum(map(sum, rows)) == pytest.approx(share, abs=1e-5)
        table = heatmap.table(config, found, way)
        assert table.count('class="zoo-asked"') == 10
        assert f"{share:.0%} of the images show the class asked for" in table
    assert "learnt the classes but not their names" in heatmap.lesson(found)
    assert "no classes" in heatmap.nothing(zoo.info("infomax-gan/digits"), "infomax-gan/digits")
    assert "zoo align contragan/cifar10" in heatmap.nothing(zoo.info("contragan/cifar10"), "contragan/cifar10")


def test_the_discriminator_ranks_and_rejects(device):
    found = critic.judge(_Job(), device, "contragan-snresgan/cifar10", 10, 0)
    model = zoo.load("contragan-snresgan/cifar10")
    images = model.sample(10, "all", 0)
    scores = model.score(images)
    assert found.scores == pytest.approx(sorted(scores.tolist(), reverse=True), abs=0.05)
    assert found.names[0] == model.class_names[int(scores.argmax())]
    shown = critic.ranking(found, 4)
    assert shown.count('class="zoo-out"') == 6
    assert f"mean score {sum(found.scores[:4]) / 4:.2f}, against {sum(found.scores) / 10:.2f} of all" in shown
    assert critic.judge(_Job(), device, "contragan-snresgan/cifar10", 10, 0) is found, "a slider does not judge again"
    with pytest.raises(ZooError, match="the discriminator of contragan/digits is not on this machine"):
        critic.judge(_Job(), device, "contragan/digits", 10, 0)


@pytest.mark.parametrize("method", [embedding_map.PCA, embedding_map.TSNE])
def test_a_map_puts_like_points_together(method):
    pytest.importorskip("sklearn")
    random = np.random.default_rng(0)
    points = np.concatenate([random.normal(0, 0.01, (12, 5)) + np.eye(5)[i] for i in range(2)]).astype(np.float32)
    placed = embedding_map.plane(points, method)
    assert placed.min() == 0
    assert placed.max() == 1
    assert np.linalg.norm(placed[:12].mean(0) - placed[12:].mean(0)) > 2 * placed[:12].std()
    assert embedding_map.purity(torch.from_numpy(points), [0] * 12 + [1] * 12) == 1
    assert embedding_map.purity(torch.from_numpy(points), []) is None


def test_names_on_the_map_do_not_lie_over_each_other():
    names = ["automobile", "truck", "cat", "dog"]
    places = [(0.5, 0.5), (0.51, 0.5), (0.1, 0.5), (0.5, 0.51)]
    found = critic.apart(places, names)
    assert found[0] == places[0]
    assert found[2] == places[2], "it is far from the others"
    heights = sorted(found[i][1] for i in (0, 1, 3))
    assert heights[1] - heights[0] >= critic._LINE > 0
    assert heights[2] - heights[1] >= critic._LINE - 1e-9
    assert critic._score(-0.001) == "0.00"


def test_pictures_have_clear_gaps_and_the_same_pixels():
    images = zoo.Images(torch.randint(0, 256, (5, 3, 6, 6), dtype=torch.uint8))
    with Image.open(io.BytesIO(encoding.grid(images, 3))) as made:
        assert made.mode == "RGBA"
        assert (np.asarray(made.convert("RGB")) == np.asarray(images.grid(3))).all()
        clear = np.asarray(made)[..., 3] == 0
    assert clear.sum() == clear.size - 5 * 36
    columns = encoding.columns(images[:4], ["a", "b"])
    for i, column in enumerate(columns):
        with Image.open(io.BytesIO(column)) as made:
            expected = images[[i, i + 2]].grid(1, padding=1)
            assert (np.asarray(made.convert("RGB")) == np.asarray(expected)).all()


def test_models_are_compared_by_what_was_measured_alike():
    configs = [zoo.info(name) for name in ("contragan/cifar10-small", "biggan/cifar10-small", "infomax-gan/digits")]
    shown = model_list.scores_side_by_side([(config, config.name) for config in configs[:2]])
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in shown.split("<tr>")]
    assert ["FD", "211.35 ± 0.53", "132.14 ± 0.28", "50000 / 50000"] in [row[:4] for row in rows]
    assert "same way" in model_list.scores_side_by_side([(config, config.name) for config in configs[1:]])
    of_method = zoo.info("contragan-snresgan/cifar10")
    assert "published for the method: ContraGAN, Table 1" in model_list.scores(of_method, of_method.name)
    both = [(of_method, of_method.name), (zoo.info("contragan/cifar10"), "contragan/cifar10")]
    assert "11.334" not in model_list.scores_side_by_side(both)


def test_the_map_has_the_centres_of_the_classes(device):
    pytest.importorskip("sklearn")
    found = critic.embed(_Job(), device, "contragan-snresgan/cifar10", 20, 0, embedding_map.PCA)
    assert found.places.shape == (20, 2)
    assert found.centres.shape == (10, 2)
    assert found.right > 0.5, "the embeddings are named as the classes, though the generator's labels are permuted"
    shown = critic.drawn_map(found, [f"<{i}>" for i in range(10)], "told")
    assert shown.count("<img") == 20
    assert shown.count("<strong") == 10
    assert "&lt;3&gt;" in shown


@pytest.mark.parametrize("name", ["contragan-snresgan/cifar10", "infomax-gan/cifar10-small", "biggan/cifar10-small"])
def test_a_training_record_is_taken_apart_by_step(name):
    config = registry.config(name)
    found = recorded.moments(name)
    steps = [moment.step for moment in found]
    assert steps == sorted(set(steps))
    assert steps[-1] == read_log(cards_dir() / record_filenames(config).log)[0][-1]["step"]
    for moment in found:
        assert len(moment.pictures) == 10
        for picture in moment.pictures:
            with Image.open(io.BytesIO(picture)) as image:
                assert image.width == image.height
                edges = np.asarray(image)[:, [0, -1]].reshape(2, -1)
        assert not (edges >= 250).all(axis=1).any(), "neither edge is the gap to the next image"
    assert f"step {steps[0]:,}" in recorded.shown(config, 0)
    assert not recorded.moments("contragan/digits")
    assert f'<a href="?model={name}&amp;tab=training">{name}</a>' in recorded.nothing(
        registry.config("contragan/digits")
    )


def test_scores_of_the_training_are_told_with_their_step():
    config = registry.config("infomax-gan/cifar10-small")
    assert recorded.scores_at(config, 12_000) == "FD (efficientnet-lite0) 196.4 (logged at step 12,000)"
    assert recorded.scores_at(registry.config("contragan-snresgan/cifar10"), 10_000) == ""


def test_the_classes_of_a_sample_are_named_where_they_follow_each_other():
    pytest.importorskip("gradio")
    from zoo.demo.tabs import sample

    def told(classes):
        request = validation.sample(SETTINGS, "contragan-snresgan/cifar10", 4, None, 0)
        known = None if classes is None else torch.tensor(classes)
        return sample._in_turn(request, zoo.Images(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), labels=known))

    assert told([8, 8, 0, 0]) == ": 2 each of ship, airplane"
    assert not any(map(told, ([8, 8, 8, 8], [8, 0, 0, 8], [8, 8, 8, 0], None)))


# ------------------------------------------------------------------------------------------- verdicts and messages


@pytest.mark.parametrize(
    ("nearest", "said", "unsaid"),
    [
        (0.5, "may be a copy", "no copy"),
        (3.5, "all but 2.0% of", "no copy"),
        (15.5, "Nearer than most training images are to another, but 14%", "Farther"),
        (50.5, "About as near as training images are to each other", "arther"),
        (90.5, "Farther than 89% of training images", "Nearer"),
    ],
)
def test_the_verdict_follows_from_the_share_of_nearer_training_images(nearest, said, unsaid):
    images = zoo.Images(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
    own = tuple(float(i) for i in range(2, 102))
    near = neighbours.Neighbours(images, images, (nearest,), (0,), own, 1000, "digits")
    assert said in near.verdict
    assert unsaid not in near.verdict
    assert f"{near.share:.0%} are nearer" in near.html()


def test_what_was_recorded_is_told_with_its_scale():
    config = zoo.info("contragan-snresgan/cifar10")
    told = neighbours.recorded(config, config.name)
    assert "39.6" in told
    assert "None of 1,000 images is as near as the two nearest training images are to each other: no copy." in told
    near = config.default_weights.nearest.model_copy(update={"smallest": 1.0})
    assert "look at it" in neighbours.verdict_of_many(near)
    assert "Nothing was recorded" in neighbours.recorded(zoo.info("contragan/digits"), "contragan/digits")


def test_a_refusal_is_a_message_and_leaves_the_rest_as_it_is():
    pytest.importorskip("gradio")
    from zoo.demo.wiring import quiet

    async def handler(fine):
        if not fine:
            raise ZooError("seed is <b>")
        return 1, 2

    wrapped = quiet(handler, 2, cancels=True)
    one, two, message, cancel = asyncio.run(wrapped(True))
    assert (one, two, message) == (1, 2, "")
    assert cancel.visible is False
    one, two, message, _ = asyncio.run(wrapped(False))
    assert one == two == {"__type__": "update"}
    assert "seed is &lt;b&gt;" in message
