"""`zoo list`: what loads now first, names whole at any width, and the same facts for programs."""

import csv
import json
import re
import sys

import pytest

import zoo
from zoo.checkpoints import availability, cache
from zoo.checkpoints.availability import Status
from zoo.cli import listing
from zoo.schema import registry

ALL = list(registry.names())
COLUMNS = ["name", "loads", "size", "side", "classes", "FID", "from", "data set", "tags"]


def by_status(names) -> list[str]:
    return [availability.availability(registry.config(name)).status.value for name in names]


def names_of(table: str) -> list[str]:
    return [word for line in table.splitlines() for word in line.split()[:1] if word in ALL]


def head(table: str) -> list[str]:
    return table.splitlines()[0].replace("data set", "data_set").split()


@pytest.fixture
def terminal(command, monkeypatch):
    """Run `zoo` on a terminal of some columns."""

    def run(width: int, *arguments):
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        return re.sub(r"\x1b\[[\d;]*m", "", command(*arguments).stdout)

    return run


def test_what_loads_now_is_first_and_what_must_be_trained_is_hidden(command):
    shown = command("list").stdout
    statuses = by_status(names_of(shown))
    hidden = len(ALL) - len(statuses)
    assert statuses == sorted(statuses, key=["now", "download"].index)
    assert set(statuses) == {"now", "download"}
    assert shown.splitlines()[-1] == f"{hidden} more must be trained first; `zoo list --all` shows them"
    everything = command("list", "--all").stdout
    assert sorted(names_of(everything)) == ALL
    assert by_status(names_of(everything))[-hidden:] == ["train"] * hidden
    assert "--all" not in everything


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("cifar10", "no model fits 'cifar10'; did you mean '*cifar10*'?"),
        ("contragan", "no model fits 'contragan'; did you mean '*contragan*'?"),
        ("*/imagnet32", "no model fits '*/imagnet32'; did you mean '*/imagenet32'?"),
        ("contragn*", "no model fits 'contragn*'; did you mean 'contragan*'?"),
        ("contragan/cifr10", "no model fits 'contragan/cifr10'; did you mean contragan/cifar10?"),
        ("qqqq", "no model fits 'qqqq'; `zoo list --all` shows all models"),
        ("x" * 10_000, "... (10,000 characters); `zoo list --all` shows all models"),
        ("", "no model fits ''"),
    ],
    ids=lambda text: text[:20],
)
def test_a_pattern_that_nothing_fits_is_told_the_nearest_that_something_does(pattern, said, command):
    done = command("list", pattern)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr


def test_a_pattern_that_fits_is_not_blamed_for_the_options(command):
    assert "no model fits 'sngan/*' and these options" in command("list", "sngan/*", "--conditional").stderr


def test_nothing_is_hidden_where_nothing_else_fits(command):
    assert names_of(command("list", "dcgan/stacked-mnist").stdout) == ["dcgan/stacked-mnist"]


@pytest.mark.parametrize("width", [1, 20, 40, 60, 80, 100, 120])
def test_names_are_whole_and_columns_drop_at_any_width(width, terminal):
    shown = terminal(width, "list", "--all")
    assert sorted(names_of(shown)) == ALL
    assert "…" not in shown
    assert ("FID" in head(shown)) == ("(FID):" in shown)
    longest = max(map(len, ALL))
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= max(width, longest)
    expected = {1: 1, 20: 1, 40: 1, 60: 2, 80: 5, 100: 6, 120: 7}[width]
    assert len(head(shown)) >= expected, head(shown)


@pytest.mark.parametrize("no_color", [False, True])
def test_a_pipe_gets_all_columns_as_plain_text(no_color, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    shown = command("list", "--all").stdout
    assert "\x1b" not in shown
    assert head(shown) == [column.replace(" ", "_") for column in COLUMNS]
    assert sorted(names_of(shown)) == ALL
    assert "studiogan, studiogan-hub" in shown


def test_rows_for_programs_are_the_same(command):
    done = command("list", "*/cifar10", "--conditional", "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.stderr.startswith("zoo: ")
    assert "--all" in done.stderr
    table = list(csv.DictReader(command("list", "*/cifar10", "--conditional", "--csv").stdout.splitlines()))
    assert [row["name"] for row in table] == [row["name"] for row in rows]
    assert table[0].keys() == rows[0].keys()
    row = next(row for row in rows if row["name"] == "contragan-snresgan/cifar10")
    (entry,) = registry.config(row["name"]).weights
    from zoo.checkpoints.weights import bundled_path

    assert (row["loads"], row["from"], row["bytes"]) == ("now", "bundled", bundled_path(entry.bundled).stat().st_size)
    assert next(r for r in table if r["name"] == row["name"])["bytes"] == str(row["bytes"])
    assert command("list", "--json", "--csv").returncode == 2


@pytest.mark.parametrize(
    ("key", "field"), [("score", "published FID"), ("size", "bytes"), ("resolution", "resolution"), ("name", "name")]
)
def test_sorted_within_what_loads_now_and_what_downloads(key, field, command):
    rows = [json.loads(line) for line in command("list", "--json", "--sort", key).stdout.splitlines()]
    for status in ("now", "download"):
        values = [row[field] for row in rows if row["loads"] == status]
        known = [value for value in values if value is not None]
        assert known == sorted(known)
        assert values == known + [None] * (len(values) - len(known))
    assert [row["loads"] for row in rows] == sorted((row["loads"] for row in rows), reverse=True)


def test_an_fid_is_that_of_the_weights_that_load_or_says_whose_it_is(command):
    rows = {row["name"]: row for row in map(json.loads, command("list", "--all", "--json").stdout.splitlines())}
    for name, row in rows.items():
        scores = [s for s in registry.config(name).published if s.metric == "FID" and not s.settings]
        own = [s.value for s in scores if s.tag == row["default"] and row["default"]]
        of_method = [s.value for s in scores if s.tag is None]
        assert [row["published FID"], row["method FID"]] == [next(iter(v), None) for v in (own, of_method)], name
    ours, theirs, none = (rows[f"{n}/cifar10"] for n in ("contragan-snresgan", "contragan", "acgan-snresgan"))
    assert [listing._fid(row) for row in (ours, theirs, none)] == ["(11.334)", "8.065", "(11.588)"]
    assert rows["biggan-ajbrock/imagenet128"]["published FID"] is None, "these scores are of other weights"
    shown = command("list", "contragan-snresgan/cifar10").stdout
    assert " (11.334) " in shown
    assert "(FID): published for the method; " in shown
    assert "(FID)" not in command("list", "contragan/cifar10").stdout
    now = [name for name, row in rows.items() if row["loads"] == "now"]
    sorted_now = names_of(command("list", "--available", "offline", "--sort", "score").stdout)
    assert sorted_now[0] == "contragan-snresgan/cifar10"
    assert sorted(sorted_now) == sorted(now)


def test_what_is_in_the_cache_loads_now(command, tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    config = registry.config("sngan/cifar10")
    before = availability.availability(config)
    assert before[:2] == (Status.DOWNLOAD, "Google Drive")
    path = cache.weights_path(config, config.default_tag)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * 1000)
    assert availability.availability(config) == (Status.NOW, "cache", 1000)
    assert "sngan/cifar10" in names_of(command("list", "--available", "offline").stdout)


def test_the_size_and_the_host_that_an_entry_states(monkeypatch):
    config = registry.config("sngan/cifar10")
    entry = config.weights[0]
    place = {"google_drive_file": None, "google_drive_folder": None, "url": "https://example.org/a/netG.pth"}
    upstream = entry.upstream.model_copy(update={**place, "size": 12_345_678})
    there = config.model_copy(update={"weights": (entry.model_copy(update={"upstream": upstream}),)})
    there = there.model_copy(update={"default_tag": entry.tag})
    assert availability.availability(there) == (Status.DOWNLOAD, "example.org", 12_345_678)
    assert listing._cells(listing._row(there))["size"] == "12.3 MB"


def test_list_models_has_the_same_order():
    assert zoo.list_models() == ALL
    trained = zoo.list_models(available="trained")
    assert trained == zoo.list_models(available="offline") + zoo.list_models(available="download")
    assert set(by_status(trained)) == {"now", "download"}
    assert all(availability.is_offline(registry.config(name)) for name in zoo.list_models(available="offline"))


def test_the_list_of_the_demo_has_the_same_order():
    pytest.importorskip("gradio")
    from zoo.demo import model_list

    statuses = by_status(name for _, name in model_list.choices())
    assert statuses == sorted(statuses, key=["now", "download", "train"].index)
    assert len(statuses) == len(ALL)


def test_info_tells_scores_of_different_counts_apart(command):
    shown = " ".join(command("info", "contragan-snresgan/cifar10").stdout.split())
    assert "FD (efficientnet-lite0) 27.38 ± 0.18 of 50000 / 50000 real / generated images, measured: clean" in shown
    assert "FD (efficientnet-lite0) 42.11 ± 0.42 of 10000 / 10000 real / generated images, measured: clean" in shown
    assert "11.334 ± 0.126 10000 / 10000 not released ContraGAN, Table 1" in shown
