"""Take the picture of the demo: `python docs/take_demo_picture.py [MODEL]`; needs the extra `test` and chromedriver."""

from __future__ import annotations

import base64
import io
import sys
from pathlib import Path

from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from zoo.demo import Settings, start
from zoo.demo.model_list import DEFAULT

PICTURE = Path(__file__).resolve().parent / "demo.png"
SIZE = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}

_LOADED = """const shown = [...document.querySelectorAll("#gallery .grid-container img")];
return shown.length && shown.every((image) => image.complete && image.naturalWidth);"""


def take(model: str) -> bytes:
    """Return a PNG of the Sample tab with images of each class of a model."""
    sys.path.insert(0, str(PICTURE.parents[1] / "tests" / "helpers"))
    from demo_page import headless

    driver = headless()
    try:
        with start(Settings(device="cpu")) as running:
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", SIZE)
            driver.get(f"{running.url}?model={model}&tab=sample&label=all")
            wait = WebDriverWait(driver, 120)
            wait.until(lambda page: "seed 0" in page.find_element(By.ID, "status").text)
            wait.until(lambda page: page.execute_script(_LOADED))
            shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    finally:
        driver.quit()
    return base64.b64decode(shot["data"])


def main() -> None:
    with Image.open(io.BytesIO(take(sys.argv[1] if len(sys.argv) > 1 else DEFAULT))) as shot:
        shot.convert("RGB").save(PICTURE, optimize=True)
    print(f"wrote {PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
