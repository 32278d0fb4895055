"""This package as a wheel, made from its installed files: what runs here runs elsewhere."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from ..common import extras
from ..common.errors import ZooError
from ..common.package_data import data_path, top_folder

_AT_THE_TOP = ("hub_configs", "model_cards")  # of a checkout; inside `zoo` in a wheel
_WHEEL = "Wheel-Version: 1.0\nGenerator: contrastive-gan-zoo\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def build() -> tuple[str, bytes]:
    """Return the name and the bytes of the wheel; the same files give the same bytes.

    Raises:
        ZooError: the package is not installed, so that its metadata are missing.
    """
    try:
        installed = metadata.distribution(extras.DISTRIBUTION)
    except metadata.PackageNotFoundError:
        raise ZooError("this source tree is not installed; run pip install -e . in its folder") from None
    stem = f"{extras.DISTRIBUTION.replace('-', '_')}-{installed.version}"
    files = {name: path.read_bytes() for name, path in _files()}
    about = {"METADATA": installed.read_text("METADATA"), "WHEEL": _WHEEL}
    about["entry_points.txt"] = installed.read_text("entry_points.txt")
    files |= {f"{stem}.dist-info/{name}": text.encode() for name, text in about.items() if text}
    record = f"{stem}.dist-info/RECORD"
    lines = [f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in files.items()]
    files[record] = "".join([*lines, f"{record},,\n"]).encode()
    return f"{stem}-py3-none-any.whl", _zipped(files)


def _files() -> Iterator[tuple[str, Path]]:
    """Yield the name in the wheel and the path of every file."""
    zoo = data_path("zoo")
    folders = {"zoo": zoo, "training": zoo.parent / "training"}
    folders |= {f"zoo/{name}": top_folder(name) for name in _AT_THE_TOP if not (zoo / name).is_dir()}
    for prefix, folder in folders.items():
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield f"{prefix}/{path.relative_to(folder).as_posix()}", path


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)  # of 1980
            entry.external_attr = 0o644 << 16
            if not name.endswith((".safetensors", ".png")):  # these hardly shrink
                entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return buffer.getvalue()
