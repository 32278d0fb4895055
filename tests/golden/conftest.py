"""Cases come from the manifest of a folder: the one here, or any other of the same schema in $ZOO_GOLDEN."""

import json
import os
from pathlib import Path

FOLDER = Path(os.environ.get("ZOO_GOLDEN", Path(__file__).parent))


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        cases = json.loads((FOLDER / "manifest.json").read_text())["cases"]
        for case in cases:
            case["path"] = FOLDER / case["file"]
        metafunc.parametrize("case", cases, ids=[case["file"].removesuffix(".safetensors") for case in cases])
