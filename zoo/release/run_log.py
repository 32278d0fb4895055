"""The log of a training run: metrics.jsonl, one line per logged step."""

from __future__ import annotations

from pathlib import Path

from ..common.json_files import UnreadableError, parse_json


def read_log(path: Path) -> tuple[list[dict[str, float]], int]:
    """Return the records and the number of damaged lines; a last line that a kill cut short is ignored."""
    lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
    found = [_record(line) for line in lines if line.endswith(b"\n")]
    records = [record for record in found if record is not None]
    return records, len(found) - len(records)


def _record(line: bytes) -> dict[str, float] | None:
    """Parse a line of metrics.jsonl; None if it is damaged."""
    try:
        record = parse_json(line)
    except UnreadableError:
        return None
    if not isinstance(record, dict) or type(record.get("step")) is not int or record["step"] < 0:
        return None
    return record if all(type(value) in (int, float) for value in record.values()) else None
