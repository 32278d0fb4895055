"""The files that a host of repositories reads: hooks, workflow, citation, security policy."""

from pathlib import Path

import pytest
import yaml
from published_facts import CONTRAGAN, INFOMAX

from zoo.schema import registry

ROOT = Path(__file__).resolve().parent.parent


def read(name: str):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("facts", "method"), [(INFOMAX, "infomax-gan/cifar10"), (CONTRAGAN, "contragan/cifar10")], ids=["infomax", "contra"]
)
def test_the_citation_names_the_papers(facts, method):
    paper, arxiv = facts["paper"], registry.config(method).paper
    (entry,) = (entry for entry in read("CITATION.cff")["references"] if entry["url"].endswith(arxiv))
    assert entry["title"] == paper["title"]
    assert [f"{a['given-names']} {a['family-names']}" for a in entry["authors"]] == paper["authors"]
    assert entry["identifiers"] == [{"type": "other", "value": f"arXiv:{arxiv}"}]
    assert f"{entry['conference']['name'].split('(')[1].rstrip(')')} {entry['year']}" in paper["venue"]


def test_hooks_are_pinned_and_the_workflow_does_what_is_done_by_hand():
    revisions = [repository["rev"] for repository in read(".pre-commit-config.yaml")["repos"]]
    assert all(revision.startswith("v") and revision.count(".") == 2 for revision in revisions)
    steps = read(".github/workflows/ci.yml")["jobs"]["test"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
