"""The cache keeps what it says it keeps: whole files, their checksums, one writer, and nothing outside of it."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from pathlib import Path

import checkpoints
import pytest
import torch

import zoo
from zoo.checkpoints import cache, weights
from zoo.checkpoints.upstream.importer import import_checkpoint, tensors_sha256
from zoo.common import files
from zoo.common.errors import ConfigError, WeightsCorruptedError, WeightsUnavailableError, ZooError
from zoo.schema import registry


@pytest.fixture
def config():
    narrow = checkpoints.narrow("sngan/cifar10")
    upstream = {"source": "mimicry", "google_drive_file": "x" * 30, "path": "netG.pth"}
    config = checkpoints.with_weights(narrow, upstream=upstream)
    registry.register(config, replace=True)
    return config


@pytest.fixture
def checkpoint(config, tmp_path) -> Path:
    path = tmp_path / "netG.pth"
    path.write_bytes(checkpoints.saved({"model_state_dict": checkpoints.foreign_state(config, "mimicry")}))
    return path


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_import_is_recorded_and_printed(config, checkpoint, root, capsys):
    target = import_checkpoint("sngan/cifar10", checkpoint)
    digest = files.sha256(checkpoint)
    assert f"sha256 {digest}" in capsys.readouterr().err
    (entry,) = cache.entries()
    assert (entry.name, entry.path, entry.problem()) == ("sngan/cifar10@test", target, None)
    identity = tensors_sha256(checkpoints.random_state(config))
    assert entry.record == cache.Record(files.sha256(target), digest, str(checkpoint), tensors_sha256=identity)
    import_checkpoint("sngan/cifar10", checkpoint, force=True)
    assert files.sha256(target) == entry.record.sha256, "the same file converts to the same bytes"
    assert capsys.readouterr().err == ""


def test_another_file_under_the_same_name_is_refused(config, checkpoint, root):
    import_checkpoint("sngan/cifar10", checkpoint)
    cache.clear("sngan/cifar10@test")
    assert cache.entries() == []
    other = checkpoints.saved({"model_state_dict": checkpoints.foreign_state(config, "mimicry", seed=1)})
    checkpoint.write_bytes(other)
    with pytest.raises(WeightsCorruptedError, match=r"the sha256 of its first download.*--forget"):
        import_checkpoint("sngan/cifar10", checkpoint)
    cache.clear("SNGAN-CIFAR10", forget=True)
    target = import_checkpoint("sngan/cifar10", checkpoint)
    assert not torch.equal(weights.read(target)["input.weight"], checkpoints.random_state(config)["input.weight"])


def test_damage_is_noticed_by_the_next_load_and_by_verify(checkpoint, root):
    target = import_checkpoint("sngan/cifar10", checkpoint)
    zoo.load("sngan/cifar10", device="cpu")
    data = bytearray(target.read_bytes())
    data[-5] ^= 1
    target.write_bytes(data)
    assert cache.entries()[0].problem().startswith("damaged")
    with pytest.raises(WeightsCorruptedError, match=r"sha256.*zoo cache clear sngan/cifar10@test"):
        zoo.load("sngan/cifar10", device="cpu")


def test_a_file_is_hashed_once(checkpoint, root, monkeypatch):
    target = import_checkpoint("sngan/cifar10", checkpoint)
    hashed = []
    monkeypatch.setattr(files, "sha256", lambda path: hashed.append(path) or "?")
    zoo.load("sngan/cifar10", device="cpu")
    assert hashed == []
    os.utime(target, ns=(0, 0))
    with pytest.raises(WeightsCorruptedError):
        zoo.load("sngan/cifar10", device="cpu")
    assert hashed == [target]


def test_between_two_renames_old_and_new_file_are_both_known(config, checkpoint, root, monkeypatch):
    """As if the process died after the record of the new file and before its rename."""
    target = import_checkpoint("sngan/cifar10", checkpoint)
    old = files.sha256(target)
    checkpoint.write_bytes(
        checkpoints.saved({"model_state_dict": checkpoints.foreign_state(config, "mimicry", seed=1)})
    )
    rename = Path.replace

    def fail(source: Path, destination: Path):
        if Path(destination).suffix == ".safetensors":
            raise KeyboardInterrupt
        return rename(source, destination)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(KeyboardInterrupt):
        import_checkpoint("sngan/cifar10", checkpoint, force=True)
    monkeypatch.undo()
    monkeypatch.setenv("ZOO_CACHE", str(root))
    assert files.sha256(target) == old
    assert cache.entries()[0].problem() is None
    cache.check(target)


def test_a_loaded_model_never_writes_to_its_file(checkpoint, root):
    """The weights are mapped from the file; what is done to them stays in memory."""
    target = import_checkpoint("sngan/cifar10", checkpoint)
    before = files.sha256(target)
    model = zoo.load("sngan/cifar10", device="cpu")
    for tensor in model.generator.state_dict().values():
        tensor.fill_(7)
    assert files.sha256(target) == before


def test_the_lock_is_for_one(config, root, capsys):
    order = []

    def second():
        with cache.lock(config, "test"):
            order.append("second")

    with cache.lock(config, "test"):
        other = threading.Thread(target=second)
        other.start()
        time.sleep(0.8)
        order.append("first")
    other.join()
    assert order == ["first", "second"]
    assert "waiting" in capsys.readouterr().err


def test_clear_touches_what_fits_and_nothing_else(checkpoint, root):
    target = import_checkpoint("sngan/cifar10", checkpoint)
    (root / "partial" / "sngan-cifar10@test").mkdir(parents=True)
    (root / "partial" / "ssgan-cifar10@mimicry").mkdir()
    (root / "precious.txt").write_text("mine")
    assert cache.clear("ssgan/*") == []
    assert target.exists()
    assert cache.clear("../../*") == []
    assert [entry.name for entry in cache.clear("sngan/*")] == ["sngan/cifar10@test"]
    assert not target.exists()
    assert not (root / "partial" / "sngan-cifar10@test").exists()
    assert target.with_suffix(".json").exists(), "what is known of the original outlives it"
    assert (root / "precious.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["../../x", "/etc", "a/../b", "A/b", "a/b.", "a\\b/c"])
def test_no_name_and_no_tag_leads_out_of_the_cache(config, name, root):
    data = config.to_dict()
    with pytest.raises(ConfigError, match="name"):
        zoo.ModelConfig.from_dict({**data, "name": name})
    with pytest.raises(ConfigError, match="tag"):
        checkpoints.with_weights(config, upstream=data["weights"][0]["upstream"], tag=name)
    with pytest.raises(WeightsUnavailableError, match="has no weights tagged"):
        zoo.load(f"sngan/cifar10@{name}")
    assert not root.exists()


# ------------------------------------------------------------------------------------------------------- the commands


def test_the_commands(command, checkpoint, root):
    assert command("cache", "path").stdout == f"{root}\n"
    assert command("cache", "list").stdout == ""
    assert command("import", "sngan/cifar10", "--from", checkpoint).returncode == 0
    listed = json.loads(command("cache", "list", "--json").stdout)
    assert listed["name"] == "sngan/cifar10@test"
    assert listed["original_sha256"] == files.sha256(checkpoint)
    assert "sngan/cifar10@test" in command("cache", "list", "SNGAN*").stdout
    row = json.loads(command("list", "sngan/cifar10", "--json").stdout)
    assert (row["weights"], row["here"]) == ({"test": "mimicry"}, ["test"])
    assert re.search(r"^sngan/cifar10 +now .* cache ", command("list", "sngan/cifar10").stdout, re.MULTILINE)
    assert command("cache", "verify").stdout == "sngan/cifar10@test: intact\n"
    Path(listed["path"]).write_bytes(b"damaged")
    verified = command("cache", "verify")
    assert verified.returncode == 1
    assert "sngan/cifar10@test damaged" in verified.stderr
    assert command("cache", "clear").returncode == 1, "nobody said yes"
    assert Path(listed["path"]).exists()
    assert command("cache", "clear", "--yes").stdout == f"removed {listed['path']}\n"
    assert re.search(r"^ssgan-infomax/cifar10 +train ", command("list", "ssgan-infomax/cifar10").stdout, re.MULTILINE)


def test_doctor(command, root):
    findings = [json.loads(line) for line in command("doctor", "--json").stdout.splitlines()]
    by_name = {finding["name"]: finding["value"] for finding in findings}
    assert by_name["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert str(root) in by_name["converted weights"]
    assert "offline" in by_name["not tried"]
    assert int(by_name["mimicry"]) > 30
    shown = command("doctor", "--no-network")
    assert shown.returncode == 0
    assert "caches" in shown.stdout


def test_doctor_names_a_problem(command, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE", "/dev/null/cache")
    result = command("doctor")
    assert result.returncode == 1
    assert "set ZOO_CACHE" in result.stdout


def test_export_and_publish_say_what_they_do(command, tmp_path):
    shown = command("publish", "contragan/digits", "--to", "me/digits", "--dry-run").stdout
    assert "me/digits" in shown
    assert command("export", "contragan/digits", "-o", "out").returncode == 0
    for name in ("config.json", "model.safetensors"):
        path = tmp_path / "out" / name
        assert f"{path.stat().st_size:,d} bytes  sha256 {files.sha256(path)}" in shown
    usage = 'zoo.load("{}")'
    card = (tmp_path / "out" / "README.md").read_text()
    assert usage.format("out") in card
    assert usage.format("hf://me/digits") in shown, "each card says how to use the model from where it is"
    assert "exists" in command("export", "contragan/digits", "-o", "out").stderr
    assert "offline" in command("publish", "contragan/digits", "--to", "me/digits").stderr
    assert "hf://user/repo" in command("publish", "contragan/digits", "--to", "me", "--dry-run").stderr
    with pytest.raises(ZooError, match="float16"):
        zoo.load("contragan/digits").save_pretrained(tmp_path / "x", dtype="int8")
