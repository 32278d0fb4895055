"""A mirror: made from what is here, asked before the publishers, and believed only as far as its hashes go."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import checkpoints
import pytest
import stand_in_https
from stand_in_https import HOST, OTHER_HOST, cut, status

import zoo
from zoo.checkpoints import cache, mirror, weights
from zoo.checkpoints.upstream.importer import import_checkpoint
from zoo.common import files
from zoo.common.errors import WeightsCorruptedError, WeightsUnavailableError, ZooError
from zoo.schema import registry

NAME, FILE = "sngan-pd/cifar10", "weights/sngan-pd/cifar10/test.safetensors"
URL = f"https://{OTHER_HOST}/zoo"
PARTS = ("generator", "discriminator")


def _config(**facts):
    generator, discriminator = (
        {"source": "studiogan", "url": f"https://{HOST}/{part}.pth", "path": f"{part}.pth", **facts} for part in PARTS
    )
    narrow = checkpoints.narrow(NAME)
    return checkpoints.with_weights(narrow, upstream=generator, discriminator={"upstream": discriminator})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a mirror with a generator and its discriminator."""
    root = tmp_path_factory.mktemp("made")
    registry.register(_config(), replace=True)
    for part in PARTS:
        state = checkpoints.foreign_state(_config(), "studiogan", 0, part)
        (root / f"{part}.pth").write_bytes(checkpoints.saved({"state_dict": state}))
        import_checkpoint(NAME, root / f"{part}.pth", root / "cache", discriminator=part == "discriminator")
    for _ in mirror.write(root / "mirror", mirror.items([NAME], root / "cache")):
        pass
    registry._registered.clear()
    return root / "mirror"


@pytest.fixture
def folder(made, tmp_path, monkeypatch) -> Path:
    """A copy of the mirror, which $ZOO_MIRROR names; the cache is empty."""
    shutil.copytree(made, tmp_path / "mirror")
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ZOO_MIRROR", str(tmp_path / "mirror"))
    registry.register(_config(), replace=True)
    return tmp_path / "mirror"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with stand_in_https.server(tmp_path_factory.mktemp("server")) as place:
        yield place


@pytest.fixture
def offered(folder, server, monkeypatch):
    """The state of a web server that offers the mirror."""
    environment, state = server
    for name, value in {**environment, "HF_HUB_OFFLINE": "0", "ZOO_MIRROR": URL + "/"}.items():
        monkeypatch.setenv(name, value)
    state.files = {
        f"/zoo/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    state.faults, state.requests = [], []
    return state


def _same(config, path: Path, part: str = "generator") -> bool:
    found, expected = weights.read(path), checkpoints.random_state(config, 0, part)
    return found.keys() == expected.keys() and all((found[name] == expected[name]).all() for name in found)


# ------------------------------------------------------------------------------------------------------------ loading


def test_a_folder_serves_generator_and_discriminator_without_a_network(folder, capsys):
    model = zoo.load(NAME, device="cpu", discriminator=True)
    assert model.has_discriminator
    told = capsys.readouterr().err
    assert f"{NAME}@test comes from the mirror {folder}" in told
    assert f"{NAME}@test-discriminator comes from the mirror {folder}" in told
    (d, g) = cache.entries()
    assert _same(_config(), g.path)
    assert _same(_config(), d.path, "discriminator")
    assert (g.problem(), g.record.original) == (None, f"https://{HOST}/generator.pth")
    assert g.record.tensors_sha256
    shutil.rmtree(folder)
    assert weights.locate(_config()) == g.path, "nobody is asked again"


def test_a_server_is_asked_before_the_publisher_and_goes_on(offered, capsys):
    offered.faults += [lambda handler, body: handler.send(body), cut(100_000), status(503, Retry_After="0")]
    path = weights.locate(_config())
    assert _same(_config(), path)
    assert f"comes from the mirror {URL}" in capsys.readouterr().err
    assert [asked for asked, _ in offered.requests] == ["/zoo/manifest.json", *[f"/zoo/{FILE}"] * 3]
    assert int(offered.requests[-1][1][6:-1]) == 100_000
    assert not list(cache.root_of(None).glob("partial/*"))


def test_what_a_mirror_lacks_comes_from_the_publisher(offered, capsys):
    manifest = json.loads(offered.files["/zoo/manifest.json"])
    manifest["files"] = []
    offered.files["/zoo/manifest.json"] = json.dumps(manifest).encode()
    offered.files["/generator.pth"] = checkpoints.saved(
        {"state_dict": checkpoints.foreign_state(_config(), "studiogan")}
    )
    assert _same(_config(), weights.locate(_config()))
    assert f"the mirror {URL} lacks {NAME}@test" in capsys.readouterr().err


def test_the_tensors_must_be_those_of_the_first_download(folder, tmp_path, monkeypatch):
    other = tmp_path / "generator.pth"
    state = checkpoints.foreign_state(_config(), "studiogan", seed=1)
    other.write_bytes(checkpoints.saved({"state_dict": state}))
    import_checkpoint(NAME, other)
    cache.clear(NAME)
    with pytest.raises(WeightsCorruptedError, match=r"has other tensors than .* gave first; .*--forget"):
        weights.locate(_config())
    cache.clear(NAME, forget=True)
    with pytest.raises(WeightsCorruptedError, match="comes from another file than"):
        weights.locate(_config(sha256="0" * 64))
    assert _same(_config(), weights.locate(_config()))


def _changed(folder: Path, **change) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for entry in manifest["files"]:
        if entry["tag"] == "test":
            entry.update(change)
    path.write_text(json.dumps(manifest))


def _other_weights(folder: Path) -> None:
    path = folder / FILE
    files.save(path, weights.read(path), {"name": "sngan/cifar10", "tag": "test"})
    _changed(folder, size=path.stat().st_size, sha256=files.sha256(path))


def _other_shape(folder: Path) -> None:
    path = folder / FILE
    files.save(path, checkpoints.random_state(checkpoints.narrow(NAME, 8)), weights.read_metadata(path))
    _changed(folder, size=path.stat().st_size, sha256=files.sha256(path))


def _link(folder: Path) -> None:
    outside = folder.with_name("outside.safetensors")
    (folder / FILE).replace(outside)
    (folder / FILE).symlink_to(outside)


def _damage(folder: Path) -> None:
    data = bytearray((folder / FILE).read_bytes())
    data[-5] ^= 1
    (folder / FILE).write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_damage, "its manifest says"),
        (lambda folder: _changed(folder, size=5), "its manifest says 5"),
        (lambda folder: (folder / FILE).unlink(), "is missing, although"),
        (_link, "leads out of the folder"),
        (_other_weights, "holds other weights than"),
        (_other_shape, "does not fit this architecture"),
        (lambda folder: _changed(folder, file="weights/../../../etc/passwd.safetensors"), "is no manifest of a mirror"),
        (lambda folder: _changed(folder, file="/etc/passwd"), "is no manifest of a mirror"),
        (lambda folder: _changed(folder, tag="test-discriminator"), "two files have one name"),
        (lambda folder: _changed(folder, license="a\x1bb\nc"), "license"),
        (lambda folder: (folder / "manifest.json").write_text("[" * 100_000), "is no manifest of a mirror"),
        (lambda folder: (folder / "manifest.json").write_text('{"files": []}'), "is not of the format"),
    ],
    ids=["damaged", "size", "missing", "link", "other", "shape", "path", "root", "twice", "text", "deep", "format"],
)
def test_a_mirror_that_is_wrong_is_one_line(folder, spoil, reason):
    spoil(folder)
    with pytest.raises(WeightsCorruptedError) as error:
        weights.locate(_config())
    assert reason in str(error.value)
    assert "\n" not in str(error.value)
    assert cache.entries() == []
    assert not list(cache.root_of(None).glob("partial/*"))


def test_a_mirror_that_cannot_be_reached_is_one_line(offered, monkeypatch):
    offered.faults.append(status(404))
    with pytest.raises(WeightsUnavailableError, match=r"the mirror of ZOO_MIRROR fails.*HTTP 404.*unset ZOO_MIRROR"):
        weights.locate(_config())
    monkeypatch.setenv("ZOO_MIRROR", "/nowhere")
    with pytest.raises(WeightsUnavailableError, match=r"/nowhere/manifest.json cannot be read \(No such file"):
        weights.locate(_config())


def test_a_damaged_file_of_a_server_is_fetched_anew(offered):
    whole = offered.files[f"/zoo/{FILE}"]
    offered.files[f"/zoo/{FILE}"] = whole[:-1] + bytes([whole[-1] ^ 1])
    with pytest.raises(WeightsCorruptedError, match=f"{URL}/{FILE} has sha256"):
        weights.locate(_config())
    offered.files[f"/zoo/{FILE}"] = whole
    assert _same(_config(), weights.locate(_config()))


@pytest.mark.parametrize(
    ("value", "folder"),
    [
        ("/a/b/", "/a/b"),
        ("file:///a/b%20c", "/a/b c"),
        ("file://localhost/a", "/a"),
        ("https://host/a/", None),
        ("http://192.168.0.7:8000", None),
    ],
)
def test_where_a_mirror_may_be(monkeypatch, value, folder):
    monkeypatch.setenv("ZOO_MIRROR", value)
    found = mirror.current()
    assert found.folder == (Path(folder) if folder else None)
    assert not found.place.endswith("/")


@pytest.mark.parametrize(
    "value",
    ["http://example.org/x", "file://host/a", "ftp://host/a", "https://u:secret@host", "https://h/?q", "https://"],
)
def test_where_no_mirror_may_be(monkeypatch, value):
    monkeypatch.setenv("ZOO_MIRROR", value)
    with pytest.raises(ZooError, match="cannot be a mirror") as error:
        mirror.current()
    assert "secret" not in str(error.value)


def test_an_empty_variable_counts_as_unset(monkeypatch):
    monkeypatch.setenv("ZOO_MIRROR", "")
    assert mirror.current() is None


# ------------------------------------------------------------------------------------------------------------- making


def test_the_command_writes_continues_and_says_what_it_has(folder, command, tmp_path, monkeypatch):
    zoo.load(NAME, device="cpu")
    monkeypatch.delenv("ZOO_MIRROR")
    first = command("mirror", "out", NAME, "contragan/digits")
    assert first.returncode == 0, first.stderr
    assert f"{NAME}@test " in first.stdout
    assert "MIT" in first.stdout
    assert f"ZOO_MIRROR={tmp_path / 'out'}" in first.stdout
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    entry = next(e for e in manifest["files"] if e["name"] == NAME)
    path = tmp_path / "out" / entry["file"]
    assert (entry["size"], entry["sha256"]) == (path.stat().st_size, files.sha256(path))
    assert entry["home"] == "https://github.com/POSTECH-CVLab/PyTorch-StudioGAN"
    assert {e["original"] for e in manifest["files"]} == {"bundled", f"https://{HOST}/generator.pth"}
    path.unlink()
    again = command("mirror", "out", NAME, "contragan/digits")
    assert again.stdout.count("(there already)") == again.stdout.count("@") - 1
    assert json.loads((tmp_path / "out" / "manifest.json").read_text()) == manifest
    unknown = command("mirror", "out", "no/such")
    assert (unknown.returncode, 'no model is called "no/such"' in unknown.stderr) == (2, True)
    nothing = command("mirror", "out", "contragn/*")
    assert (nothing.returncode, "did you mean 'contragan/*'?" in nothing.stderr) == (1, True)
    for pattern in ("ssgan/*", "ssgan/cifar10", "SSGAN-CIFAR10@mimicry"):
        absent = command("mirror", "out", pattern)
        assert absent.returncode == 1
        name = absent.stderr.partition("load them first, as with: zoo sample ")[2].strip()
        assert registry.split_tag(name)[0] in registry.names(), "the command can be pasted"


def test_files_of_others_stay(folder, tmp_path):
    def write(out: Path) -> None:
        list(mirror.write(out, mirror.items([NAME])))

    zoo.load(NAME, device="cpu")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    with pytest.raises(ZooError, match="holds other files and is no mirror"):
        write(tmp_path / "notes")
    assert [path.name for path in (tmp_path / "notes").iterdir()] == ["mine.txt"]
    with pytest.raises(ZooError, match="is not a folder"):
        write(tmp_path / "notes" / "mine.txt")
    (folder / FILE).write_bytes(b"mine")
    with pytest.raises(ZooError, match="is not a file that this command wrote"):
        write(folder)
    assert (folder / FILE).read_bytes() == b"mine"
    (folder / FILE).unlink()
    (folder / FILE).symlink_to(tmp_path / "notes" / "mine.txt")
    with pytest.raises(WeightsCorruptedError, match="leads out"):
        write(folder)
    assert (tmp_path / "notes" / "mine.txt").read_text() == "mine"


def test_a_newer_conversion_replaces_an_older_one(folder, tmp_path):
    zoo.load(NAME, device="cpu")
    path = cache.entries()[0].path
    record = cache.Record.read(path)
    old = tmp_path / "out"
    list(mirror.write(old, mirror.items([NAME])))
    files.save(path, weights.read(path), {**weights.read_metadata(path), "converter": "2"})
    cache.Record(files.sha256(path), record.original_sha256, record.original).write(path)
    assert [was_there for _, was_there in mirror.write(old, mirror.items([NAME]))] == [False]
    assert json.loads((old / "manifest.json").read_text())["files"][0]["sha256"] == files.sha256(path)
    assert [path.name for path in (old / "weights" / NAME).iterdir()] == ["test.safetensors"]


def test_a_damaged_file_is_not_passed_on(folder, tmp_path):
    zoo.load(NAME, device="cpu")
    path = cache.entries()[0].path
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsCorruptedError, match="is damaged"):
        list(mirror.write(tmp_path / "out", mirror.items([NAME])))
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["files"] == []


# ----------------------------------------------------------------------------------------------------- what is told


def test_terms_are_told_before_the_first_download(offered, command, capsys, monkeypatch, tmp_path):
    monkeypatch.delenv("ZOO_MIRROR")
    config = _config(license="CC-BY-NC-4.0")
    registry.register(config, replace=True)
    offered.files["/generator.pth"] = checkpoints.saved({"state_dict": checkpoints.foreign_state(config, "studiogan")})
    weights.locate(config)
    told = capsys.readouterr().err
    line = f"zoo: {NAME}@test is licensed CC-BY-NC-4.0: no commercial use; see https://github.com/POSTECH-CVLab"
    assert told.startswith(line)
    weights.locate(config)
    assert capsys.readouterr().err == ""
    assert "licence: CC-BY-NC-4.0, PyTorch-StudioGAN, https://" in command("info", NAME).stdout
    assert "Licence: CC-BY-NC-4.0, PyTorch-StudioGAN, https://" in command("card", NAME).stdout
    assert command("export", NAME, "-o", "exported").returncode == 0
    assert json.loads(Path("exported/config.json").read_text())["license"] == "CC-BY-NC-4.0"
    assert "license: cc-by-nc-4.0" in Path("exported/README.md").read_text()
    assert "CC-BY-NC-4.0, no commercial use" in command("mirror", "out", NAME).stdout
    monkeypatch.setenv("ZOO_MIRROR", str(tmp_path / "out"))
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "other"))
    weights.locate(config)
    assert capsys.readouterr().err.startswith(line)


def test_the_doctor_examines_it(folder, monkeypatch):
    from zoo.cli import checkup

    (found,) = checkup._mirror(True)
    assert (found.value, found.ok) == (f"{folder}, 2 files", True)
    (folder / "manifest.json").write_text("{")
    (found,) = checkup._mirror(True)
    assert (found.ok, "is no manifest" in found.value) == (False, True)
    monkeypatch.setenv("ZOO_MIRROR", "http://example.org")
    assert next(checkup._mirror(True)).ok is False
    monkeypatch.setenv("ZOO_MIRROR", URL)
    assert next(checkup._mirror(False)).value == f"{URL}, not tried"
    monkeypatch.delenv("ZOO_MIRROR")
    assert list(checkup._mirror(True)) == []
