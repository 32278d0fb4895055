"""The demo in a headless Chromium: `pytest -m browser` (needs chromium and chromedriver; .ci/run installs both)."""

from __future__ import annotations

import numpy as np
import pytest
from demo_page import Browser
from ports import free_port
from reverse_proxy import under_path

import zoo
from zoo.demo.links import TABS

pytestmark = [
    pytest.mark.browser,
    # Gradio and its client leave event loops and sockets to the garbage collector
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


def _expected(model: str, *arguments, **named) -> list[np.ndarray]:
    return [np.asarray(image) for image in zoo.load(model).sample(*arguments, **named)]


def _same(found: list[np.ndarray], expected: list[np.ndarray]) -> bool:
    return len(found) == len(expected) and all((a == b).all() for a, b in zip(found, expected, strict=True))


DIGITS = "?model=contragan/digits"


def test_the_entrance_is_a_gallery_from_which_a_model_is_opened(browser):
    browser.open()
    cards = browser.until(lambda: browser.all("#here button.zoo-card"))
    assert all(card.find_elements("css selector", "img") for card in cards)
    assert "contragan-snresgan/cifar10" in cards[0].text
    browser.click('#here button[title="Open infomax-gan/digits"]')
    browser.drawn("infomax-gan/digits, seed 0,")
    assert _same(browser.images("#gallery .grid-container img"), _expected("infomax-gan/digits", 50, None, 0))


def test_a_model_that_does_not_load_says_the_one_thing_to_do(browser):
    browser.open()
    browser.click("#more button")
    browser.fill("#search textarea, #search input", "biggan tiny")
    browser.until(lambda: "biggan/tiny-imagenet" in browser.text("#away") and "dcgan" not in browser.text("#away"))
    browser.click('#away button[aria-label$=": biggan/tiny-imagenet"]')
    browser.until(lambda: browser.all("#get"))
    browser.until(lambda: "biggan/tiny-imagenet" in browser.text("#get"))
    assert "zoo sample biggan/tiny-imagenet" in browser.text("#get")
    assert not browser.all(".toast-body")


def test_a_link_to_a_model_that_does_not_load_says_so_quietly_in_one_place(browser):
    browser.open("?model=contragan/cifar10&tab=sample")
    browser.until(lambda: "not on this machine" in browser.text("#message"))
    assert len(browser.text("#message")) < 150
    assert not browser.all(".toast-body")


def test_choose_a_class_and_a_seed_and_generate(browser):
    browser.open(DIGITS + "&label=all&n=50")
    browser.drawn("seed 0,")
    browser.fill("#class input", "7", enter=True)
    browser.fill("#seed input", "123")
    browser.click("#generate")
    browser.drawn("seed 123,")
    labels = [i * 10 // 50 for i in range(50)]  # "all" is chosen at first, and holds
    assert _same(browser.images("#gallery .grid-container img"), _expected("contragan/digits", 50, labels, 123))


def test_a_link_restores_the_view_and_the_address_follows_it(browser):
    browser.open(DIGITS + "&seed=7&label=3&n=12&columns=4&truncation=0.8")
    browser.drawn("seed 7,")
    assert _same(browser.images("#gallery .grid-container img"), _expected("contragan/digits", 12, 3, 7, 0.8))
    browser.click("#dice")
    browser.until(lambda: "seed=7&" not in browser.driver.current_url and "seed 7," not in browser.text("#status"))
    seed = int(browser.all("#seed input")[0].get_attribute("value"))
    browser.until(lambda: f"seed={seed}" in browser.driver.current_url)
    assert "label=3" in browser.driver.current_url
    assert _same(browser.images("#gallery .grid-container img"), _expected("contragan/digits", 12, 3, seed, 0.8))


def test_a_wrong_link_says_so_and_shows_no_html_of_its_own(browser):
    browser.open(DIGITS + "&label=<img src=x onerror=alert(1)>&seed=5")
    browser.until(lambda: "no class" in browser.text("#facts"))
    assert not browser.all("#facts img")


def test_another_model_is_found_by_typing(browser):
    browser.open("?tab=sample&model=contragan/digits&n=12")
    browser.drawn("seed 0,")
    browser.fill("#model input", "infomax-gan/digits", enter=True)
    browser.until(lambda: "InfoMax-GAN" in browser.text("#facts"))
    browser.drawn("infomax-gan/digits, seed 0,")
    assert _same(browser.images("#gallery .grid-container img"), _expected("infomax-gan/digits", 12, None, 0))


def test_explore_is_not_empty_and_moves_with_the_slider(browser):
    from selenium.webdriver.common.keys import Keys

    browser.open(DIGITS + "&tab=explore")
    browser.until(lambda: browser.all("#moved img") and browser.all("#strip img"))
    (strip,) = browser.images("#strip img")
    assert (strip == np.asarray(zoo.load("contragan/digits").interpolate(3, 4, 12).grid(12, padding=1))).all()
    before = browser.images("#moved img")
    browser.all('#at input[type="range"]')[0].send_keys(Keys.HOME)
    browser.until(lambda: "0.00 of the way" in browser.text("#moved"))
    (at_seed,) = browser.images("#moved img")
    ten = zoo.load("contragan/digits").sample(10, list(range(10)), seed=3).grid(5)
    assert np.abs(at_seed.astype(int) - np.asarray(ten).astype(int)).max() <= 1
    assert (at_seed != before[0]).any()


@pytest.mark.parametrize("kind", ["Same latents, each class", "Around one image", "Truncation", "Two models"])
def test_every_way_to_explore_draws_at_once(browser, kind):
    browser.open(DIGITS + "&tab=explore")
    browser.until(lambda: browser.all("#moved img"))
    first = browser.images("#moved img")[0]
    browser.until(lambda: [label for label in browser.all("#kind label") if kind in label.text])[0].click()
    browser.until(lambda: browser.images("#moved img")[0].shape != first.shape or len(browser.all("#moved img")) == 2)


def test_an_animation_to_download(browser):
    browser.open(DIGITS + "&tab=explore")
    browser.until(lambda: browser.all("#moved img"))
    browser.click("#animate")
    browser.until(lambda: browser.all("#film img"))
    (film,) = browser.all("#film img")
    assert film.get_attribute("src").startswith("data:image/gif")
    inside = "const at = arguments[0].getBoundingClientRect(); return at.top >= 0 && at.top < innerHeight / 2"
    browser.until(lambda: browser.driver.execute_script(inside, film))
    browser.until(lambda: all(browser.all(f"{name} a, a{name}, {name}:not([disabled])") for name in ("#gif", "#mp4")))


def test_compare(browser):
    browser.open(DIGITS + "&tab=compare")
    browser.until(lambda: len(browser.all("#compared img")) == 2)
    names = ("contragan/cifar10-small", "biggan/cifar10-small")
    for found, name in zip(browser.images("#compared img"), names, strict=True):
        assert (found == np.asarray(zoo.load(name).sample(25, seed=0).grid())).all()
    assert "132.14 ± 0.28" in browser.text("#compared table")


def test_a_missing_extractor_is_explained_in_the_place_for_messages(browser):
    browser.open("?tab=evaluate")
    browser.until(lambda: [option for option in browser.all("#extractor label") if "inception" in option.text])[
        0
    ].click()
    browser.click("#evaluate")
    browser.until(lambda: "Inception weights are not on this machine" in browser.text("#report"))


@pytest.mark.parametrize("width", [390, 768])
def test_no_text_is_cut_and_no_table_lies_over_another(browser, width):
    """Of the views with names in narrow columns."""
    with browser.screen(width):
        for tab, shown in (("labels", "#asked img"), ("training", "#at-moment img"), ("compare", "#compared table")):
            browser.open(f"?model=contragan-snresgan/cifar10&tab={tab}")
            browser.until(lambda shown=shown: browser.all(shown))
            cut = browser.driver.execute_script(
                """return [...document.querySelectorAll(".zoo-heat :is(td, th), figcaption, .zoo-scores :is(td, th)")]
                .filter((e) => e.offsetParent && e.scrollWidth > e.clientWidth + 1).map((e) => e.textContent);"""
            )
            assert not cut
            if tab != "compare":
                columns = "return getComputedStyle(document.querySelector('.zoo-columns')).gridTemplateColumns"
                assert len(browser.driver.execute_script(columns).split()) == (5 if width == 390 else 10)
            assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= width


def test_the_report_of_an_evaluation_fits(browser):
    from zoo.demo import encoding

    long = "not comparable: 10,000 generated images, here 500; 1,797 real images, here all"
    rows = [("FD (efficientnet-lite0)", "114.9 ± 1.3", "129.1", long, "recorded here (CPU, 2 cores)")] * 3
    report = encoding.table("Against what was stated", ("metric", "stated", "measured", "verdict", "source"), rows)
    browser.open(DIGITS + "&tab=evaluate")
    browser.until(lambda: "What was stated of contragan/digits" in browser.text("#report"))
    browser.driver.execute_script("document.querySelector('#report .zoo-scores').outerHTML = arguments[0]", report)
    wide = "const e = document.querySelector('#report .prose'); return e.scrollWidth - e.clientWidth"
    assert browser.driver.execute_script(wide) == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_and_buttons_have_contrast(browser, theme):
    features = [{"name": "prefers-color-scheme", "value": theme}]
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        browser.open("?tab=labels")
        browser.until(lambda: browser.all("#heat-map td"))
        for selector in (".zoo-facts", "#heat-map caption", "#heat-map td.zoo-asked", "[role=tab][aria-selected=true]"):
            assert browser.contrast(selector) >= 4.5, selector
        browser.open(DIGITS)
        browser.drawn("seed 0,")
        for selector in ("#generate", "#status p"):
            assert browser.contrast(selector) >= 4.5, selector
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_about(browser):
    browser.open(DIGITS + "&tab=about")
    browser.until(lambda: "ContraGAN" in browser.text("#card"))
    browser.until(lambda: browser.all("#sheet img"))


@pytest.mark.parametrize("tab", TABS)
def test_a_phone_needs_no_sideways_scrolling(browser, tab):
    with browser.screen(390):
        browser.open(f"{DIGITS}&tab={tab}")
        if tab == "about":
            browser.until(lambda: browser.all("#sheet img"))
        if tab == "sample":
            browser.drawn("seed 0,")
            assert browser.all("#gallery img")[0].rect["y"] < 600, "a picture within the first screen"
        if tab == "compare":
            assert browser.until(lambda: browser.all("#compared img"))[0].rect["y"] < 844
        assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("tab", ["models", "sample", "explore"])
def test_every_control_has_a_name(browser, tab):
    browser.open(f"{DIGITS}&tab={tab}")
    unnamed = browser.driver.execute_script(
        """return [...document.querySelectorAll("input, textarea, button, select, img")].filter((e) =>
        e.offsetParent && !e.getAttribute("aria-label") && !e.getAttribute("title") && !e.textContent.trim()
        && !e.hasAttribute("alt") && !e.getAttribute("aria-labelledby") && !(e.labels && e.labels.length)
        ).map((e) => e.outerHTML.slice(0, 200));"""
    )
    assert not unnamed


# ------------------------------------------------------- what a lecturer does in front of a class, by keyboard alone


def _go(browser, tab: str) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.reach(f"#tab-{tab}-button")
    browser.press(Keys.ENTER)


def test_by_keyboard_show_ten_classes_and_then_one(browser):
    from selenium.webdriver.common.keys import Keys

    browser.open()
    browser.until(lambda: browser.all("#here button.zoo-card"))
    browser.reach('#here button[title="Open contragan/digits"]')
    browser.press(Keys.ENTER)
    browser.drawn("contragan/digits, seed 0,")
    ten = [i * 10 // 50 for i in range(50)]
    assert _same(browser.images("#gallery .grid-container img"), _expected("contragan/digits", 50, ten, 0))
    browser.open(DIGITS + "&n=20")
    browser.drawn("seed 0,")
    browser.reach("#class input")
    browser.press("4")
    browser.until(lambda: browser.all('.active[aria-label="4"][aria-setsize="1"]'))  # what does not fit has gone
    browser.press(Keys.ENTER, Keys.ESCAPE)
    browser.reach("#seed input")
    browser.retype("21")
    browser.press(Keys.ENTER)
    browser.drawn("seed 21,")
    assert _same(browser.images("#gallery .grid-container img"), _expected("contragan/digits", 20, 4, 21))


def test_by_keyboard_why_labels_matter(browser):
    browser.open()
    _go(browser, "labels")
    browser.until(lambda: "78% of the images show the class asked for" in browser.text("#heat-map"))
    browser.until(lambda: browser.all("#asked img"))
    before = browser.images("#asked img")[0]
    browser.reach("#way label:last-of-type input")
    browser.press(" ")
    browser.until(lambda: browser.text("#heat-map caption").startswith("8% of the images show the class asked for"))
    browser.until(lambda: (browser.images("#asked img")[0] != before).any())
    assert len(browser.all("#heat-map td.zoo-asked")) == 10


def test_by_keyboard_an_animation_for_a_slide(browser):
    from selenium.webdriver.common.keys import Keys

    browser.open(DIGITS + "&tab=models")
    _go(browser, "explore")
    browser.until(lambda: browser.all("#moved img") and browser.all("#strip img"))
    browser.reach('#at input[type="range"]')
    browser.press(Keys.HOME)
    browser.until(lambda: "0.00 of the way" in browser.text("#moved"))
    browser.reach("#animate")
    browser.press(Keys.ENTER)
    browser.until(lambda: browser.all("#film img"))
    assert browser.all("#film img")[0].get_attribute("src").startswith("data:image/gif")
    browser.until(lambda: not browser.all("#gif[disabled]") and not browser.all("#mp4[disabled]"))
    browser.reach("#gif")


def test_by_keyboard_compare_two_methods(browser):
    from selenium.webdriver.common.keys import Keys

    browser.open(DIGITS + "&tab=models")
    _go(browser, "compare")
    browser.until(lambda: len(browser.all("#compared img")) == 2)
    browser.reach("#second-model input")
    browser.retype("infomax-gan/digits")
    browser.until(lambda: browser.all('.active[aria-label^="infomax-gan/digits"][aria-setsize="1"]'))
    browser.press(Keys.ENTER)
    # Gradio takes the choice a task later, and forgets it if the field is left before
    browser.until(lambda: browser.all('#second-model input[aria-expanded="false"]'))
    browser.reach("#compare")
    browser.press(Keys.ENTER)
    second = '#compared section[aria-label="infomax-gan/digits"] img'  # its name alone is there while it is loaded
    browser.until(lambda: browser.all(second))
    (found,) = browser.images(second)
    assert (found == np.asarray(zoo.load("infomax-gan/digits").sample(25, seed=0).grid())).all()


def test_by_keyboard_is_it_memorising(browser):
    browser.open(DIGITS + "&tab=models")
    _go(browser, "nearest")
    browser.until(lambda: len(browser.all("#nearest-images img")) == 9)
    assert "copy" in browser.text("#nearest-images .zoo-verdict")
    assert "1,797 training images" in browser.text("#nearest-images")


def test_training_over_time(browser):
    from selenium.webdriver.common.keys import Keys

    browser.open("?tab=training")
    browser.until(lambda: "step 60,000" in browser.text("#at-moment"))
    browser.all('#moment input[type="range"]')[0].send_keys(Keys.HOME)
    browser.until(lambda: "step 10,000" in browser.text("#at-moment"))


def test_what_the_discriminator_sees(browser):
    from selenium.webdriver.common.keys import Keys

    browser.open("?tab=discriminator")
    browser.until(lambda: len(browser.all("#ranked figure.zoo-out")) == 30)
    browser.all('#keep input[type="range"]')[0].send_keys(Keys.END)
    browser.until(lambda: browser.all("#ranked figure") and not browser.all("#ranked figure.zoo-out"))
    browser.click("#draw-map")
    browser.until(lambda: len(browser.all("#map strong")) == 10)


def test_behind_a_proxy_under_a_path(driver):
    from zoo.demo import Settings, start

    with (
        start(Settings(device="cpu"), port=free_port(), root_path="/zoo") as running,
        under_path(running.url, "/zoo") as url,
    ):
        page = Browser(driver, url)
        page.problems()
        page.open(DIGITS + "&seed=7&label=3&n=12")
        page.drawn("seed 7,")
        assert _same(page.images("#gallery .grid-container img"), _expected("contragan/digits", 12, 3, 7))
        assert page.driver.current_url.startswith(url)
        # Gradio's page asks for its manifest at the root, whatever the path, and Chromium for an icon there.
        root = ("/manifest.json", "/favicon.ico")
        assert not [problem for problem in page.problems() if not any(file in problem for file in root)]
