"""Models: the entrance. Those that load now, as pictures; the others with their size, source and what to do."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Callable
from dataclasses import dataclass

import gradio as gr

from ...checkpoints.availability import Status
from ...common.errors import WeightsUnavailableError, ZooError
from .. import behaviour, cards, fetching, model_list, validation
from ..wiring import code_field


@dataclass
class Entrance:
    """The components of the tab that have handlers."""

    here: gr.HTML
    more: gr.Accordion
    away: gr.HTML
    words: gr.Textbox
    dataset: gr.Dropdown
    panel: list  # what to do about a model that does not load: all, text, button, command
    progress_at: gr.HTML
    wanted: gr.Textbox


def build() -> Entrance:
    """Build the tab; its handlers are connected when the rest of the page is there."""
    with gr.Tab("Models", id="models", elem_id="tab-models"):
        here = gr.HTML(cards.here(), js_on_load=behaviour.SELECT_INDEX, elem_id="here")
        with gr.Column(variant="panel", visible=False, elem_id="get") as get:
            about = gr.HTML()
            download = gr.Button("Download", variant="primary", elem_id="download")
            progress_at = gr.HTML(elem_id="download-progress")
            command = code_field("In a terminal on the demo's machine", "shell", lines=1)
        count = len(cards.matching("", cards.EVERY))
        with gr.Accordion(f"{count} more models", open=False, elem_id="more") as more:
            with gr.Row(equal_height=True):
                words = gr.Textbox(label="Search", placeholder="such as biggan or infomax", elem_id="search")
                dataset = gr.Dropdown(cards.datasets(), value=cards.EVERY, label="Data set", elem_id="data-set")
            away = gr.HTML(js_on_load=behaviour.SELECT_INDEX, elem_id="away")
        wanted = gr.Textbox(visible=False)  # the model that is to be downloaded
    return Entrance(here, more, away, words, dataset, [get, about, download, command], progress_at, wanted)


def connect(page, tab: Entrance, of_model: list, show: Callable[[str], tuple]) -> None:
    """Connect the handlers.

    Args:
        of_model: the components of the page that follow the model, the menu first.
        show: what they show of a model by name.
    """

    async def search(text, dataset):
        text = text or ""
        if not isinstance(text, str) or len(text) > 200:
            raise ZooError(f"search is {validation.shown(text)}; give a few words")
        dataset = validation.choice("data set", dataset, cards.datasets())
        found = cards.matching(text, dataset)
        return await asyncio.to_thread(cards.others, found, page.service.downloads)  # the first time it counts weights

    async def pick(chosen: gr.SelectData):
        name = cards.name_at(chosen.index) or model_list.DEFAULT
        card = cards.card_of(name)
        if card.status is Status.NOW:
            return (*show(name), gr.Tabs(selected="sample"), gr.Column(visible=False), *[gr.skip()] * 4)
        return (
            *[gr.skip()] * len(of_model),
            gr.skip(),
            gr.Column(visible=True),
            *_told(card, page.service.downloads),
            name,
        )

    async def fetch(name, progress=gr.Progress()):  # noqa: B008
        _, name = validation.model(name)
        if not page.service.downloads:
            raise ZooError("this demo downloads nothing; start it with --downloads")
        try:
            await fetching.fetch(name, lambda share, text: progress(share, desc=text))
        except WeightsUnavailableError as error:
            unchanged = [gr.skip()] * (len(of_model) + 2)
            return (*unchanged, fetching.by_hand(name, error), gr.skip())
        return (*show(name), gr.Tabs(selected="sample"), gr.Column(visible=False), "", cards.here())

    opened = [*of_model, page.tabs]
    for clicked in (tab.here, tab.away):
        picked = page.connect(clicked.select, pick, [], [*opened, *tab.panel, tab.wanted], show_progress="hidden")
        page.after(picked, js=behaviour.SHOW_CHOICE)
    page.connect(
        [tab.more.expand, tab.words.input, tab.dataset.input],
        search,
        [tab.words, tab.dataset],
        [tab.away],
        show_progress_on=tab.away,
    )
    get, _, download, _ = tab.panel
    fetched = [*opened, get, tab.progress_at, tab.here]
    page.connect(download.click, fetch, [tab.wanted], fetched, show_progress_on=tab.progress_at, trigger_mode="once")


def _told(card: cards.Card, downloads: bool) -> tuple:
    """Return what the panel says of a model that does not load now."""
    fetched = card.status is Status.DOWNLOAD and downloads
    told = f"<p><strong>{html.escape(card.name)}</strong> {html.escape(card.config.title)}. "
    told += f"{html.escape(card.facts)}; {html.escape(card.place)}.</p>"
    button = gr.Button(f"Download ({card.place})", visible=fetched)
    return told, button, gr.Code(value=cards.command(card), visible=not fetched)
