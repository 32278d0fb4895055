"""How the demo looks on a phone, on a tablet and in front of a class."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from zoo.demo import critic, scoring, style
from zoo.evaluation.report.verdicts import Comparison
from zoo.sampling.images import Images

MODEL = "?model=contragan-snresgan/cifar10"
DIGITS = "?model=contragan/digits"


# ------------------------------------------------------------------------------------------------ without a browser


def test_selectors_of_narrow_screens_survive_gradio():
    """Gradio cuts selectors of rules in @media at each comma, whatever it is in."""
    blocks = re.findall(r"@media[^{]*\{(.*?)\n\}", re.sub(r"/\*.*?\*/", "", style.CSS, flags=re.S), re.S)
    assert len(blocks) == style.CSS.count("@media (")
    for block in blocks:
        for selectors in re.findall(r"([^{}]+)\{[^{}]*\}", block):
            for selector in selectors.split(","):
                assert selector.count("(") == selector.count(")"), selector
                assert not re.match(r"\s*(body|footer)\b", selector), "outside Gradio's main part"


def test_a_map_keeps_its_images_and_names_inside():
    places = np.array([[0.0, 0.0], [1.0, 1.0]])
    found = critic.Map(Images(torch.zeros(2, 3, 4, 4, dtype=torch.uint8)), places, (0, 1), places, None, None)
    shown = critic.drawn_map(found, ("a name that is long", "another that is long"), "")
    (_, last) = re.findall(r"<img[^>]*left: ([\d.]+)%; top: ([\d.]+)%", shown)
    width = 100 / 24  # of an image; the map is 4:3
    assert float(last[0]) + width == pytest.approx(100, abs=0.1)
    assert float(last[1]) + width * 4 / 3 == pytest.approx(100, abs=0.1)
    first, second = (float(left) for left in re.findall(r'<strong style="left: ([\d.]+)%', shown))
    assert first > 10  # names are centred at their places
    assert second < 90


class _Result:
    metric, text, counts, protocol = "FD (x)", "12.3", "10 / 60", "clean"


class _Report:
    results, warnings = (_Result(),), ()

    def __init__(self, *metrics):
        about = {"published": 1.0, "source": "a paper", "verdict": "not comparable"}
        self.comparisons = tuple(Comparison(metric=metric, why="few images", **about) for metric in metrics)


def test_a_report_says_nothing_of_scores_that_were_not_measured():
    shown = scoring.table(_Report("FD (x)", "KD (x)"))
    assert "KD" not in shown
    assert shown.count("12.3") == 2, "beside what was stated too, although the two are not comparable"
    assert "no verdict" in scoring.table(_Report("KD (x)"))


# --------------------------------------------------------------------------------------------------- in a browser

pytestmark = [
    # Gradio and its client leave event loops and sockets to the garbage collector
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 768])
def test_every_tab_is_seen_without_a_menu(browser, width):
    with browser.screen(width):
        browser.open()
        tabs = [tab for tab in browser.all("button[role=tab]") if tab.is_displayed() and tab.rect["height"] > 20]
        assert len({tab.text for tab in tabs}) == 10
        assert all(tab.rect["x"] >= 0 and tab.rect["x"] + tab.rect["width"] <= width for tab in tabs)
        assert len({tab.rect["y"] for tab in tabs}) <= (2 if width < 500 else 1)


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 768])
def test_a_narrow_screen_shows_the_button_and_pictures_that_can_be_seen(browser, width):
    with browser.screen(width):
        browser.open(DIGITS + "&label=all&n=50&columns=10")
        browser.drawn("seed 0,")
        image = browser.until(lambda: browser.all("#gallery .grid-container img"))[0]
        assert image.rect["width"] >= 60
        generate = browser.all("#generate")[0].rect
        assert generate["y"] + generate["height"] < image.rect["y"] < 400
        for below in ("#grid", "#class"):
            place = browser.all(below)[0].rect
            assert place["x"] < width / 2
            assert place["y"] > browser.all("#status")[0].rect["y"], f"{below} is beside the pictures"
        browser.click("#dice")
        browser.until(lambda: "seed 0," not in browser.text("#status"))
        seen = "const r = document.querySelector('#gallery').getBoundingClientRect(); return r.top > -5 && r.top < 300"
        browser.until(lambda: browser.driver.execute_script(seen))


@pytest.mark.browser
@pytest.mark.parametrize(
    ("tab", "tables"), [("compare", "#compared table"), ("evaluate", "#report table"), ("about", "#card table")]
)
def test_tables_are_whole_on_a_phone_and_say_what_each_value_is(browser, tab, tables):
    with browser.screen(390):
        browser.open(f"{MODEL}&tab={tab}")
        browser.until(lambda: browser.all(tables) and browser.all(f"{tables} td[data-title]"))
        outside = browser.driver.execute_script(
            """return [...document.querySelectorAll(arguments[0] + " td")].filter((e) => e.offsetParent
            && (e.getBoundingClientRect().right > innerWidth || e.scrollWidth > e.clientWidth + 1))
            .map((e) => e.textContent);""",
            tables,
        )
        assert not outside
        wrong = browser.driver.execute_script(
            """return [...document.querySelectorAll(arguments[0] + " td")].filter((e) => e.dataset.title
            !== e.closest("table").querySelectorAll("th")[e.cellIndex].textContent).map((e) => e.textContent);""",
            tables,
        )
        assert not wrong


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_code_has_contrast_and_is_whole_on_a_phone(browser, theme):
    with browser.screen(390):
        browser.open("?tab=models&__theme=" + theme)
        browser.click("#more button")
        browser.click('#away button[aria-label$=": biggan/tiny-imagenet"]')
        browser.until(lambda: browser.all("#get .cm-line span"))
        assert browser.contrast("#get .cm-line span") >= 4.5
        wide = "const e = document.querySelector('#get .cm-scroller'); return e.scrollWidth - e.clientWidth"
        assert browser.driver.execute_script(wide) <= 0


@pytest.mark.browser
def test_one_image_is_shown_large_however_few_there_are(browser):
    browser.open(DIGITS + "&n=2&columns=10")
    browser.drawn("seed 0,")
    browser.click("#gallery .thumbnail-item")
    browser.until(lambda: browser.all("#gallery .preview img"))
    browser.until(
        lambda: browser.all("#gallery .preview .media-button img, #gallery .preview img")[0].rect["height"] > 200
    )


@pytest.mark.browser
def test_a_seed_that_no_field_can_take_is_refused_in_its_place(browser):
    browser.open(DIGITS + "&n=12")
    browser.drawn("seed 0,")
    browser.fill("#seed input", "99999999999999999999", enter=True)
    browser.until(lambda: "give a whole number" in browser.text("#message"))
    browser.until(lambda: not any(button.is_displayed() for button in browser.all("#cancel")))


# ------------------------------------------------------------------------------ two things asked for at the same time

# As a quick hand does: the seed is typed and entered while the pictures of Generate are drawn.
_GENERATE_AND = "document.querySelector('#generate').click(); setTimeout(() => { %s }, 50);"
_ENTER_SEED = """const seed = document.querySelector("#seed input"); seed.focus(); seed.value = "6";
seed.dispatchEvent(new Event("input", { bubbles: true }));
setTimeout(() => seed.dispatchEvent(new KeyboardEvent("keypress", { key: "Enter", bubbles: true })), 20);"""
_OPEN = """document.querySelector('#here button[title="Open infomax-gan/digits"]').click();"""


@pytest.mark.browser
@pytest.mark.parametrize(("then", "drawn"), [(_ENTER_SEED, "seed 6,"), (_OPEN, "infomax-gan/digits, seed 0,")])
def test_what_is_asked_for_while_pictures_are_drawn_is_drawn_after_them(browser, then, drawn):
    browser.open(DIGITS + "&n=256&tab=sample")
    browser.drawn("seed 0,")
    browser.driver.execute_script(_GENERATE_AND % then)
    browser.until(lambda: drawn in browser.text("#status"))
    browser.until(lambda: not any(button.is_displayed() for button in browser.all("#cancel")))
    seed = 6 if "seed 6" in drawn else 0
    browser.until(lambda: f"seed={seed}&" in browser.driver.current_url + "&")


@pytest.mark.browser
def test_the_picture_of_explore_is_that_of_the_slider_however_quickly_it_moves(browser):
    from selenium.webdriver.common.keys import Keys

    browser.open(DIGITS + "&tab=explore")
    browser.until(lambda: browser.all("#moved img") and browser.all("#strip img"))
    browser.driver.execute_script("document.querySelector('#other-seeds').click();")
    slider = browser.all('#at input[type="range"]')[0]
    slider.send_keys(Keys.HOME)
    seed = "seed 3"
    browser.until(lambda: seed not in browser.text("#strip") and browser.all("#strip img"))
    browser.until(lambda: browser.text("#moved").strip().startswith("0.00 of the way"))
    start, end = (browser.all(f"#{name} input")[0].get_attribute("value") for name in ("from", "to"))
    browser.until(lambda: f"0.00 of the way from seed {start} to seed {end}" in browser.text("#moved"))


@pytest.mark.browser
def test_a_second_press_begins_nothing_long_again(server):
    modes = {function.api_name: function.trigger_mode for function in server.blocks.fns.values()}
    assert [modes[f"page_{name}"] for name in ("evaluate", "animated", "fetch")] == ["once"] * 3
    assert modes["page_make"] == "always_last"
