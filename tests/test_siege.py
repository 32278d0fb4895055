"""A short siege of random inputs: every one is refused in one clear line or accepted, and harms nothing."""

import sys

import pytest
from programs.siege_inputs import besiege


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")
def test_random_inputs_are_refused_in_one_line_or_accepted():
    figures = besiege(seconds=3, seed=0)
    assert figures["fault_list"] == []
    assert figures["trials"] == figures["refused"] + figures["accepted"]
    assert figures["trials"] > 50
    assert figures["accepted"] > 3
    assert len(figures["kinds"]) == 7
