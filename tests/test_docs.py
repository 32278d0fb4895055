"""The pages and notebooks of the site, as far as they can be checked without a build; .ci/run builds and executes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))
PAGES = [
    path
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "training/**/*.md",
        "studies/README.md",
        "benchmarks/*.md",
        "docs/tutorials/*.ipynb",
    )
    for path in sorted(ROOT.glob(pattern))
]


def text_of(path: Path) -> str:
    """Return a page's Markdown; of a notebook, that of its cells of text."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    return "\n\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown")


def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub and the site give to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text_of(path), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_within_the_repository_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_as_it_ran(path):
    """In order, to the end, and with nothing in it that belongs to one machine; `docs/renew_notebooks.py` stores it."""
    text = path.read_text(encoding="utf-8")
    notebook = json.loads(text)
    assert notebook["nbformat"] == 4
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == [*range(1, len(cells) + 1)]
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert (
        any({"image/png", "image/jpeg"} & {*output.get("data", ())} for output in outputs)
        or path.stem == "verify-a-score"
    )
    assert len(text) < 300_000
    words = re.sub(r'"image/(png|jpeg)": "[^"]*"', "", text)
    assert not re.search(r"/(tmp|home|root|work|usr|Users)/|\d{4}-\d\d-\d\d|0x[0-9a-f]{6}", words)


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_cell_can_run_again(path):
    """Folders may be there already, and runs of an earlier execution make place."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            assert source.count("mkdir(") == source.count("exist_ok=True"), source
            for run in re.findall(r"^zoo train .*?--out (\S+)", source, re.MULTILINE):
                assert f"rm -rf {run} " in source, source


def test_every_notebook_is_in_both_lists():
    """In the links, for the host of the repository, and in the table of contents of the site, in the same order."""
    page = text_of(ROOT / "docs" / "tutorials" / "index.md")
    linked = re.findall(r"^- \[[^]]+\]\((.+)\.ipynb\)", page, re.MULTILINE)
    assert page.split(":hidden:")[1].replace("```", "").split() == linked
    assert sorted(linked) == [path.stem for path in TUTORIALS]


def test_readme_is_short():
    """Details belong to the pages that it links to."""
    assert len(text_of(ROOT / "README.md").splitlines()) < 90
