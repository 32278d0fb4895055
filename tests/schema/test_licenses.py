"""Licences of the libraries that checkpoints come from."""

from typing import get_args

import pytest

from zoo.schema import registry
from zoo.schema.entries import Upstream
from zoo.schema.licenses import LIBRARIES, is_noncommercial, license_of, license_of_model, terms

PLACE = {"source": "studiogan", "google_drive_file": "x" * 30, "path": "netG.pth"}


def test_every_source_has_its_licence():
    assert set(get_args(Upstream.model_fields["source"].annotation)) <= set(LIBRARIES)
    assert {name: library.license for name, library in LIBRARIES.items()} == {
        "mimicry": "MIT",
        "studiogan": "MIT",
        "mmagic": "Apache-2.0",
        "mmagic-rgb": "Apache-2.0",
        "biggan-pytorch": "MIT",
        "biggan-deep": "MIT",
    }


def test_an_entry_states_its_own():
    assert terms(Upstream(**PLACE)) == "MIT, PyTorch-StudioGAN, https://github.com/POSTECH-CVLab/PyTorch-StudioGAN"
    assert license_of(Upstream(**PLACE, license="CC-BY-NC-4.0")) == "CC-BY-NC-4.0"
    with pytest.raises(ValueError, match="license"):
        Upstream(**PLACE, license="see\nelsewhere")


def test_a_model_has_the_licence_of_its_default_weights():
    config = registry.config("contragan/cifar10")
    upstream = {**PLACE, "license": "CC-BY-NC-4.0"}
    entry = {"tag": "x", "upstream": upstream}
    assert license_of_model(config.updated({"weights": [entry], "default_tag": "x"})) == "CC-BY-NC-4.0"
    assert license_of_model(config.updated({"weights": [], "default_tag": None, "published": []})) == config.license


@pytest.mark.parametrize(
    ("license", "answer"), [("CC-BY-NC-4.0", True), ("cc-by-nc-sa-3.0", True), ("MIT", False), ("NCSA", False)]
)
def test_what_excludes_commercial_use(license, answer):
    assert is_noncommercial(license) is answer
