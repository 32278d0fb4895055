"""One checkpoint, several places: exact files, tried in order, and the same tensors from all of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import checkpoints
import children
import pytest
import stand_in_https
import stand_in_hub
import torch
from stand_in_https import HOST, OTHER_HOST, status

from zoo.checkpoints import cache, weights
from zoo.checkpoints.upstream import importer
from zoo.common.errors import ConfigError, WeightsCorruptedError, ZooError
from zoo.schema import registry
from zoo.schema.config import ModelConfig

NARROW = checkpoints.narrow("sngan/cifar10")
REPO, RUN = "Someone/StudioGAN", "ckpt/Efficient-CIFAR10-100%/CIFAR10-SNGAN-train-2022_01_17"
NAME = f"{RUN}/model=G-best-weights-step=9000.pth"
FIRST, SECOND = f"https://{HOST}/a/netG.pth", f"https://{OTHER_HOST}/b/studio-0123abcd.pth"


def _saved(source: str, seed: int = 0) -> bytes:
    return checkpoints.saved({"model_state_dict": checkpoints.foreign_state(NARROW, source, seed)})


def _model(*sources: dict) -> ModelConfig:
    first, *others = ({"path": source.get("url", "/x").rpartition("/")[2], **source} for source in sources)
    return checkpoints.with_weights(NARROW, upstream=first, mirrors=others)


TWO = _model({"source": "mimicry", "url": FIRST}, {"source": "mimicry", "url": SECOND})


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with stand_in_https.server(tmp_path_factory.mktemp("server")) as place:
        yield place


@pytest.fixture
def here(server, monkeypatch, tmp_path):
    """The state of two servers of files that this process reaches, with one checkpoint, pickled in two ways."""
    environment, state = server
    for name, value in {**environment, "ZOO_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "0"}.items():
        monkeypatch.setenv(name, value)
    foreign = checkpoints.foreign_state(NARROW, "mimicry")
    state.files = {"/a/netG.pth": _saved("mimicry"), "/b/studio-0123abcd.pth": checkpoints.saved(foreign, legacy=True)}
    state.faults, state.requests = [], []
    return state


# ------------------------------------------------------------------------------------------------------- exact places


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"hub_repo": REPO, "revision": "a" * 40, "path": "a/model=G-*.pth"}, "path is a pattern"),
        ({"hub_repo": REPO, "revision": "a" * 40, "path": "a/model=[G].pth"}, "path is a pattern"),
        ({"hub_repo": REPO, "path": "a/netG.pth"}, "needs the revision"),
        ({"google_drive_file": "x" * 30, "path": "netG?.pth"}, "path is a pattern"),
        ({"google_drive_file": "x" * 30, "path": "netG.pth", "revision": "main"}, "revision belongs to hub_repo"),
        ({"url": FIRST, "path": "netD.pth"}, "must end in the file name of url"),
        ({"url": FIRST, "path": "netG.pth", "sha256": "0" * 64, "sha256_start": "1" * 8}, "does not begin with"),
        ({"url": FIRST.replace("https", "http"), "path": "netG.pth"}, "url"),
    ],
)
def test_a_place_that_is_not_exact_is_refused(change, reason):
    with pytest.raises(ConfigError, match=reason):
        checkpoints.with_weights(NARROW, upstream={"source": "mimicry", **change})


def test_mirrors_are_other_places_of_one_upstream():
    place = {"source": "mimicry", "url": FIRST, "path": "netG.pth"}
    with pytest.raises(ConfigError, match="names one place twice"):
        checkpoints.with_weights(NARROW, upstream=place, mirrors=[place])
    with pytest.raises(ConfigError, match="upstream, which is missing"):
        checkpoints.with_weights(NARROW, bundled="x.safetensors", sha256="0" * 64, mirrors=[place])


def test_an_exact_file_of_a_hub_repository(tmp_path):
    body = _saved("mimicry")
    digest = hashlib.sha256(body).hexdigest()
    place = {"source": "mimicry", "hub_repo": REPO, "revision": stand_in_hub.MAIN, "path": NAME}
    model = _model({**place, "size": len(body), "sha256": digest})
    assert model.weights[0].upstream.address.endswith(
        f"/blob/{stand_in_hub.MAIN}/{NAME.replace('%', '%25')}".replace("=", "%3D")
    )
    with stand_in_hub.hub() as (address, state):
        state.repositories[REPO] = stand_in_hub.Repository({NAME: body, f"{RUN}/other.pth": b"other"})
        environment = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "hf"), "ZOO_CACHE": str(tmp_path / "cache")}
        outcome = children.run(_locate, model, environment=environment)
        assert outcome.error is None, outcome.message
        facts = weights.read_metadata(outcome.value)
        assert (facts["original"], facts["revision"]) == (NAME, stand_in_hub.MAIN)
        assert not any(path.startswith("/api/") for _, path, _ in state.requests), "nothing is listed"
        assert not list((tmp_path / "hf").rglob("*.pth")), "the original is not kept"
        fresh = {**environment, "ZOO_CACHE": str(tmp_path / "cache2")}
        sent = len(state.sent)
        wrong = {"size": len(body) + 1}, {"sha256": "0" * 64}, {"sha256_start": "0" * 8}, {"path": f"{RUN}/gone.pth"}
        models = [_model({**place, **facts}) for facts in wrong]
        *others, gone = children.run(_refusals, models, environment=fresh).value
        assert all("nothing was downloaded" in message for message in others), others
        assert f"has no file {RUN}/gone.pth" in gone
        assert state.sent[sent:] == [], "not a byte"
        state.faults.append(stand_in_hub.Fault(stand_in_hub.other_bytes, path=r".*\.pth"))
        (message,) = children.run(_refusals, [model, model], environment=fresh).value
        assert "sha256" in message
        assert len(list((tmp_path / "cache2").rglob("*.safetensors"))) == 1, "the wrong one was not kept"


def _refusals(models: list[ModelConfig]) -> list[str]:
    found = []
    for model in models:
        try:
            weights.locate(model)
        except ZooError as error:
            found.append(str(error))
    return found


def _locate(config: ModelConfig) -> str:
    return str(weights.locate(config))


# ----------------------------------------------------------------------------------------------------- several places


def test_the_first_place_that_gives_it_is_taken(here, capsys):
    path = weights.locate(TWO)
    assert [asked for asked, _ in here.requests] == ["/a/netG.pth"]
    assert "failed" not in capsys.readouterr().err
    first = cache.Record.read(path)
    cache.clear("sngan/cifar10")
    here.faults.append(status(404))
    path = weights.locate(TWO)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "failed" in line]
    assert f"sngan/cifar10@test comes from {SECOND}; {FIRST} failed ({FIRST} is no longer there (HTTP 404))" in line
    second = cache.Record.read(path)
    assert (first.tensors_sha256, first.original, second.original) == (second.tensors_sha256, FIRST, SECOND)
    assert first.original_sha256 != second.original_sha256
    assert weights.read_metadata(path)["original"] == "studio-0123abcd.pth"
    expected = checkpoints.random_state(NARROW)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights.read(path).items())


def test_if_no_place_gives_it_each_is_named_with_its_reason(here):
    here.files = {"/b/studio-0123abcd.pth": b"<html>"}
    with pytest.raises(FileNotFoundError) as error:
        weights.locate(TWO)
    assert "\n" not in str(error.value)
    for word in (f"{FIRST} failed", "HTTP 404", f"{SECOND} failed", "opened safely", f"from {FIRST}, or studio"):
        assert word in str(error.value)
    here.files["/a/netG.pth"] = b"<html>"
    with pytest.raises(WeightsCorruptedError, match=r"no source gives it: .*netG.pth failed .*0123abcd.pth failed"):
        weights.locate(TWO)
    assert not list(cache.root_of(None).glob("partial/*"))


def test_other_tensors_from_another_place_are_refused(here):
    weights.locate(TWO)
    cache.clear("sngan/cifar10")
    here.files = {"/b/studio-0123abcd.pth": _saved("mimicry", seed=1)}
    with pytest.raises(FileNotFoundError, match=rf"gives other tensors than {FIRST} gave .*cache clear .* --forget"):
        weights.locate(TWO)
    here.files["/a/netG.pth"] = checkpoints.saved(checkpoints.foreign_state(NARROW, "mimicry"))
    with pytest.raises(WeightsCorruptedError, match=r"netG.pth has sha256 .*, the sha256 of its first download"):
        weights.locate(TWO)
    cache.clear("sngan/cifar10", forget=True)
    weights.locate(TWO)


def test_an_import_by_hand_is_of_the_place_whose_name_it_has(here, tmp_path):
    """Two libraries, two layouts; the file is read as its name says."""
    config = checkpoints.narrow("sngan-pd/cifar10")
    sources = [
        {"source": "studiogan", "google_drive_folder": "x" * 30, "path": "model=G-*.pth"},
        {"source": "studiogan", "url": SECOND, "path": "studio-0123abcd.pth", "sha256_start": "0" * 8},
    ]
    registry.register(checkpoints.with_weights(config, upstream=sources[0], mirrors=sources[1:]), replace=True)
    body = checkpoints.saved({"state_dict": checkpoints.foreign_state(config, "studiogan")})
    for name in ("model=G-best.pth", "studio-0123abcd.pth"):
        (tmp_path / name).write_bytes(body)
    with pytest.raises(WeightsCorruptedError, match="expected 00000000"):
        importer.import_checkpoint("sngan-pd/cifar10", tmp_path / "studio-0123abcd.pth")
    assert importer.import_checkpoint("sngan-pd/cifar10", tmp_path / "model=G-best.pth").is_file()
    with pytest.raises(FileNotFoundError, match=r"2 files in .* are called model=G-\*.pth or studio-0123abcd.pth"):
        importer.import_checkpoint("sngan-pd/cifar10", tmp_path, force=True)


def test_counts_of_batches_do_not_tell_tensors_apart():
    state = checkpoints.random_state(NARROW)
    counts = [name for name in state if name.endswith("num_batches_tracked")]
    assert counts
    assert importer.tensors_sha256(state) == importer.tensors_sha256({**state, counts[0]: state[counts[0]] + 1})
    name = next(name for name in state if name not in counts)
    assert importer.tensors_sha256(state) != importer.tensors_sha256({**state, name: state[name] + 1})


def test_a_discriminator_has_mirrors_of_its_own(here, tmp_path):
    config = checkpoints.narrow("sngan-pd/cifar10")
    generator, *places = (
        {"source": "studiogan", "url": url, "path": url.rpartition("/")[2]} for url in (FIRST, FIRST, SECOND)
    )
    entry = {"upstream": generator, "discriminator": {"upstream": places[0], "mirrors": places[1:]}}
    model = checkpoints.with_weights(config, **entry)
    body = checkpoints.saved({"state_dict": checkpoints.foreign_state(config, "studiogan", 0, "discriminator")})
    here.files = {"/b/studio-0123abcd.pth": body}
    path = importer.download_checkpoint(model, model.weights[0], discriminator=True)
    assert path.name == "test-discriminator.safetensors"
    assert Path(cache.Record.read(path).original).name == "studio-0123abcd.pth"
