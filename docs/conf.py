"""The site: `python -m sphinx -c docs -W -n . docs/_build`, from the root of a checkout; no network is used.

The root of the checkout is the source folder, so that README files of other folders are pages, and every relative link
works on the site as on the host of the repository.
"""

import html
import re
import subprocess
import sys

from pydantic import BaseModel

from zoo import __version__

project = "contrastive-gan-zoo"
author = "The contrastive-gan-zoo authors"
copyright = author
release = version = __version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "myst_nb", "sphinx_copybutton"]
root_doc = "docs/index"
include_patterns = [
    "docs/*.md",
    "docs/reference/*.md",
    "docs/tutorials/*.md",
    "docs/tutorials/*.ipynb",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "benchmarks/README.md",
    "model_cards/*.md",
    "studies/README.md",
    "studies/*/README.md",
    "training/README.md",
    "training/studies/README.md",
]
exclude_patterns = ["**/_build", "**/__pycache__", ".*", "build", "dist", "runs", "work", "sweeps", "zoo", "tests"]

html_theme = "furo"
html_title = project
html_copy_source = False
html_additional_pages = {"index": "to_index.html"}  # of the site's root
templates_path = ["templates"]

# Pages
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
copybutton_exclude = ".linenos, .gp, .go"

# Notebooks: shown as stored, unless the build asks for their execution (-D nb_execution_mode=force).
nb_execution_mode = "off"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300

# Docstrings
default_role = "code"  # they write code as Markdown does
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True}
napoleon_numpy_docstring = False
napoleon_use_rtype = False
nitpick_ignore_regex = [("py:class", ".*")]  # annotations: of other packages, whose inventories are on the network


# Code; an option, of which smart quotes would make a dash; the asterisk of a glob, with which emphasis would begin.
_LITERAL = re.compile(r"""(`[^`\n]*`)|(?<![\w-])(--[a-z][a-z-]*)|(?<!\*)\*(?=["/\]])|(?<=\w)\*(?=")""")


def setup(app):
    app.connect("source-read", _append_the_help_of_commands)
    app.connect("autodoc-process-docstring", _adapt_docstring, priority=400)  # before napoleon
    app.connect("autodoc-process-docstring", _keep_colons, priority=600)  # after napoleon
    app.connect("autodoc-process-signature", _leave_out_fields)
    app.connect("doctree-read", _need_no_place_in_a_table_of_contents)


def _need_no_place_in_a_table_of_contents(app, doctree):
    """Cards and reports of studies are reached from the pages that list them."""
    name = app.env.docname
    if name.startswith(("model_cards/", "studies/")) and name != "studies/README":
        app.env.metadata[name]["orphan"] = ""


def _append_the_help_of_commands(app, name, source):
    """The page of commands has a table; on the site, the help of every command follows it."""
    if name == "docs/commands":
        typer = [sys.executable, "-m", "typer", "zoo.cli.app", "utils", "docs", "--name", "zoo"]
        text = html.unescape(subprocess.run(typer, check=True, capture_output=True, encoding="utf-8").stdout)
        text = re.sub(r"^(zoo .*)$", r"`\1`", text.partition("\n## ")[2], flags=re.MULTILINE)  # examples
        source[0] += "\n## " + _kept_literally(text)


def _adapt_docstring(app, what, name, obj, options, lines):
    lines[:] = map(_kept_literally, lines)


def _kept_literally(text: str) -> str:
    return _LITERAL.sub(lambda match: match[1] or (f"`{match[2]}`" if match[2] else r"\*"), text)


def _keep_colons(app, what, name, obj, options, lines):
    """Undo that napoleon takes what stands before a colon in the docstring of a property for a type."""
    types = [line for line in lines if line.startswith(":type: ")]
    if what == "property" and types:
        lines[:] = [line for line in lines if line not in types]
        lines[0] = f"{types[0].removeprefix(':type: ')}: {lines[0]}"


def _leave_out_fields(app, what, name, obj, options, signature, returned):
    """A pydantic class has a field for each of its keys, with a type as long as a page."""
    return ("", None) if what == "class" and issubclass(obj, BaseModel) else None
