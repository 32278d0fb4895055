"""Where things are kept: as the variables say, and an empty variable says nothing."""

import re
from pathlib import Path

import pytest
import torch

from zoo.common.cache_roots import cache_root, data_root, hub_root, torch_hub_root

ROOT = Path(__file__).resolve().parents[2]
VARIABLES = (
    "ZOO_CACHE",
    "ZOO_DATA",
    "XDG_CACHE_HOME",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HUGGINGFACE_HUB_CACHE",
    "TORCH_HOME",
)
ALL = {
    cache_root: "contrastive-gan-zoo",
    data_root: "contrastive-gan-zoo/data",
    hub_root: "huggingface/hub",
    torch_hub_root: "torch/hub",
}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.mark.parametrize("root", ALL)
@pytest.mark.parametrize("empty", [(), *((name,) for name in VARIABLES), VARIABLES])
def test_an_empty_variable_is_unset(root, empty, home, monkeypatch):
    for name in empty:
        monkeypatch.setenv(name, "")
    assert root() == home / ".cache" / ALL[root]


@pytest.mark.parametrize("root", ALL)
def test_the_caches_of_the_system_may_be_elsewhere(root, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    for name in ("ZOO_CACHE", "ZOO_DATA", "HF_HOME"):
        monkeypatch.setenv(name, "")
    assert root() == tmp_path / "caches" / ALL[root]


@pytest.mark.parametrize(
    ("root", "name"), [(cache_root, "ZOO_CACHE"), (data_root, "ZOO_DATA"), (hub_root, "HF_HUB_CACHE")]
)
def test_a_variable_of_its_own_goes_first(root, name, home, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    monkeypatch.setenv(name, "~/mine")
    assert root() == home / "mine"


def test_a_relative_folder_of_torch_hub_is_meant(monkeypatch):
    monkeypatch.setenv("TORCH_HOME", "here")
    assert torch_hub_root() == Path(torch.hub.get_dir()) == Path("here/hub")


def test_no_other_module_reads_these_variables():
    reading = re.compile(rf"""(environ|getenv)\W+(get\W+)?({"|".join(VARIABLES)})\b""")
    paths = (path for top in ("zoo", "training") for path in sorted((ROOT / top).rglob("*.py")))
    assert [path.name for path in paths if reading.search(path.read_text())] == ["cache_roots.py"]
