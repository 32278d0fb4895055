"""A page of the demo in a headless Chromium, and what one does on it."""

from __future__ import annotations

import base64
import io
import json
import shutil
from contextlib import contextmanager

import numpy as np
from PIL import Image

_FETCHED = """
const done = arguments[arguments.length - 1];
Promise.all([...document.querySelectorAll(arguments[0])].map(async (img) => {
  const data = new Uint8Array(await (await fetch(img.src)).arrayBuffer());
  return btoa(data.reduce((text, byte) => text + String.fromCharCode(byte), ""));
})).then(done);
"""

# The colour of an element's text and of the backgrounds from its own to the page's, as a canvas draws them.
_COLOURS = """
const element = document.querySelector(arguments[0]), found = [getComputedStyle(element).color];
for (let each = element; each; each = each.parentElement) found.push(getComputedStyle(each).backgroundColor);
found.push("white");
const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
return found.map((colour) => {
  pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
  return [...pen.getImageData(0, 0, 1, 1).data];
});
"""

# What Gradio says when one leaves a page that is still drawing.
_LEFT = ("AbortError: signal is aborted", "Connection errored out")


def _luminance(colour: np.ndarray) -> float:
    linear = np.where(colour <= 10, colour / 255 / 12.92, ((colour / 255 + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def headless():
    """Return a driver of a headless Chromium; needs chromium and chromedriver."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1440,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chromedriver = shutil.which("chromedriver")
    assert chromedriver, "chromedriver is missing; on Debian: apt-get install chromium chromium-driver"
    return webdriver.Chrome(options=options, service=Service(chromedriver))


class Browser:
    """A page of the demo, and what one does on it."""

    def __init__(self, driver, url: str):
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support.ui import WebDriverWait

        self.driver, self.url, self._by, self._wait = driver, url, By.CSS_SELECTOR, WebDriverWait(driver, 60, 0.1)

    @contextmanager
    def screen(self, width: int, height: int = 844):
        """Show the page on a screen of this size; a narrow one is a phone's."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        try:
            yield
        finally:
            self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def open(self, query: str = "") -> None:
        self.driver.get(self.url + query)
        self.until(lambda: self.all("#facts [data-model]"))  # the page has taken what its address says

    def drawn(self, text: str) -> None:
        """Wait until the Sample tab says this of its pictures, and the address says where they are."""
        self.until(lambda: text in self.text("#status") and "seed=" in self.driver.current_url)

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

    def press(self, *keys: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def retype(self, text: str) -> None:
        """Type in place of what stands in the field that has the focus."""
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.keys import Keys

        select_all = ActionChains(self.driver).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL)
        select_all.send_keys(text).perform()

    def reach(self, selector: str, most: int = 80) -> None:
        """Press Tab until an element that fits has the focus, and see that the focus is seen."""
        from selenium.webdriver.common.keys import Keys

        for _ in range(most):
            self.press(Keys.TAB)
            if self.driver.execute_script("return document.activeElement.matches(arguments[0])", selector):
                self.until(self._outlined)  # Gradio's buttons take 0.2 s to change their style
                return
        raise AssertionError(f"{most} tabs do not reach {selector}")

    def _outlined(self) -> bool:
        return "solid 2px" in self.driver.execute_script("return getComputedStyle(document.activeElement).outline")

    def contrast(self, selector: str) -> float:
        """Return the contrast of an element's text to what is behind it, as WCAG defines it."""
        text, *behind = self.driver.execute_script(_COLOURS, selector)
        back = np.zeros(3)
        for red, green, blue, alpha in reversed(behind):  # the outermost first
            back = alpha / 255 * np.array([red, green, blue]) + (1 - alpha / 255) * back
        high, low = sorted((_luminance(np.array(text[:3])), _luminance(back)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    def images(self, selector: str) -> list[np.ndarray]:
        encoded = self.driver.execute_async_script(_FETCHED, selector)
        return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")) for data in encoded]

    def problems(self) -> list[str]:
        """Errors of the console, and addresses outside the server."""
        severe = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
        found = [message for message in severe if not any(word in message for word in _LEFT)]
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                address = message["params"]["request"]["url"]
                if not address.startswith((self.url, "data:", "blob:", "chrome:")):
                    found.append(address)
        return found
