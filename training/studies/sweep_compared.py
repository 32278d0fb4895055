"""What the runs of a sweep differ in: the options' own fields, and what its comparisons allow."""

from __future__ import annotations

from zoo.schema.config import ModelConfig

from .sweep import PlannedRun, Sweep


def undeclared(definition: Sweep, paper: bool) -> dict[str, set[str]]:
    """Return the fields in which compared runs differ though neither an option sets them nor a comparison allows it.

    Returns:
        By field, its values; empty for a sweep that compares what it says. A run that no comparison holds is an entry
        of its own, under its label.
    """
    planned = {run.label: run for run in definition.runs(paper)}
    if not definition.comparisons:
        return _differences(list(planned.values()), _set_fields(definition))
    found: dict[str, set[str]] = {}
    for comparison in definition.comparisons:
        runs = [run for run in planned.values() if comparison.holds(run)]
        found |= _differences(runs, _set_fields(definition) | set(comparison.differ_in))
    held = {run.label for run in planned.values() if any(c.holds(run) for c in definition.comparisons)}
    return found | {label: set() for label in planned if label not in held}


def in_words(definition: Sweep) -> str:
    """Say what differs, for the page of a sweep."""
    if not definition.comparisons:
        return "Everything else is as the settings below say, and the same for all."
    groups: dict[tuple[str, ...], list[str]] = {}
    for comparison in definition.comparisons:
        options = [f"{axis} {' / '.join(names)}" for axis, names in comparison.among.items()]
        groups.setdefault(comparison.differ_in, []).append(" and ".join(options))
    parts = []
    for fields, among in groups.items():
        within = "".join(f"; among {names}" for names in among if names).lstrip(";")
        parts.append((f"runs differ in {', '.join(fields)} alone" if fields else "nothing differs") + within)
    return f"Apart from what the options set, {'; '.join(parts)}."


def _set_fields(definition: Sweep) -> set[str]:
    options = [option for axis in definition.axes.values() for option in axis.values()]
    fields = {field for option in options for field in option.changes}
    shared = any(option.class_share < 1 for option in options)
    return fields | ({"generator.num_classes", "discriminator.num_classes"} if shared else set())


def _differences(runs: list[PlannedRun], allowed: set[str]) -> dict[str, set[str]]:
    told = [_flat(run.config) for run in runs]
    fields = dict.fromkeys(field for one in told for field in one)
    values = {field: {repr(one.get(field)) for one in told} for field in fields}
    return {field: found for field, found in values.items() if len(found) > 1 and not _is_allowed(field, allowed)}


def _is_allowed(field: str, allowed: set[str]) -> bool:
    """Return True for an allowed field, one below it, or one that a part of it takes away."""
    return any(f"{field}.".startswith(f"{one}.") or one.startswith(f"{field}.") for one in allowed)


def _flat(config: ModelConfig) -> dict:
    """Return the fields of networks, data and training by dotted name; parts of lists have numbers."""
    return dict(_leaves({name: config.to_dict()[name] for name in ("generator", "discriminator", "data", "training")}))


def _leaves(node, path: str = ""):
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        field = f"{path}.{key}" if path else str(key)
        if field in ("training.as_paper", "training.notes"):
            continue
        nested = isinstance(value, dict) or (isinstance(value, (list, tuple)) and value and isinstance(value[0], dict))
        if nested:
            yield from _leaves(value, field)
        else:
            yield field, value
