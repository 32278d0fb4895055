"""No config of the registry changes by accident: what each resolves to, as a digest."""

import hashlib
import json
from pathlib import Path

from published_facts import TESTS, facts

from zoo.schema import registry

RENEW = f"python {Path(__file__).resolve().relative_to(TESTS.parent)}"


def digest(name: str) -> str:
    """sha256 of the resolved config as JSON without spaces and with sorted keys."""
    data = registry.config(name).to_dict()
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def test_every_resolved_config_is_the_one_that_was_recorded():
    recorded, found = facts("config_digests"), {name: digest(name) for name in registry.names()}
    changed = sorted(name for name in recorded | found if recorded.get(name) != found.get(name))
    assert not changed, f"if these configs were meant to change, run: {RENEW}"


if __name__ == "__main__":
    text = json.dumps({name: digest(name) for name in registry.names()}, indent=2) + "\n"
    (TESTS / "published" / "config_digests.json").write_text(text, encoding="utf-8")
