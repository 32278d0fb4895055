"""`zoo registry`: check the entries against the places of their files, and render their table, for maintainers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.errors import UsageError, ZooError
from ..common.text import plain
from . import places
from .pages import Group
from .printing import say, show

if TYPE_CHECKING:
    from ..checkpoints.upstream.inquiry import Answer, Place

app = typer.Typer(cls=Group, no_args_is_help=True, help="Check and list the entries of the registry, for maintainers.")


@app.callback()
def _registry() -> None:
    """Check and list the entries of the registry, for maintainers."""


@app.command("check")
def check_command(
    patterns: Annotated[list[str] | None, typer.Argument(help='Globs over names, such as "*/cifar10".')] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write the sizes and hashes that were learned into hub_configs, for review.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Ask the place of each published file for existence, size and hash; exit status 1 if one is not as stated.

    Nothing is downloaded.

    zoo registry check "contragan/*" --write
    """
    from ..checkpoints.upstream import inquiry
    from ..common.downloads import OFFLINE, is_offline
    from ..schema import config_files
    from ..schema.config import ModelConfig

    if is_offline():
        raise ZooError(f"the check asks the places of the files, but {OFFLINE}")
    inquirer, faulty, written = inquiry.Inquiry(), 0, []
    rows: list[tuple[Place, Answer]] = []
    for name in _named(patterns or ["*"]):
        path = config_files.paths()[name]
        answers = [(place, inquirer.ask(place.upstream)) for place in inquiry.places(ModelConfig.from_file(path))]
        rows += answers
        faulty += sum(answer.status != inquiry.OK for _, answer in answers)
        if as_json:
            for place, answer in answers:
                print(json.dumps(_row(place, answer)))
        if write and learn(path, answers):
            written.append(path)
    if not as_json:
        _print_table(rows)
    for path in written:
        say(f"wrote {path}", to_stderr=True)
    if faulty:
        raise ZooError(f"{faulty} of {len(rows)} files are not as stated or gave no answer; the table says why")


@app.command("page")
def page_command(
    out: Annotated[
        Path, typer.Option("-o", "--out", callback=places.folder, help="Folder for models.md and models.csv.")
    ] = Path("docs"),
) -> None:
    """Render the page and the table of all models, their weights, sources and scores.

    zoo registry page -o docs
    """
    from ..release import models_page

    try:
        models_page.write(out)
    except OSError as error:
        raise ZooError(f"{out} cannot be written ({error.strerror}); give a folder with -o") from None
    say(f"wrote {out / models_page.PAGE} and {out / models_page.TABLE}", to_stderr=True)


def _named(patterns: list[str]) -> list[str]:
    """Return the names in the package's files that fit any of the patterns."""
    from ..checkpoints.availability import list_models
    from ..schema import config_files, registry

    found = {name for pattern in patterns for name in list_models(pattern)} & set(config_files.paths())
    if not found:
        for pattern in patterns:
            registry.refuse_unknown(pattern)
        raise UsageError(f"no model of the registry fits {', '.join(patterns)}; give globs over names (`zoo list`)")
    return sorted(found)


def learn(path: Path, answers: list[tuple[Place, Answer]]) -> bool:
    """Write what answers add to the entries of a config file, and nothing else; returns whether that was anything.

    Raises:
        ZooError: the file cannot be written.
    """
    from ..common import files
    from ..schema import config_files
    from ..schema.config import ModelConfig

    data, news = config_files.read(path), False
    for place, answer in answers:
        added = answer.news(place.upstream)
        entry: Any = next(weights for weights in data["weights"] if weights["tag"] == place.tag)
        for key in place.keys:
            entry = entry[key]
        entry |= added
        news |= bool(added)
    if news:
        text = ModelConfig.from_dict(data, str(path)).to_json(data.get("base"))
        try:
            files.write_atomically(path, text.encode())
        except OSError as error:
            raise ZooError(f"{path} cannot be written ({error.strerror}); run this in a checkout") from None
    return news


def _row(place: Place, answer: Answer) -> dict:
    return {
        "name": place.name,
        "tag": place.tag,
        "file": place.file,
        "place": place.upstream.address,
        "path": place.upstream.path,
        "status": answer.status,
        "size": answer.size,
        "sha256": answer.sha256,
        "new": sorted(answer.news(place.upstream)),
        "why": answer.why,
    }


def _print_table(rows: list[tuple[Place, Answer]]) -> None:
    from ..common.files import as_size
    from ..common.tables import columns

    table = columns("entry", "file", "place", "status", "size", "sha256", "new", "remark", right=("size",))
    for place, answer in rows:
        row = _row(place, answer)
        size, sha256 = answer.size and as_size(answer.size), (answer.sha256 or "")[:12]
        cells = (f"{place.name}@{place.tag}", place.file, place.upstream.host, answer.status, size or "", sha256)
        table.add_row(*map(plain, (*cells, ", ".join(row["new"]), answer.why)))
    show(table)
