"""Every hint for a missing package is a command of pip whose requirements are those of pyproject.toml."""

import builtins
import re
import shlex
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from zoo.common import extras
from zoo.common.errors import ZooError

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [path for top in ("zoo", "training") for path in sorted((ROOT / top).rglob("*.py"))]
CALLS = [
    (path, words)
    for path in SOURCES
    for call in re.findall(r"extras\.install\((.*?)\)", path.read_text(encoding="utf-8"))
    if (words := re.findall(r"""['"]([\w.-]+)['"]""", call))
]


def parsed(command: str) -> set[Requirement]:
    pip, verb, *requirements = shlex.split(command)
    assert (pip, verb) == ("pip", "install")
    return {Requirement(text) for text in requirements}


def declared(extra: str) -> set[Requirement]:
    """Read pyproject.toml in another way than the code under test."""
    tomllib = pytest.importorskip("tomllib")
    with (ROOT / "pyproject.toml").open("rb") as file:
        lists = tomllib.load(file)["project"]["optional-dependencies"]
    found = set()
    for line in lists[extra]:
        inner = re.fullmatch(r"contrastive-gan-zoo\[(.*)\]", line)
        found |= set().union(*map(declared, inner[1].split(","))) if inner else {Requirement(line)}
    return found


def test_no_hint_names_a_distribution_that_is_on_no_index():
    for path in SOURCES:
        assert not re.search(r"install[^\n]*contrastive-gan-zoo\[", path.read_text(encoding="utf-8")), path
    assert len(CALLS) > 10


@pytest.mark.parametrize("arguments", sorted({tuple(arguments) for _, arguments in CALLS}), ids="-".join)
def test_every_hint_installs_what_pyproject_declares(arguments):
    extra, *names = arguments
    wanted = {requirement for requirement in declared(extra) if not names or requirement.name in names}
    assert wanted
    assert parsed(extras.install(*arguments)) == wanted


@pytest.mark.parametrize("extra", ["train", "demo", "upstream", "video", "export", "eval", "test", "dev"])
def test_an_installation_without_a_checkout_says_the_same(extra, monkeypatch):
    lines = [f"{requirement}; extra == '{extra}'" for requirement in declared(extra)]
    monkeypatch.setattr(extras, "_PYPROJECT", ROOT / "nowhere")
    monkeypatch.setattr(metadata, "requires", lambda name: ["torch>=2.9", *lines, "x>1; extra == 'other'"])
    assert parsed(extras.install(extra)) == declared(extra)


def test_the_file_of_another_project_is_not_read(tmp_path, monkeypatch):
    other = tmp_path / "pyproject.toml"
    other.write_text('[project]\nname = "other"\n[project.optional-dependencies]\nvideo = ["theirs"]\n')
    monkeypatch.setattr(extras, "_PYPROJECT", other)
    monkeypatch.setattr(metadata, "requires", lambda name: ['av>=12; extra == "video"'])
    assert extras.install("video") == "pip install 'av>=12'"


def test_a_tree_that_is_neither_names_the_packages_all_the_same(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(extras, "_PYPROJECT", ROOT / "nowhere")
    monkeypatch.setattr(metadata, "requires", missing)
    assert extras.install("eval", "matplotlib") == "pip install matplotlib"


@pytest.mark.parametrize(
    ("package", "extra", "need"),
    [
        ("av", "video", lambda: __import__("zoo.sampling.animation").sampling.animation.require_pyav()),
        ("gradio", "demo", lambda: __import__("zoo.demo.server").demo.server._require_gradio()),
        ("torch_fidelity", "eval", lambda: _extractors().require_fidelity()),
        (
            "gdown",
            "upstream",
            lambda: __import__("zoo.checkpoints.upstream.drive").checkpoints.upstream.drive._gdown(),
        ),
    ],
)
def test_what_is_raised_can_be_pasted(package, extra, need, monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **options):
        if name.partition(".")[0] == package:
            raise ImportError(f"No module named {name!r}")
        return real(name, *rest, **options)

    with monkeypatch.context() as patched:
        patched.setattr(builtins, "__import__", without)
        with pytest.raises(ZooError) as error:
            need()
    command = re.search(r"pip install(?: '[^']+'| [\w.>=<-]+)+", str(error.value))[0]
    assert parsed(command) == declared(extra)


def _extractors():
    from zoo.evaluation.features import extractors

    return extractors
