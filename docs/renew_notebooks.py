"""Execute the tutorials and store their outputs: `python docs/renew_notebooks.py [NAME ...]`, with the extra `docs`.

What differs from machine to machine (times, versions, the identity of cells) is left out of the files, and pictures are
kept as JPEG where that is smaller.
"""

from __future__ import annotations

import base64
import io
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).resolve().parent / "tutorials"
PYTHON = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def renew(path: Path) -> None:
    """Execute one notebook in a folder of its own, and write it back; raises if a cell fails."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        NotebookClient(notebook, timeout=600, record_timing=False, coalesce_streams=True, resources=resources).execute()
    notebook.metadata = nbformat.from_dict(PYTHON)
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number}", nbformat.from_dict({})
        for output in cell.get("outputs", ()):
            if "data" in output:
                output.metadata = nbformat.from_dict({})
                _shrink(output.data)
    nbformat.validate(notebook)
    nbformat.write(notebook, path)


def _shrink(data: dict) -> None:
    """Keep one form of a picture: a JPEG if that is smaller than the PNG."""
    if "image/png" not in data:
        return
    data.pop("image/jpeg", None)
    picture, jpeg = base64.b64decode(data["image/png"]), io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").save(jpeg, "JPEG", quality=90, subsampling=0, optimize=True)
    if len(jpeg.getvalue()) < len(picture):
        del data["image/png"]
        data["image/jpeg"] = base64.b64encode(jpeg.getvalue()).decode()


if __name__ == "__main__":
    for path in [FOLDER / f"{name}.ipynb" for name in sys.argv[1:]] or sorted(FOLDER.glob("*.ipynb")):
        renew(path)
        print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")
