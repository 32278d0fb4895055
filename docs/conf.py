"""The site: `python -m sphinx -c docs -W -n . docs/_build`, from the root of a checkout; no network is used.

The root of the checkout is the source folder, so that README files of other folders are pages, and every relative link
works on the site as on the host of the repository.
"""

import html
import re
import subprocess
import sys

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
smartquotes = False  # which would make dashes of options
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


_ASTERISK = re.compile(r"""(?<!\*)\*(?=["/\]])|(?<=\w)\*(?=")""")  # of a glob, where Markdown and RST see emphasis


def setup(app):
    app.connect("source-read", _append_the_help_of_commands)
    app.connect("autodoc-process-docstring", _adapt_docstring, priority=400)  # before napoleon
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
        source[0] += "\n## " + _ASTERISK.sub(r"\\*", text)


def _adapt_docstring(app, what, name, obj, options, lines):
    lines[:] = [_ASTERISK.sub(r"\\*", line) for line in lines]
    if what == "property":  # or napoleon takes what stands before a colon for a type
        lines.insert(0, "")
