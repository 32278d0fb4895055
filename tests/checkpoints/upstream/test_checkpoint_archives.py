"""Checkpoints inside zip archives: the stated file is taken out, and a hostile archive is refused in one line."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
from pathlib import Path

import checkpoints
import children
import pytest
import stand_in_drive
import stand_in_https
import torch
from stand_in_https import HOST

import zoo
from zoo.checkpoints import cache, weights
from zoo.checkpoints.upstream import archives, pickles
from zoo.checkpoints.upstream.importer import import_checkpoint
from zoo.common.errors import ConfigError, WeightsCorruptedError, WeightsUnavailableError, ZooError
from zoo.schema import registry
from zoo.schema.config import ModelConfig

NAME, FILE = "sngan/cifar10", "1nAle7FCVFZdix2--ks0r5JBkFnKw8ctW"
NARROW = checkpoints.narrow(NAME)
PLACE = {"source": "mimicry", "google_drive_file": FILE, "archive": "ch96.zip"}
URL = f"https://{HOST}/a/ch96.zip"


def _model(**changes) -> ModelConfig:
    return checkpoints.with_weights(NARROW, upstream={**PLACE, "path": "138k/G_ema.pth", **changes})


def _saved(seed: int = 0) -> bytes:
    return checkpoints.saved({"model_state_dict": checkpoints.foreign_state(NARROW, "mimicry", seed)})


def _zip(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    return checkpoints.zipped(files, compression)


HONEST = _zip({"138k/": b"", "138k/G.pth": _saved(1), "138k/G_ema.pth": _saved(), "138k/D.pth": b"large"})


def _is_converted(path: str | Path) -> None:
    found, expected = weights.read(path), checkpoints.random_state(NARROW)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.fixture
def given(tmp_path, monkeypatch):
    """Imports an archive of these bytes by hand."""
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def given(data: bytes, config: ModelConfig | None = None, **options) -> Path:
        registry.register(config or _model(), replace=True)
        path = tmp_path / "download.zip"
        path.write_bytes(data)
        before = set(tmp_path.iterdir())
        try:
            return import_checkpoint(NAME, path, **options)
        finally:
            assert {path.name for path in set(tmp_path.iterdir()) - before} <= {"cache"}, "nothing is left"

    return given


# -------------------------------------------------------------------------------------------------------- what works


def _both(config: ModelConfig) -> tuple[str, str]:
    zoo.register(config, replace=True)
    model = zoo.load(config.name, device="cpu")
    before = [path.name for path in cache.root_of(None).glob("weights/*/*/*.safetensors")]
    assert sorted(before) == ["test-discriminator.safetensors", "test.safetensors"], "of one download"
    assert model.discriminator is not None
    return str(weights.locate(config)), str(weights.locate(config)).replace("test.", "test-discriminator.")


def test_generator_and_discriminator_of_an_archive_on_google_drive(tmp_path):
    config = checkpoints.narrow("biggan-ajbrock/imagenet128")
    config = config.updated({f"{part}.num_classes": 10 for part in checkpoints.PARTS})
    paths = {part: f"138k/{name}.pth" for part, name in (("generator", "G_ema"), ("discriminator", "D"))}
    files = {
        path: checkpoints.saved(checkpoints.foreign_state(config, "biggan-pytorch", part=part), legacy=True)
        for part, path in paths.items()
    }
    body = _zip({"138k/G.pth": b"another", **files, "138k/state_dict.pth": b"settings"})
    place = {**PLACE, "source": "biggan-pytorch", "size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    generator, discriminator = ({**place, "path": path} for path in paths.values())
    model = checkpoints.with_weights(config, upstream=generator, discriminator={"upstream": discriminator})
    with stand_in_drive.drive(tmp_path) as (environment, state):
        state.files[FILE] = body
        environment = {**environment, "ZOO_CACHE": str(tmp_path / "cache")}
        outcome = children.run(_both, model, environment=environment)
        assert outcome.error is None, outcome.message
        assert state.sent < 2 * len(body), "the archive came once"
    for part, path in zip(paths, outcome.value, strict=True):
        found, expected = weights.read(path), checkpoints.random_state(config, part=part)
        assert all(torch.equal(found[name], expected[name]) for name in expected)
        facts = weights.read_metadata(path)
        assert (facts["original"], facts["original_sha256"]) == (paths[part], place["sha256"])
    assert not list((tmp_path / "cache" / "partial").iterdir()), "neither archive nor member is kept"


def test_an_archive_over_https(tmp_path, monkeypatch):
    model = _model(google_drive_file=None, url=URL)
    with stand_in_https.server(tmp_path) as (environment, state):
        for name, value in {**environment, "ZOO_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "0"}.items():
            monkeypatch.setenv(name, value)
        state.files["/a/ch96.zip"] = _zip({"138k/G.pth": _saved()})
        with pytest.raises(WeightsCorruptedError, match=rf"none of the 1 files in {URL} is called 138k/G_ema.pth"):
            weights.locate(model)
        state.files["/a/ch96.zip"] = HONEST  # asked for again, as the other was not the one that the entry means
        _is_converted(weights.locate(model))


def test_an_archive_is_imported_by_hand(given, capsys):
    target = given(HONEST)
    _is_converted(target)
    assert f"138k/G_ema.pth, {len(HONEST) / 1e6:.1f} MB" in capsys.readouterr().err, "the size is that of the archive"
    assert cache.Record.read(target).original_sha256 == hashlib.sha256(HONEST).hexdigest()
    cache.clear(NAME)
    with pytest.raises(WeightsCorruptedError, match="the sha256 of its first download"):
        given(_zip({"138k/G_ema.pth": _saved(1)}))
    _is_converted(given(_zip({"x/other.pth": _saved(1), "x/best.pth": _saved()}), member="x/best.pth", force=True))


def test_what_another_program_unpacked_is_imported_too(given, tmp_path):
    """The size and sha256 of the entry are those of the archive."""
    config = _model(size=len(HONEST), sha256=hashlib.sha256(HONEST).hexdigest())
    given(HONEST, config)
    folder = tmp_path / "unpacked" / "138k"
    folder.mkdir(parents=True)
    (folder / "G_ema.pth").write_bytes(_saved())
    cache.clear(NAME)
    _is_converted(import_checkpoint(NAME, tmp_path / "unpacked"))
    with pytest.raises(WeightsCorruptedError, match=r"has .* bytes, expected"):
        given(_zip({"138k/G_ema.pth": _saved()}, zipfile.ZIP_STORED), config, force=True)
    cache.clear(NAME)
    (tmp_path / "G_ema.pth").write_bytes(_saved(1))
    with pytest.raises(WeightsCorruptedError, match="gives other tensors"):
        import_checkpoint(NAME, tmp_path / "G_ema.pth")


def test_a_checkpoint_that_someone_zipped_has_its_own_sha256(given):
    """As Google Drive does with several files of a folder."""
    facts = {"archive": None, "path": "netG.pth", "sha256": hashlib.sha256(_saved()).hexdigest()}
    _is_converted(given(_zip({"folder/netG.pth": _saved()}), _model(**facts)))


# ------------------------------------------------------------------------------------------------------ what does not


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"google_drive_file": None, "google_drive_folder": FILE}, "archive belongs to"),
        ({"google_drive_file": None, "hub_repo": "a/b", "revision": "c"}, "archive belongs to"),
        ({"google_drive_file": None, "url": f"https://{HOST}/138k/G_ema.pth"}, "archive must be the file name of url"),
        ({"archive": "../ch96.zip"}, "archive"),
        ({"path": "*/G_ema.pth"}, "path is a pattern"),
    ],
)
def test_an_archive_that_is_not_exact_is_refused(change, reason):
    with pytest.raises(ConfigError, match=reason):
        _model(**change)


def _changed(data: bytes, name: str, at: int, value: bytes) -> bytes:
    """The archive with some bytes of a local header and of the directory changed; `at` is that of the local header."""
    changed = bytearray(data)
    for signature, offset in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        start = -1
        while (start := changed.find(signature, start + 1)) >= 0:
            if name.encode() in changed[start : start + 100]:
                changed[start + at + offset : start + at + offset + len(value)] = value
    return bytes(changed)


def _with_damaged_body(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entry = archive.getinfo("138k/G_ema.pth")
    middle = entry.header_offset + 60 + entry.compress_size // 2
    return data[:middle] + bytes(40) + data[middle + 40 :]


def _twice() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("138k/G_ema.pth", _saved())
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("138k/G_ema.pth", _saved(1))
    return buffer.getvalue()


G = "138k/G_ema.pth"
HOSTILE = {
    "a bomb": (_zip({G: bytes(20_000_000)}), "unpacks to 20,000,000 bytes"),
    "a size of gigabytes": (_changed(HONEST, G, 22, struct.pack("<I", 0xFFFFFFF0)), "unpacks to 4,294,967,280 bytes"),
    "encrypted": (_changed(HONEST, G, 6, b"\x01\x00"), "138k/G_ema.pth in it is encrypted"),
    "another compression": (_changed(HONEST, G, 8, b"\x63\x00"), "is damaged"),
    "damaged": (_with_damaged_body(HONEST), "138k/G_ema.pth in it is damaged"),
    "a size that is too small": (_changed(HONEST, G, 22, struct.pack("<I", 1000)), "is damaged"),
    "cut": (HONEST[:-300], "not a zip file"),
    "the same name twice": (
        _twice(),
        r"2 files in .*download.zip are called 138k/G_ema.pth; unpack it, and give the file",
    ),
    "a path that leads out": (_zip({f"../{G}": _saved()}), "none of the 1 files"),
    "an absolute path": (_zip({f"/{G}": _saved()}), "none of the 1 files"),
    "another folder": (_zip({f"x/{G}": _saved(), "138k/G.pth": _saved()}), "none of the 2 files.*--member"),
    "a nested archive": (_zip({G: HONEST}), "its entries are compressed, unlike those of PyTorch"),
    "a page": (_zip({G: b"<html>quota exceeded</html>"}), f"{G} from .*neither a zip archive nor a pickle"),
    "empty": (_zip({}), "none of the 0 files|neither"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_refused_in_one_line(given, kind, tmp_path):
    data, reason = HOSTILE[kind]
    with pytest.raises((WeightsCorruptedError, WeightsUnavailableError), match=reason) as caught:
        given(data)
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "zoo-") not in str(caught.value), "a temporary file is nothing to look at"
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_a_list_of_millions_of_files_is_not_read(given, monkeypatch):
    monkeypatch.setattr(pickles, "_MAX_DIRECTORY", 100)
    with pytest.raises(WeightsCorruptedError, match="it lists too many files"):
        given(HONEST)


def test_code_in_an_archive_is_refused(given, tmp_path):
    class Hostile:
        def __reduce__(self):
            return Path(tmp_path / "was-run").touch, ()

    with pytest.raises(WeightsCorruptedError, match=f"{G} from .*nothing was run"):
        given(_zip({G: checkpoints.saved({"model_state_dict": Hostile()})}))
    assert not (tmp_path / "was-run").exists()


def test_a_member_that_is_not_there_or_of_no_archive(given, tmp_path, command):
    with pytest.raises(WeightsUnavailableError, match=r"none of the 3 files in .* is called 100k/G.pth"):
        given(HONEST, member="100k/G.pth")
    with pytest.raises(ZooError, match=r"is not a zip archive of checkpoints, so it has no x\.pth; leave out --member"):
        given(_saved(), member="x.pth")
    (tmp_path / "download.zip").write_bytes(HONEST)
    done = command("import", NAME, "--from", tmp_path / "download.zip", "--member", "100k/G.pth")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "is called 100k/G.pth" in done.stderr


def test_one_checkpoint_is_no_archive(tmp_path):
    for legacy in (False, True):
        (tmp_path / "x.pth").write_bytes(checkpoints.saved({"a": torch.zeros(3)}, legacy))
        assert not archives.is_archive(tmp_path / "x.pth")
    (tmp_path / "x.zip").write_bytes(HONEST)
    assert archives.is_archive(tmp_path / "x.zip")
