"""Panels of the help pages. The same kind of option stands in the panel of the same name in every command."""

from __future__ import annotations

# Of commands, in the order in which `zoo --help` shows them.
FIND, SAMPLE, EVALUATE, TRAIN, SHARE, MANAGE = COMMANDS = ("Find", "Sample", "Evaluate", "Train", "Share", "Manage")

# Of options.
MODEL, RECIPE, IMAGES, DATA, PROTOCOL = "Model", "Recipe", "Images", "Data", "Protocol"
SERVER, LIMITS, COMPUTE, OUTPUT = "Server", "Limits", "Compute", "Output"
OPTIONS = (MODEL, RECIPE, IMAGES, DATA, PROTOCOL, SERVER, LIMITS, COMPUTE, OUTPUT)
