"""Make untrusted text harmless where it is shown: on a terminal, on one line, in Markdown and in errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.text import Text

# Characters that move the cursor, change the writing direction or are invisible; surrogates; noncharacters.
_ALWAYS = "\x00-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff"
_ASTRAL = "\U000e0000-\U000e007f\ud800-\udfff"
# Joiners belong to Persian, Hindi and emoji; between Latin letters they are only invisible.
HIDDEN = re.compile(f"[{_ALWAYS}{_ASTRAL}]|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])")

LINE = 1900  # characters of an error; its beginning and its end are kept


def visible(text: str) -> str:
    """Return the text with control and invisible characters written as \\x1b and the like."""
    return HIDDEN.sub(lambda match: escaped(match[0]), text)


def escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def one_line(text: str, longest: int = LINE) -> str:
    """Return the text on one harmless line; a long text loses its middle."""
    if len(text) > longest:  # the end of an error says what to do
        end = longest // 3
        text = f"{text[: longest - end - 5]} ... {text[-end:]}"
    return visible(re.sub(r"\s*[\t\n\r\f\v]\s*", " ", text))


def short(value: Any, longest: int = 60) -> str:
    """Describe a value of any size in an error; a long value by its beginning."""
    if isinstance(value, str):
        return visible(repr(value[:longest])) + (f"... ({len(value):,} characters)" if len(value) > longest else "")
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 200:
        return f"a number of {value.bit_length():,} bits"
    if isinstance(value, dict):
        return f"an object with {len(value):,} entries"
    if isinstance(value, list | tuple):
        if longest < 6:  # lists in lists in lists
            return "..."
        shown = ", ".join(short(item, longest // 3) for item in value[:3])
        return (
            f"[{cut(shown, longest)}]" if len(value) <= 3 else f"[{cut(shown, longest)}, ... ({len(value):,} in all)]"
        )
    return cut(visible(repr(value)), longest)


def letters(name: str) -> str:
    """Return the letters a to z and the digits of a name, which all its spellings share."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def first_line(error: Exception, longest: int = 300) -> str:
    """Return the first line of what an error of another library says, or its type where it says nothing."""
    return cut(str(error).splitlines()[0], longest) if str(error) else type(error).__name__


def plain(text: str, style: str = "") -> Text:
    """Return text that a terminal shows literally: rich reads brackets as markup, and terminals obey escapes."""
    from rich.text import Text

    return Text(visible(text), style=style)


# ------------------------------------------------------------------------------------------------------ Markdown


def markdown(text: str) -> str:
    """Escape text so that Markdown shows it literally, in a line or a table cell: no emphasis, links, code or HTML."""
    text = visible(text).replace("\\", "\\\\")
    # An underscore inside a word is literal; a "#" may begin or end a heading.
    active = r"[*`\[\]|~$]|(?<![^\W_])_|_(?![^\W_])|(?<!\S)#"
    text = re.sub(active, lambda match: f"\\{match[0]}", text)
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text).replace("<", "&lt;").replace("](", "]&#40;")
    return re.sub(r"^(\s*)(?:([>=]|[+-](?=[\s-]|$))|(\d+)([.)])(?=\s|$))", _not_a_block, text)


def _not_a_block(match: re.Match) -> str:
    """Escape the beginning of a line that looks like a heading, a quotation or a list."""
    space, sign, number, point = match.groups()
    return f"{space}\\{sign}" if sign else f"{space}{number}\\{point}"


def fenced(text: str, language: str = "") -> str:
    """Return a block of code with a fence that the text cannot close."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; the cells are Markdown already."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
