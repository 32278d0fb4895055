"""A run in files of a bounded size, for taking it from one machine to another between two sittings.

python -m training.parcel pack runs/infomax parcel/      # after: zoo train ... --minutes 25
python -m training.parcel unpack parcel/ runs/infomax    # elsewhere; then: zoo train runs/infomax --resume

A parcel is one tar cut into parts, with a manifest of their checksums, which is written last: what has no manifest is
not whole. It holds the newest checkpoint, from which the run goes on to the bit, the exported weights, the log, the
best generator and all sheets.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from zoo.errors import ZooError
from zoo.files import building, write_atomically
from zoo.json_files import UnreadableError, read_json, reason

from . import checkpoint

MANIFEST = "manifest.json"
_PART = re.compile(r"run\.tar\.\d{3,}")
_LEFT_OUT = ("tensorboard", "checkpoints")  # of checkpoints the newest alone goes along

app = typer.Typer(add_completion=False, help=__doc__.splitlines()[0])


def pack(run: Path, out: Path, largest: int = 15 << 20) -> list[Path]:
    """Write a run folder as parts of at most `largest` bytes; returns them, the manifest last.

    Raises:
        ZooError: there is no run with a checkpoint, or `out` holds a parcel of something else.
    """
    newest = checkpoint.newest(run / "checkpoints")
    if newest is None or not (run / "config.json").is_file():
        raise ZooError(f"{run} is no run with a checkpoint; nothing to pack")
    name = json.loads((run / "config.json").read_text())["name"]
    earlier = _manifest(out) if (out / MANIFEST).exists() else {"name": name, "parts": {}}
    if earlier["name"] != name:
        raise ZooError(f"{out} holds a parcel of {earlier['name']}; give another folder")
    files = [newest, *sorted(_others(run))]
    out.mkdir(parents=True, exist_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)
    parts, sums = [], {}
    with tempfile.TemporaryFile(dir=out) as whole:
        with tarfile.open(fileobj=whole, mode="w") as tar:
            for file in files:
                tar.add(file, str(file.relative_to(run)))
        size = whole.tell()
        whole.seek(0)
        while part := whole.read(largest):
            path = out / f"run.tar.{len(parts):03d}"
            write_atomically(path, part)
            parts.append(path)
            sums[path.name] = hashlib.sha256(part).hexdigest()
    for stale in earlier["parts"].keys() - sums.keys():
        (out / stale).unlink(missing_ok=True)
    manifest = {"name": name, "checkpoint": newest.name, "bytes": size, "parts": sums}
    write_atomically(out / MANIFEST, json.dumps(manifest, indent=2).encode())
    return [*parts, out / MANIFEST]


def unpack(parcel: Path, run: Path) -> Path:
    """Make the run folder of a parcel; returns it.

    Raises:
        ZooError: a part is missing or damaged, or the folder holds something.
    """
    if run.exists() and any(run.iterdir()):
        raise ZooError(f"{run} holds something already; give another folder")
    manifest = _manifest(parcel)
    with building(run) as temporary:
        whole = io.BytesIO(b"".join(_verified(parcel, manifest["parts"].items())))
        try:
            with tarfile.open(fileobj=whole, mode="r:") as tar:
                _check(tar, whole.getbuffer().nbytes)
                tar.extractall(temporary, filter=_as_new)
        except tarfile.TarError as error:
            raise ZooError(f"{parcel} is no parcel of a run ({error}); nothing was written") from None
        if run.exists():
            run.rmdir()
        temporary.rename(run)
    return run


def _as_new(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo:
    """A member where it belongs, with the permissions of a new file instead of those that it had elsewhere."""
    return tarfile.data_filter(member, folder).replace(mode=None)


def _check(tar: tarfile.TarFile, size: int) -> None:
    """Raise tarfile.ReadError unless there are plain files and folders alone, as many bytes as there are."""
    for member in tar.getmembers():
        if not (member.isreg() or member.isdir()) or member.issparse():
            raise tarfile.ReadError(f"{member.name} in it is neither a file nor a folder")
        if member.name.startswith("/") or ".." in Path(member.name).parts:
            raise tarfile.ReadError(f"{member.name} in it is of elsewhere")
    if sum(member.size for member in tar.getmembers()) > size:
        raise tarfile.ReadError("its files are larger than it")


def _others(run: Path) -> Iterable[Path]:
    for path in run.rglob("*"):
        inside = path.relative_to(run)
        if path.is_file() and inside.parts[0] not in _LEFT_OUT and not path.name.startswith("."):
            yield path


def _manifest(parcel: Path) -> dict:
    try:
        found = read_json(parcel / MANIFEST)
        if not isinstance(found, dict) or not isinstance(found.get("parts"), dict) or "name" not in found:
            raise UnreadableError("it names no parts")
        if not all(_PART.fullmatch(name) for name in found["parts"]) or not isinstance(found["name"], str):
            raise UnreadableError("it is another kind of manifest")
    except (OSError, ValueError) as error:
        raise ZooError(
            f"{parcel} is no whole parcel: {MANIFEST} is missing or damaged ({reason(error)}); bring it over again"
        ) from None
    return found


def _verified(parcel: Path, parts: Iterable[tuple[str, str]]) -> Iterable[bytes]:
    for name, expected in parts:
        path = parcel / name
        data = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(data).hexdigest() != expected:
            raise ZooError(f"{path} is {'damaged' if data else 'missing'}; bring it over again")
        yield data


@app.command("pack")
def pack_command(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    out: Annotated[Path, typer.Argument(help="Folder for the parts.")],
    megabytes: Annotated[int, typer.Option(min=1, help="Of a part, at most.")] = 15,
) -> None:
    """Write a run folder as parts of a bounded size."""
    for path in pack(run, out, megabytes << 20):
        print(path)


@app.command("unpack")
def unpack_command(
    parcel: Annotated[Path, typer.Argument(help="Folder of the parts.")],
    run: Annotated[Path, typer.Argument(help="Run folder to make.")],
) -> None:
    """Make the run folder of a parcel."""
    print(unpack(parcel, run))


if __name__ == "__main__":
    try:
        app()
    except ZooError as error:
        raise SystemExit(f"parcel: {error}") from None
