"""A config with a base: what it inherits, what it never does, what is refused, and where the base must not appear."""

import json
from typing import Any, get_args

import pytest
from pydantic import BaseModel

import zoo
from zoo.common.errors import ConfigError
from zoo.common.json_files import as_json
from zoo.schema import config_files, registry
from zoo.schema.config import ModelConfig

BASE = "contragan/cifar10"
MINE = {"name": "my-gan/cifar10", "base": BASE, "title": "Mine"}


def write(path, data) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A registry of its own: what a test writes into this folder as <method>/<dataset>.json."""

    def fill(**data_sets):
        for name, data in data_sets.items():
            write(tmp_path / "hub" / "own" / f"{name}.json", {"name": f"own/{name}", "title": name} | data)

    monkeypatch.setattr(config_files, "hub_configs_dir", lambda: tmp_path / "hub")
    caches = config_files.paths, config_files._file, registry._builtin
    for cached in caches:
        cached.cache_clear()
    yield fill
    for cached in caches:
        cached.cache_clear()


def test_only_what_differs_is_stated():
    """Objects are merged, single values and lists replace, null stands for the default."""
    differs = {
        "generator": {"channels": [32, 32, 32, 32], "activation": None},
        "training": {"ema": None, "optimizer": {"beta1": 0.25}, "auxiliary": [{"type": "rotation"}]},
        "discriminator": {"rotation_head": True, "activation": "leaky_relu"},
    }
    config = ModelConfig.from_dict(MINE | differs)
    base = registry.config(BASE)
    assert config.generator == base.generator.model_copy(update={"channels": (32, 32, 32, 32)})
    assert (config.training.ema, config.training.optimizer.beta1) == (None, 0.25)
    assert config.training.optimizer.beta2 == base.training.optimizer.beta2
    assert [loss.type for loss in config.training.auxiliary] == ["rotation"]
    assert config.data == base.data


def test_what_is_said_of_other_weights_and_runs_is_never_inherited():
    base = registry.config("contragan/digits")
    assert all((base.weights, base.default_tag, base.paper, base.training.notes))
    assert all((registry.config(BASE).published, registry.config(BASE).training.as_paper))
    for name in ("contragan/digits", BASE):
        config = ModelConfig.from_dict(MINE | {"base": name})
        said = config.to_dict()
        assert said.keys() == {"name", "title", "generator", "discriminator", "data", "training"}
        assert (said["training"]["as_paper"], said["training"]["notes"]) == ({}, [])


def test_an_object_of_another_kind_replaces_the_bases():
    head = {"head": {"type": "classifier"}}
    config = ModelConfig.from_dict(MINE | {"discriminator": head, "training": {"conditioning": {"type": "classifier"}}})
    assert config.discriminator.head.model_dump() == {"type": "classifier", "normalize_features": False, "bias": False}
    with pytest.raises(ConfigError, match=r"generator\.resolution: missing"):
        ModelConfig.from_dict(MINE | {"generator": {"architecture": "resnet", "upsample": "nearest"}})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"base": "contragn/cifar10"},
            "base: no model of the registry is called 'contragn/cifar10'; did you mean ",
        ),
        ({"base": "../../etc/passwd"}, "base: no model of the registry is called"),
        ({"base": "x" * 100_000}, "(100,000 characters)"),
        ({"base": ["contragan/cifar10"]}, "base: give the name of a model"),
        ({"base": None}, "base: give the name of a model"),
        ({"training": {"optimizer": {"beta3": 0.5}}}, "training.optimizer.beta3: unknown key"),
        ({"training": {"optimiser": {"beta1": 0.5}}}, "training.optimiser: unknown key"),
        ({"training": {"optimizer": {"beta3": None}}}, "training.optimizer.beta3: null resets a key of the base"),
        ({"training": {"notes": None}}, "training.notes: null resets a key of the base"),
        ({"training": {"steps": None}}, "training.steps: missing"),
        ({"training": None}, "training: missing"),
        ({"training": {"steps": {"a": None}}}, "training.steps"),
    ],
)
def test_refusals_are_one_line_with_the_field(tmp_path, changes, reason):
    path = tmp_path / "mine.json"
    write(path, MINE | changes)
    with pytest.raises(ConfigError, match=r"mine\.json") as error:
        ModelConfig.from_file(path)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


def test_a_circle_of_bases_is_refused(files):
    files(one={"base": "own/two"}, two={"base": "own/three"}, three={"base": "own/one"}, self={"base": "own/self"})
    with pytest.raises(ConfigError, match=r"one\.json: base: own/two -> own/three -> own/one -> own/two is circular"):
        registry.config("own/one")
    with pytest.raises(ConfigError, match=r"self\.json: base: own/self -> own/self is circular"):
        registry.config("own/self")


WHOLE = registry.config(BASE).to_dict() | {"name": "own/whole", "weights": [], "default_tag": None}


def test_a_base_of_a_base(files):
    """What one in the middle sets to the default stays so, and can be set again."""
    files(
        whole=WHOLE,
        middle={"base": "own/whole", "training": {"ema": None, "steps": 5, "as_paper": {"training.ema": None}}},
        plain={"base": "own/middle", "training": {"ema": None}},
        again={"base": "own/middle", "training": {"ema": {"decay": 0.5}}},
        broken={"base": "own/unsaid"},
        unsaid={"generator": {}},
    )
    assert registry.config("own/middle").training.as_paper == {"training.ema": None}, "there null is a value"
    plain = registry.config("own/plain").training
    assert (plain.ema, plain.steps, plain.as_paper) == (None, 5, {})
    assert registry.config("own/again").training.ema.decay == 0.5
    for name in ("middle", "plain", "again"):
        config, base = registry.config(f"own/{name}"), config_files.base_of(config_files.paths()[f"own/{name}"])
        assert ModelConfig.from_dict(json.loads(config.to_json(base))) == config
    with pytest.raises(ConfigError, match=r"unsaid\.json: a base needs generator"):
        registry.config("own/broken")


def test_the_registrys_chains_are_short_and_files_that_name_no_base_are_few():
    bases = {name: config_files.base_of(path) for name, path in config_files.paths().items()}
    assert sum(base is None for base in bases.values()) < 5
    assert [name for name, base in bases.items() if base and bases[base] and bases[bases[base]]] == []
    parts = [config_files.read(path) for path in config_files.paths().values()]
    lines = sum(
        as_json({k: v for k, v in part.items() if k not in ("weights", "published")}).count("\n") for part in parts
    )
    assert lines / len(bases) < 35


def test_null_is_the_default_wherever_it_is_allowed():
    """Which makes null in a config with a base mean one thing."""
    seen: set[type] = set()

    def look(kind: Any) -> None:
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in seen:
            seen.add(kind)
            for name, field in kind.model_fields.items():
                assert type(None) not in get_args(field.annotation) or field.default is None, f"{kind}.{name}"
                look(field.annotation)
        for part in get_args(kind):
            look(part)

    look(ModelConfig)
    assert len(seen) > 20


def test_the_base_of_a_users_own_config_is_resolved_wherever_it_is_read(tmp_path, command):
    write(tmp_path / "mine.json", MINE | {"training": {"steps": 7}})
    write(tmp_path / "folder" / "config.json", MINE | {"training": {"steps": 7}})
    expected = ModelConfig.from_file(tmp_path / "mine.json")
    assert (expected.name, expected.training.steps) == ("my-gan/cifar10", 7)
    for arguments in (("train", "mine.json", "--dry-run", "-o", "run"), ("info", "./folder", "--json")):
        shown = json.loads(command(*arguments).stdout)
        assert "base" not in shown
        assert ModelConfig.from_dict(shown) == expected
    assert zoo.info(zoo.register(tmp_path / "mine.json")) == expected


def test_what_writes_a_config_of_the_registry_keeps_its_base(tmp_path, command):
    config = registry.config("infomax-gan/digits")
    path = config_files.paths()[config.name]
    assert config_files.base_of(path) is not None
    assert "base" not in json.loads(command("info", config.name, "--json").stdout)
    scored = config.model_copy(update={"notes": ("seen",)})
    written = json.loads(scored.to_json(config_files.base_of(path)))
    assert written == json.loads(path.read_text(encoding="utf-8")) | {"notes": ["seen"]}
    assert list(written)[:3] == ["name", "base", "title"]
