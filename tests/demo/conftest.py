"""The demo in a headless Chromium, for the tests that are marked with `browser`."""

from __future__ import annotations

import gradio_leftovers
import pytest
from demo_page import Browser, headless
from ports import free_port


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    from zoo.demo import Settings, start

    with pytest.MonkeyPatch.context() as patch:
        for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED", "HF_HUB_DISABLE_TELEMETRY", "NO_PROXY", "no_proxy"):
            patch.setenv(name, "")
        patch.setenv("ZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("ZOO_DATA", str(tmp_path_factory.mktemp("data")))
        patch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("torch")))  # without Inception's weights
        with start(Settings(device="cpu", downloads=False), port=free_port()) as running:
            yield running
        gradio_leftovers.collect()  # while they are still let pass


@pytest.fixture(scope="module")
def driver():
    made = headless()
    yield made
    made.quit()


@pytest.fixture
def browser(driver, server):
    page = Browser(driver, server.url)
    page.problems()
    yield page
    assert not page.problems()
