"""The demo in a headless Chromium: `pytest -m browser` (needs chromium and chromedriver; .ci/run installs both)."""

from __future__ import annotations

import base64
import gc
import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from ports import free_port
from reverse_proxy import under_path

import zoo

pytestmark = [
    pytest.mark.browser,
    # Gradio and its client leave event loops and sockets to the garbage collector
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

_FETCHED = """
const done = arguments[arguments.length - 1];
Promise.all([...document.querySelectorAll(arguments[0])].map(async (img) => {
  const data = new Uint8Array(await (await fetch(img.src)).arrayBuffer());
  return btoa(data.reduce((text, byte) => text + String.fromCharCode(byte), ""));
})).then(done);
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    from zoo.demo import Settings, start

    with pytest.MonkeyPatch.context() as patch:
        for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED", "HF_HUB_DISABLE_TELEMETRY", "NO_PROXY", "no_proxy"):
            patch.setenv(name, "")
        patch.setenv("ZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("ZOO_DATA", str(tmp_path_factory.mktemp("data")))
        patch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("torch")))  # without Inception's weights
        with start(Settings(device="cpu"), port=free_port()) as running:
            yield running
        gc.collect()  # while what Gradio leaves unclosed is still let pass


class Browser:
    """A page of the demo, and what one does on it."""

    def __init__(self, driver, url: str):
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support.ui import WebDriverWait

        self.driver, self.url, self._by, self._wait = driver, url, By.CSS_SELECTOR, WebDriverWait(driver, 60, 0.1)

    def open(self, query: str = "") -> None:
        self.driver.get(self.url + query)
        # The page has drawn its first pictures, and said where to find them.
        self.until(lambda: any(field.get_attribute("value") for field in self.all("#link textarea")))

    def all(self, selector: str):
        return self.driver.find_elements(self._by, selector)

    def until(self, condition):
        return self._wait.until(lambda _: condition())

    def click(self, selector: str) -> None:
        element = self.until(lambda: self.all(selector))[-1]
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def tab(self, name: str) -> None:
        def named():
            return [b for b in self.all("button[role=tab]") if b.get_attribute("textContent").strip() == name]

        self.driver.execute_script("arguments[0].click()", self.until(named)[0])

    def fill(self, selector: str, text: str, enter: bool = False) -> None:
        from selenium.webdriver.common.keys import Keys

        field = self.until(lambda: self.all(selector))[0]
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text + (Keys.ENTER if enter else ""))

    def text(self, selector: str) -> str:
        found = self.all(selector)
        return found[0].get_attribute("textContent") if found else ""

    def images(self, selector: str) -> list[np.ndarray]:
        encoded = self.driver.execute_async_script(_FETCHED, selector)
        return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")) for data in encoded]

    def problems(self) -> list[str]:
        """Errors of the console, and addresses outside the server."""
        found = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                address = message["params"]["request"]["url"]
                if not address.startswith((self.url, "data:", "blob:", "chrome:")):
                    found.append(address)
        return found


@pytest.fixture(scope="module")
def driver():
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1440,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chromedriver = shutil.which("chromedriver")
    assert chromedriver, "chromedriver is missing; on Debian: apt-get install chromium chromium-driver"
    made = webdriver.Chrome(options=options, service=Service(chromedriver))
    yield made
    made.quit()


@pytest.fixture
def browser(driver, server):
    page = Browser(driver, server.url)
    page.problems()
    yield page
    assert not page.problems()


def _expected(model: str, *arguments, **named) -> list[np.ndarray]:
    return [np.asarray(image) for image in zoo.load(model).sample(*arguments, **named)]


def _same(found: list[np.ndarray], expected: list[np.ndarray]) -> bool:
    return len(found) == len(expected) and all((a == b).all() for a, b in zip(found, expected, strict=True))


def _drawn(browser: Browser, seed: int) -> None:
    browser.until(lambda: f"seed {seed}," in browser.text("#status"))


def test_choose_a_class_and_a_seed_and_generate(browser):
    browser.open()
    _drawn(browser, 0)
    browser.fill("#class input", "7", enter=True)
    browser.fill("#seed input", "123")
    browser.click("#generate")
    _drawn(browser, 123)
    labels = [i * 10 // 50 for i in range(50)]  # "all" is chosen at first, and holds
    assert _same(browser.images("#gallery .grid-container img"), _expected("contragan/digits", 50, labels, 123))


def test_a_link_restores_the_view_and_the_address_follows_it(browser):
    browser.open("?model=contragan/digits&seed=7&label=3&n=12&columns=4&truncation=0.8")
    _drawn(browser, 7)
    assert _same(browser.images("#gallery .grid-container img"), _expected("contragan/digits", 12, 3, 7, 0.8))
    browser.click("#dice")
    browser.until(lambda: "seed=7&" not in browser.driver.current_url and "seed 7," not in browser.text("#status"))
    seed = int(browser.all("#seed input")[0].get_attribute("value"))
    browser.until(lambda: f"seed={seed}" in browser.driver.current_url)
    assert "label=3" in browser.driver.current_url
    assert _same(browser.images("#gallery .grid-container img"), _expected("contragan/digits", 12, 3, seed, 0.8))


def test_a_wrong_link_says_so_and_shows_no_html_of_its_own(browser):
    browser.open("?model=contragan/digits&label=<img src=x onerror=alert(1)>&seed=5")
    _drawn(browser, 5)
    assert "no class" in browser.text(".zoo-notice")
    assert not browser.all(".zoo-notice img")


def test_another_model_is_found_by_typing(browser):
    browser.open()
    _drawn(browser, 0)
    browser.fill("#model input", "infomax-gan / digits", enter=True)
    browser.until(lambda: "InfoMax-GAN" in browser.text("#facts"))
    browser.fill("#seed input", "4")
    browser.click("#generate")
    browser.until(lambda: "infomax-gan/digits, seed 4," in browser.text("#status"))
    assert _same(browser.images("#gallery .grid-container img"), _expected("infomax-gan/digits", 50, None, 4))


def test_interpolate(browser):
    browser.open("?tab=explore")
    browser.click("#interpolate")
    browser.until(lambda: browser.all("#strip img"))
    (strip,) = browser.images("#strip img")
    assert (strip == np.asarray(zoo.load("contragan/digits").interpolate(3, 4, 12).grid(12, padding=1))).all()
    browser.until(lambda: browser.all("#loop img"))


def test_compare(browser):
    browser.open("?tab=compare")
    browser.click("#compare")
    browser.until(lambda: len(browser.all("#compared img")) == 2)
    for found, name in zip(browser.images("#compared img"), ("contragan/digits", "infomax-gan/digits"), strict=True):
        assert (found == np.asarray(zoo.load(name).sample(25, seed=0).grid())).all()
    assert "Frechet distance" in browser.text("#compared")


def test_nearest_training_images(browser):
    browser.open("?tab=explore")
    browser.tab("Nearest real images")
    browser.click("#find-nearest")
    browser.until(lambda: len(browser.all("#nearest-table img")) == 9)
    assert "1,797 images" in browser.text("#nearest-table")


def test_a_missing_extractor_is_explained_on_the_page(browser):
    browser.open("?tab=evaluate")
    browser.until(lambda: [option for option in browser.all("#extractor label") if "inception" in option.text])[
        0
    ].click()
    browser.click("#evaluate")
    browser.until(lambda: "Inception weights are not on this machine" in browser.text("#report"))


def test_about(browser):
    browser.open("?tab=about")
    browser.until(lambda: "ContraGAN" in browser.text("#card"))
    browser.until(lambda: browser.all("#sheet img"))


@pytest.mark.parametrize("tab", ["sample", "explore", "compare", "evaluate", "about"])
def test_a_phone_needs_no_sideways_scrolling(browser, tab):
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        browser.open(f"?tab={tab}")
        if tab == "about":
            browser.until(lambda: browser.all("#sheet img"))
        assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= 390
    finally:
        browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_every_control_has_a_name(browser):
    browser.open()
    unnamed = browser.driver.execute_script(
        """return [...document.querySelectorAll("input, textarea, button, select, img")].filter((e) =>
        e.offsetParent && !e.getAttribute("aria-label") && !e.getAttribute("title") && !e.textContent.trim()
        && !e.getAttribute("alt") && !e.getAttribute("aria-labelledby") && !(e.labels && e.labels.length)
        ).map((e) => e.outerHTML.slice(0, 200));"""
    )
    assert not unnamed


def test_the_keyboard_is_enough(browser):
    """Tab to the class and the seed, type, tab to the button, Enter; and the focus is seen on the way."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    def press(*keys: str) -> None:
        ActionChains(browser.driver).send_keys(*keys).perform()

    def outlined() -> bool:
        return "solid 2px" in browser.driver.execute_script("return getComputedStyle(document.activeElement).outline")

    def tab_to(selector: str) -> None:
        for _ in range(60):
            press(Keys.TAB)
            if browser.driver.execute_script("return document.activeElement.matches(arguments[0])", selector):
                browser.until(outlined)  # Gradio's buttons take 0.2 s to change their style
                return
        raise AssertionError(f"60 tabs do not reach {selector}")

    browser.open()
    _drawn(browser, 0)
    tab_to("#class input")
    press("4", Keys.ENTER, Keys.ESCAPE)
    tab_to("#seed input")
    ActionChains(browser.driver).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).send_keys("21").perform()
    tab_to("#generate")
    press(Keys.ENTER)
    _drawn(browser, 21)
    assert len(browser.images("#gallery .grid-container img")) == 50


def test_behind_a_proxy_under_a_path(driver):
    from zoo.demo import Settings, start

    with (
        start(Settings(device="cpu"), port=free_port(), root_path="/zoo") as running,
        under_path(running.url, "/zoo") as url,
    ):
        page = Browser(driver, url)
        page.problems()
        page.open("?model=contragan/digits&seed=7&label=3&n=12")
        _drawn(page, 7)
        assert _same(page.images("#gallery .grid-container img"), _expected("contragan/digits", 12, 3, 7))
        assert page.driver.current_url.startswith(url)
        assert page.all("#link textarea")[0].get_attribute("value").startswith(url)
        # Gradio's page asks for its manifest at the root, whatever the path, and Chromium for an icon there.
        root = ("/manifest.json", "/favicon.ico")
        assert not [problem for problem in page.problems() if not any(file in problem for file in root)]
