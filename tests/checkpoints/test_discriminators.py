"""The discriminator of a set of weights: found beside them, or fetched and converted when it is first used."""

from __future__ import annotations

import io
import json
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import checkpoints
import children
import pytest
import stand_in_drive
import stand_in_https
import stand_in_hub
import torch
from narrow import tiny
from published_facts import facts
from safetensors.torch import load_file

import zoo
from zoo import nets
from zoo.checkpoints import cache, discriminators, weights
from zoo.checkpoints.upstream.importer import import_checkpoint
from zoo.checkpoints.upstream.matching import only
from zoo.common import files
from zoo.common.errors import ConfigError, WeightsCorruptedError, WeightsUnavailableError, ZooError
from zoo.release.export import export_folder
from zoo.sampling.gan import GAN
from zoo.schema import registry
from zoo.schema.config import ModelConfig

NAME, FOLDER = "sngan-pd/cifar10", "10nxLyB7PyUsaGiBn6xD0e3_teYlB9Q59"
G, D = "model=G-best-weights-step={}.pth", "model=D-best-weights-step={}.pth"


def _published(**place: str) -> ModelConfig:
    generator, discriminator = ({"source": "studiogan", **place, "path": name.format("*")} for name in (G, D))
    return checkpoints.with_weights(
        checkpoints.narrow(NAME), upstream=generator, discriminator={"upstream": discriminator}
    )


@pytest.fixture(scope="module")
def config() -> ModelConfig:
    return _published(google_drive_folder=FOLDER)


def _saved(config: ModelConfig, part: str, seed: int = 0) -> bytes:
    return checkpoints.saved({"state_dict": checkpoints.foreign_state(config, "studiogan", seed, part)})


def _equal(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# --------------------------------------------------------------------------------------------------- published ones


def _scenario(config: ModelConfig) -> dict:
    """Load a model, then its discriminator; returns what was there when, and the scores of two images."""
    zoo.register(config, replace=True)
    model = zoo.load(NAME, device="cpu")
    before = (model.has_discriminator, [path.name for path in cache.root_of(None).glob("weights/*/*/*.safetensors")])
    network = pickle.loads(pickle.dumps(model)).discriminator
    labels = torch.zeros(2, dtype=torch.int64)
    again = zoo.load(NAME, device="cpu", discriminator=True)
    return {
        "before": before,
        "after": (model.has_discriminator, again.has_discriminator),
        "state": {name: tensor.tolist() for name, tensor in network.state_dict().items()},
        "logits": network(torch.zeros(2, 3, 32, 32), labels).logits.tolist(),
        "names": [entry.name for entry in cache.entries()],
        "original": [entry.record.original for entry in cache.entries()],
    }


def test_a_published_discriminator_is_fetched_on_first_use(config, tmp_path):
    with stand_in_drive.drive(tmp_path) as (environment, state):
        environment = {**environment, "ZOO_CACHE": str(tmp_path / "cache")}
        steps = {D.format(9000): 1, D.format(10000): 2, G.format(10000): 3}
        state.folders[FOLDER] = {name: f"{'x' * 30}{i}" for name, i in steps.items()}
        state.files[f"{'x' * 30}3"] = _saved(config, "generator")
        state.files[f"{'x' * 30}2"] = _saved(config, "discriminator", seed=7)
        outcome = children.run(_scenario, config, environment=environment)
        assert outcome.error is None, outcome.message
        found, asked = outcome.value, len(state.requests)
        assert found["before"] == (False, ["test.safetensors"]), "nobody asked for the discriminator"
        assert found["after"] == (True, True)
        expected = checkpoints.random_state(config, 7, "discriminator")
        assert found["state"] == {name: tensor.tolist() for name, tensor in expected.items()}
        assert found["names"] == [f"{NAME}@test-discriminator", f"{NAME}@test"]
        assert f"id={'x' * 30}2" in found["original"][0], "of the step of the generator"
        again = children.run(_scenario, config, environment={**environment, "ZOO_OFFLINE": "1"})
        assert again.value["logits"] == found["logits"], again.message
        assert len(state.requests) == asked, "nobody was asked again"


PATH = "/mmediting/dcgan/both-0badc0de.pth"


@pytest.fixture
def one_file(tmp_path, monkeypatch):
    """(a config whose networks lie in one file of a server, our state dicts of both, the state of the server)."""
    sources = Path(__file__).parents[1] / "golden" / "sources"
    specs = {
        case["file"]: case["meta"]["spec"] for case in json.loads((sources / "manifest.json").read_text())["cases"]
    }
    states, expected, changes = {}, {}, {"data.resolution": 32, "data.flip": False}
    for part, name in (("generator", "mmagic_dcgan"), ("discriminator", "mmagic_dcgan_discriminator")):
        tensors = load_file(sources / f"{name}.safetensors")
        state = {key.removeprefix("state."): value for key, value in tensors.items() if key.startswith("state.")}
        changes[part] = specs[f"{name}.safetensors"]
        states |= state
        expected[part] = state
    url = f"https://{stand_in_https.HOST}{PATH}"
    place = {"source": "mmagic", "url": url, "path": "both-0badc0de.pth"}
    config = registry.config("dcgan/celeba64").updated(changes | {"weights": [], "default_tag": None, "published": []})
    config = checkpoints.with_weights(config, upstream=place, discriminator={"upstream": place})
    expected = {part: zoo.upstream.convert(state, "mmagic", getattr(config, part)) for part, state in expected.items()}
    with stand_in_https.server(tmp_path) as (environment, server):
        for name, value in {**environment, "ZOO_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "0"}.items():
            monkeypatch.setenv(name, value)
        server.files[PATH] = checkpoints.saved({"state_dict": states})
        registry.register(config, replace=True)
        yield config, expected, server


def _of_file(config: ModelConfig, part: str) -> Path:
    if part == "generator":
        return weights.locate(config)
    return discriminators.OfRegistry(config, config.default_tag).locate()


@pytest.mark.parametrize("first", checkpoints.PARTS)
def test_networks_of_one_file_are_of_one_download(one_file, first):
    config, expected, server = one_file
    for part in (first, *checkpoints.PARTS):
        assert _equal(weights.read(_of_file(config, part)), expected[part])
    assert len(server.requests) == 1
    assert not list(cache.root_of(None).joinpath("partial").iterdir()), "the file itself is not kept"


def test_a_wrong_network_beside_the_wanted_one_is_told_and_asked_for_again(one_file, capsys):
    config, expected, server = one_file
    whole = torch.load(io.BytesIO(server.files[PATH]), weights_only=True)["state_dict"]
    only = {name: value for name, value in whole.items() if not name.startswith("discriminator.")}
    server.files[PATH] = checkpoints.saved({"state_dict": only})
    assert _equal(weights.read(_of_file(config, "generator")), expected["generator"])
    told = [line for line in capsys.readouterr().err.splitlines() if "was not converted" in line]
    assert len(told) == 1
    assert told[0].startswith(f"zoo: {config.name}@test-discriminator, in the same file, was not converted: ")
    with pytest.raises(WeightsCorruptedError):
        _of_file(config, "discriminator")
    assert len(server.requests) == 2


def test_two_that_want_one_network_each_of_a_file_download_it_once(one_file, capsys):
    config, expected, server = one_file

    def slow(handler, body):
        end = time.monotonic() + 0.7
        while len(server.requests) < 2 and time.monotonic() < end:
            time.sleep(0.02)
        handler.send(body)

    server.faults.append(slow)
    with ThreadPoolExecutor() as both:
        for part, path in zip(checkpoints.PARTS, both.map(_of_file, (config, config), checkpoints.PARTS), strict=True):
            assert _equal(weights.read(path), expected[part])
    assert len(server.requests) == 1
    assert "was not converted" not in capsys.readouterr().err


def test_which_of_several_files_is_the_discriminator():
    def run(name: str, *steps: int) -> list[str]:
        return [f"{name}/{file.format(step)}" for step in steps for file in (G, D)]

    paths = [*run("a", 1000, 2000), *run("b", 1000), "../c/model=D-best-weights-step=1.pth"]
    pattern = D.format("*")
    assert only([pattern], paths, "here", beside=f"a/{G.format(1000)}") == f"a/{D.format(1000)}"
    assert only([f"*/{pattern}"], paths, "here", beside=f"b/{G.format(1000)}") == f"b/{D.format(1000)}"
    assert only([pattern], paths[4:], "here") == f"b/{D.format(1000)}"
    for beside in (None, "netG.pth"):  # not known, or imported by hand
        with pytest.raises(WeightsUnavailableError, match=rf"3 files in here.*a/{D.format(1000)}, a/.*, b/"):
            only([pattern], paths, "here", beside)
    with pytest.raises(WeightsUnavailableError, match="no file beside c/x"):
        only([pattern], [*paths, "c/x"], "here", "c/x")
    assert only([D.format("*")], [D.format(100), D.format(1000), G.format(100)], "here", G.format(100)) == D.format(100)


@pytest.fixture
def root(config, tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    registry.register(config, replace=True)
    for part, name in (("generator", G), ("discriminator", D)):
        (tmp_path / name.format(5)).write_bytes(_saved(config, part))
    return tmp_path


def test_a_discriminator_is_imported_by_hand(config, root, command):
    assert command("import", NAME, "--from", root / G.format(5)).returncode == 0
    model = zoo.load(NAME, device="cpu")
    with pytest.raises(WeightsUnavailableError) as error:
        zoo.load(NAME, device="cpu", discriminator=True)
    for part in (f"Download {D.format('*')} from", FOLDER, f"zoo import {NAME}@test --from FILE --discriminator"):
        assert part in str(error.value)
    assert not model.has_discriminator
    imported = command("import", f"{NAME}@test", "--from", root, "--discriminator")
    assert imported.returncode == 0, imported.stderr
    target = Path(imported.stdout.strip())
    assert target == root / "cache" / "weights" / NAME / "test-discriminator.safetensors"
    assert _equal(weights.read(target), checkpoints.random_state(config, 0, "discriminator"))
    assert weights.read_metadata(target)["network"] == "discriminator"
    assert model.has_discriminator
    assert _equal(model.discriminator.state_dict(), weights.read(target))
    with pytest.raises(ZooError, match="--force"):
        import_checkpoint(NAME, root, discriminator=True)


def test_the_cache_lists_verifies_and_clears_it(root, command):
    for discriminator in (False, True):
        import_checkpoint(NAME, root, discriminator=discriminator)
    names = [f"{NAME}@test-discriminator", f"{NAME}@test"]
    assert [json.loads(line)["name"] for line in command("cache", "list", "--json").stdout.splitlines()] == names
    target = cache.entries()[0].path
    whole = target.read_bytes()
    target.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    verified = command("cache", "verify")
    assert (verified.returncode, f"{names[0]} damaged" in verified.stderr) == (1, True)
    with pytest.raises(WeightsCorruptedError, match=f"zoo cache clear {names[0]};"):
        zoo.load(NAME, device="cpu", discriminator=True)
    assert [entry.name for entry in cache.clear(names[0])] == names[:1]
    import_checkpoint(NAME, root, discriminator=True)
    assert [entry.name for entry in cache.clear(names[1])] == names, "they belong together"
    assert not list(root.glob("cache/weights/*/*/*.safetensors"))


def test_what_is_no_discriminator_is_refused(root):
    with pytest.raises(WeightsCorruptedError, match="does not fit the config"):
        import_checkpoint(NAME, root / G.format(5), discriminator=True)
    with pytest.raises(WeightsUnavailableError, match="no published discriminator of infomax-gan/cifar10@mimicry"):
        import_checkpoint("infomax-gan/cifar10", root / D.format(5), discriminator=True)
    with pytest.raises(WeightsUnavailableError, match="it ships with the package"):
        import_checkpoint("contragan-snresgan/cifar10", root / D.format(5), discriminator=True)
    (root / D.format(6)).touch()
    with pytest.raises(WeightsUnavailableError, match=rf"2 files in .*\({D.format(5)}, {D.format(6)}\); give the path"):
        import_checkpoint(NAME, root, discriminator=True)
    assert not list(root.glob("cache/weights/*/*/*"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"discriminator": {}}, "exactly one of bundled and upstream"),
        ({"discriminator": {"bundled": "x.safetensors"}}, "needs its sha256"),
        ({"tag": "a-discriminator"}, "may not end in"),
    ],
)
def test_a_config_that_is_not_clear_about_it_is_refused(config, change, reason):
    entry = config.to_dict()["weights"][0]
    with pytest.raises(ConfigError, match=reason):
        checkpoints.with_weights(config, **{**entry, **change})


def test_a_discriminator_may_differ_in_its_shortcuts(config, root):
    """One set of weights has other shortcuts than the model; what is exported has those of its weights."""
    registry.register(config.updated({"weights.0.discriminator.rectify_shortcut": False}), replace=True)
    for part in ("generator", "discriminator"):
        import_checkpoint(NAME, root / (G if part == "generator" else D).format(5), discriminator=part != "generator")
    model = zoo.load(NAME, device="cpu")
    with torch.no_grad():
        for weight in model.discriminator.parameters():
            weight.sub_(1)  # all were positive, so that an activation changed nothing
    export_folder(model, root / "exported", discriminator=model.discriminator)
    images, y = torch.linspace(-1, 1, 2 * 3 * 32 * 32).view(2, 3, 32, 32), torch.tensor([0, 1])
    expected = nets.build_discriminator(config.updated({"discriminator.rectify_shortcut": False}).discriminator).eval()
    expected.load_state_dict(model.discriminator.state_dict())
    other = nets.build_discriminator(config.discriminator).eval()
    other.load_state_dict(model.discriminator.state_dict())
    for loaded in (model, zoo.load(root / "exported", device="cpu")):
        assert loaded.config.discriminator.rectify_shortcut is False
        found = loaded.discriminator(images, y).logits
        torch.testing.assert_close(found, expected(images, y).logits.detach(), rtol=1e-4, atol=1e-4)
        assert not torch.allclose(found, other(images, y).logits)


# -------------------------------------------------------------------------------------------------------- the registry


def test_the_registry_lists_discriminators_where_generators_are():
    """StudioGAN's runs keep both side by side; Mimicry and DeepMind published generators alone."""
    entries = [(name, entry) for name in registry.names() for entry in registry.config(name).weights if entry.upstream]
    listed = [(name, entry) for name, entry in entries if entry.discriminator]
    assert len(listed) >= 160
    assert {entry.discriminator.upstream.source for _, entry in listed} == {"studiogan", "mmagic", "biggan-pytorch"}
    for name, entry in listed:
        ours, theirs = entry.upstream, entry.discriminator.upstream
        own = {"path": theirs.path, "sha256": theirs.sha256, "size": theirs.size}
        assert theirs in [place.model_copy(update=own) for place in (ours, *entry.mirrors)], name
        if theirs.source == "studiogan":
            assert theirs.path.replace("model=D-", "model=G-") in (ours.path, ours.path.replace("G_ema", "G")), name
    logs = {
        record["google_drive_folder_id"]: record["training_log"]
        for record in facts("studiogan_checkpoints")["records"]
        if "n_params_D" in (record.get("training_log") or {})
    }
    of_drive = [(name, entry) for name, entry in entries if entry.upstream.google_drive_folder in logs]
    fits = {
        name: sum(p.numel() for p in nets.build_discriminator(registry.config(name).discriminator, "meta").parameters())
        == logs[entry.upstream.google_drive_folder]["n_params_D"]
        for name, entry in of_drive
    }
    assert {name: entry.discriminator is not None for name, entry in of_drive} == fits, "as their training logs count"


# ------------------------------------------------------------------------------------------------ folders and the Hub


def _exported(folder: Path, with_discriminator: bool = True) -> Path:
    config = tiny(registry.config("sngan/cifar10")).updated({"weights": [], "default_tag": None, "published": []})
    torch.manual_seed(0)
    model = GAN(config, nets.build_generator(config.generator), device="cpu")
    discriminator = nets.build_discriminator(config.discriminator) if with_discriminator else None
    return export_folder(model, folder, discriminator=discriminator)


def test_a_folder_of_two_runs_says_so(tmp_path):
    out = _exported(tmp_path / "out")
    path = out / "discriminator.safetensors"
    assert zoo.load(out, device="cpu", discriminator=True).has_discriminator
    files.save(path, weights.read(path), {"name": "another/model"})
    assert not zoo.load(out, device="cpu").has_discriminator
    with pytest.raises(WeightsUnavailableError, match="another training run"):
        zoo.load(out, device="cpu", discriminator=True)
    path.unlink()
    with pytest.raises(WeightsUnavailableError, match="no discriminator on this machine"):
        zoo.load(out, device="cpu", discriminator=True)


def _of_hub(address: str) -> list:
    """Returns whether the discriminator was there before and after its first use, its logits, and the error without."""
    model, images = zoo.load(address, device="cpu"), torch.zeros(1, 3, 32, 32)
    before = model.has_discriminator
    logits = model.discriminator(images).logits.tolist()
    again = GAN.from_pretrained(address.removeprefix("hf://"), device="cpu", discriminator=True)
    try:
        zoo.load("hf://someone/bare", device="cpu", discriminator=True)
    except WeightsUnavailableError as error:
        return [before, model.has_discriminator, logits, again.discriminator(images).logits.tolist(), str(error)]


def test_a_repository_of_the_hub_gives_it_when_it_is_used(tmp_path):
    folders = {"someone/gan": _exported(tmp_path / "a"), "someone/bare": _exported(tmp_path / "b", False)}
    expected = zoo.load(folders["someone/gan"], device="cpu").discriminator(torch.zeros(1, 3, 32, 32)).logits.tolist()
    with stand_in_hub.hub() as (address, state):
        for name, folder in folders.items():
            contents = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
            state.repositories[name] = stand_in_hub.Repository(contents)
        environment = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "hf"), "ZOO_CACHE": str(tmp_path / "cache")}
        outcome = children.run(_of_hub, "hf://someone/gan", environment=environment)
        assert outcome.error is None, outcome.message
        before, after, *logits, message = outcome.value
        assert (before, after) == (False, True)
        assert logits == [expected, expected]
        assert "has no file discriminator.safetensors" in message
        assert "\n" not in message
        assert state.sent.count("discriminator.safetensors") == 1
