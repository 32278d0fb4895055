"""Names in any spelling, globs, tags, suggestions, a user's own models; and nothing heavy imported on the way."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import zoo
from zoo.common.errors import UnknownModelError, UnknownTagError, ZooError
from zoo.evaluation import targets
from zoo.release.export import export_folder
from zoo.schema import registry


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("contragan-tinyimagenet", "contragan/tiny-imagenet"),
        ("contragan/tiny-imagenet", "contragan/tiny-imagenet"),
        ("ContraGAN_TinyImageNet", "contragan/tiny-imagenet"),
        ("InfoMaxGAN CelebA128", "infomax-gan/celeba128"),
        ("wgan-gp/cifar10", "wgan-gp/cifar10"),
        ("SSGAN+InfoMax/CIFAR-10", "ssgan-infomax/cifar10"),
    ],
)
def test_spellings(spelling, name):
    assert zoo.info(spelling).name == name
    for tag in registry.config(name).tags:
        assert zoo.info(f"{spelling}@{tag}").name == name
    with pytest.raises(UnknownTagError, match='no weights tagged "sometag"'):
        zoo.info(f"{spelling}@sometag")


def test_no_two_names_are_one_once_punctuation_is_dropped():
    squeezed = [registry.plain(name) for name in registry.names()]
    assert len(set(squeezed)) == len(squeezed)


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("contragn/cifar10", "contragan/cifar10"), ("infomax/celeba128", "infomax-gan/celeba128")],
)
def test_misspellings_get_suggestions(wrong, meant):
    with pytest.raises(UnknownModelError, match=meant) as error:
        zoo.info(wrong)
    assert isinstance(error.value, KeyError)
    assert not str(error.value).startswith("'"), "shown as text, not as a repr"


@pytest.mark.parametrize("nonsense", ["", "/", "../../etc/passwd", "x" * 500, "stylegan9000", "contragan/cifar10@"])
def test_nonsense_is_refused_in_one_line(nonsense):
    with pytest.raises(UnknownModelError) as error:
        zoo.info(nonsense)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("pattern", [None, 3, b"*", ["*/cifar10"]])
def test_a_pattern_is_text(pattern):
    with pytest.raises(ZooError, match="; give text, such as"):
        zoo.list_models(pattern)


def test_list_models_filters():
    everything = zoo.list_models()
    assert everything == sorted(everything)
    assert len(everything) > 100
    cifar = zoo.list_models("*/cifar10", conditional=True)
    assert "contragan/cifar10" in cifar
    assert "infomax-gan/cifar10" not in cifar
    assert all(zoo.info(name).data.dataset == "celeba" for name in zoo.list_models(dataset="celeba"))
    assert {"contragan/digits", "infomax-gan/digits"} <= set(zoo.list_models(available="offline"))
    assert "ssgan-infomax/cifar10" not in zoo.list_models(available="trained")  # no weights exist
    assert zoo.list_models("nothing*") == []
    with pytest.raises(ZooError, match="offline"):
        zoo.list_models(available="online")


def test_register_a_model_of_ones_own(tmp_path):
    data = zoo.info("contragan/digits").to_dict()
    data |= {"name": "my-gan/digits", "title": "Mine", "weights": [], "default_tag": None}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(data))
    assert zoo.register(tmp_path) == "my-gan/digits"
    assert zoo.load("MyGAN-digits", weights="random").sample(2, label=1, seed=0).shape == (2, 3, 32, 32)
    assert "my-gan/digits" in zoo.list_models("my-*")
    with pytest.raises(ZooError, match="replace=True"):
        zoo.register(path)
    assert zoo.register(path, replace=True) == "my-gan/digits"
    data["name"] = "contra-gan/digits"  # another spelling of a name that exists
    path.write_text(json.dumps(data))
    with pytest.raises(ZooError, match="contragan/digits"):
        zoo.register(path)


@pytest.mark.parametrize("code", ["import zoo; zoo.list_models(); zoo.info('contragan/cifar10')", "LIST"])
def test_light_commands_import_nothing_heavy(code):
    if code == "LIST":
        code = (
            "import sys; sys.argv = ['zoo', 'list']; from zoo.cli.app import main\ntry: main()\nexcept SystemExit: pass"
        )
    heavy = "{'torch', 'gradio', 'torch_fidelity', 'torchvision', 'sklearn', 'PIL', 'huggingface_hub'}"
    code += f"\nimport sys; print('HEAVY', sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "HEAVY []" in result.stdout


class TestNamesAndFolders:
    """A registered name is the model, whatever lies in the working directory."""

    @pytest.fixture
    def folder(self, tmp_path, monkeypatch):
        """contragan/digits in the working directory: another network's weights."""
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(registry, "_announced_names", set())
        zoo.load("contragan/digits", weights="random", device="cpu").save_pretrained("contragan/digits")
        return tmp_path / "contragan" / "digits"

    @pytest.mark.parametrize("spelling", ["contragan/digits", "ContraGAN-Digits", "contragan/digits@zoo"])
    def test_a_name_is_the_registered_model(self, folder, spelling, capsys):
        Path("ContraGAN-Digits").symlink_to("contragan/digits")
        Path("contragan/digits@zoo").symlink_to("digits")
        assert zoo.load(spelling, device="cpu").tag == "zoo"
        assert zoo.info(spelling).tags == ("zoo",)
        assert targets.open_target(spelling, device="cpu").model.tag == "zoo"
        told = f"zoo: {spelling} is read as the name of the model contragan/digits; the folder is ./{spelling}\n"
        assert capsys.readouterr().err == told, "once, however often it is asked for"

    def test_a_path_is_the_folder(self, folder, capsys):
        for path in ("./contragan/digits", "contragan/digits/", str(folder), folder, Path("contragan/digits")):
            assert zoo.load(path, device="cpu").tag is None
            assert zoo.info(path).weights == ()
        assert zoo.GAN.from_pretrained("contragan/digits", device="cpu").tag is None
        assert capsys.readouterr().err == ""
        assert registry.argument_for("contragan/digits") == "./contragan/digits"
        assert registry.argument_for("runs/x") == "runs/x"

    def test_an_export_of_a_name_takes_nothing_from_a_folder(self, folder):
        (folder / "samples").mkdir()
        (folder / "samples" / "0000001.png").write_bytes(b"x")
        (folder / "metrics.jsonl").write_text("")
        assert not (zoo.load("contragan/digits", device="cpu").save_pretrained("out") / "samples").exists()
        assert not (export_folder("contragan/digits", "by-name") / "samples").exists()

    @pytest.mark.parametrize("path", ["./contragan/digits", "../x", "contragan/digits/", "/nowhere", "~/x"])
    def test_a_path_to_nothing_is_no_name(self, path, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(UnknownModelError, match="there is no folder"):
            zoo.load(path)

    @pytest.mark.parametrize("name", ["own", "./own", "hf://someone/gan", "https://example.org/gan"])
    def test_where_only_names_will_do_the_message_says_so(self, name, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        zoo.load("contragan/digits", weights="random", device="cpu").save_pretrained("own")
        with pytest.raises(UnknownModelError, match="model of the registry; give"):
            registry.config(name)

    @pytest.mark.parametrize("name", ["pictures.npy", "./netG.pth"])
    def test_a_file_is_no_model_and_is_told_so(self, name, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path(name).touch()
        with pytest.raises(UnknownModelError, match="is a file, not a model; give"):
            zoo.load(name)

    @pytest.mark.parametrize(
        "name",
        ["a" * 10**6, "contragan/" * 10**5, "contragan/digits@" + "x" * 10**6, "x\0y", "\x1b[2J", "", b"x", None, 3],
    )
    def test_a_name_that_is_none(self, name):
        for call in (zoo.load, zoo.info, lambda name: zoo.load(name, weights="random")):
            with pytest.raises(UnknownModelError) as raised:
                call(name)
            assert len(str(raised.value)) < 200
            assert str(raised.value).isprintable()

    def test_a_tag_that_there_is_not(self):
        for name in ("contragan/digits@nosuch", "contragan/digits@\x1b[2J"):
            for call in (zoo.load, lambda name: zoo.load(name, weights="random")):
                with pytest.raises(ZooError, match="has no weights tagged") as raised:
                    call(name)
                assert str(raised.value).isprintable()

    def test_a_tag_is_no_file(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "zoo").write_text("a file")
        assert zoo.load("contragan/digits", weights="zoo", device="cpu").tag == "zoo"
