"""The Python and command lines that make the pictures on the page."""

from __future__ import annotations

import shlex

from .validation import Sample


def python(request: Sample, columns: int | None = None) -> str:
    """Return Python lines that make the same pictures."""
    arguments = [str(request.n), *_label(request), f"seed={request.seed}"]
    if request.truncation is not None:
        arguments.append(f"truncation={request.truncation:g}")
    save = f"images.save({literal(f'{request.config.slug}.png')}" + (f", columns={columns})" if columns else ")")
    load = f"model = zoo.load({literal(request.model)})"
    return f"import zoo\n\n{load}\nimages = model.sample({', '.join(arguments)})\n{save}"


def command(request: Sample, columns: int | None = None) -> str:
    """Return the command line that writes the same grid."""
    words = ["zoo", "sample", request.model, "-n", str(request.n)]
    if request.classes is not None:
        words += ["--label", ",".join(request.words)]
    words += ["--seed", str(request.seed)]
    if request.truncation is not None:
        words += ["--truncation", f"{request.truncation:g}"]
    if columns:
        words += ["--columns", str(columns)]
    return shlex.join([*words, "-o", f"{request.config.slug}.png"])


def interpolation(name: str, a: int, b: int, steps: int, label: str | None) -> str:
    """Return Python lines that make the same strip."""
    chosen = "" if label is None else f", label={literal(label)}"
    made = f"zoo.load({literal(name)}).interpolate({a}, {b}, steps={steps}{chosen})"
    return f'import zoo\n\n{made}.save("interpolation.png")'


def literal(text: str) -> str:
    """A Python string literal, in double quotes where that is as short; nothing in it ends it or is invisible."""
    quoted = repr(text)
    return f'"{quoted[1:-1]}"' if quoted[0] == "'" and '"' not in text else quoted


def _label(request: Sample) -> list[str]:
    if request.classes is None:
        return []
    if request.classes == "all":
        count = request.config.num_classes
        return [f"label=[i * {count} // {request.n} for i in range({request.n})]"]
    if len(request.classes) == 1:
        word = request.words[0]
        return [f"label={word if word == str(request.classes[0]) else literal(word)}"]
    chosen = list(request.classes)
    return [f"label=[{chosen}[i * {len(chosen)} // {request.n}] for i in range({request.n})]"]
