"""Evaluate: placeholder until the evaluation is here."""


def build(page) -> None:
    pass
