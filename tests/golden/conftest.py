"""Cases come from the manifests of this folder, extra/ and sources/, or from a folder of that schema in $ZOO_GOLDEN."""

import json
import os
from pathlib import Path

HERE = Path(__file__).parent
FOLDERS = [Path(os.environ["ZOO_GOLDEN"])] if "ZOO_GOLDEN" in os.environ else [HERE, HERE / "extra", HERE / "sources"]


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        cases = []
        for folder in FOLDERS:
            for case in json.loads((folder / "manifest.json").read_text())["cases"]:
                cases.append(case | {"path": folder / case["file"]})
        metafunc.parametrize("case", cases, ids=[case["file"].removesuffix(".safetensors") for case in cases])
