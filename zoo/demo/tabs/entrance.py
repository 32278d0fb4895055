"""Models: the entrance. Those that load now, as pictures; the others with their size, source and what to do."""

from __future__ import annotations

import asyncio
import html

import gradio as gr

from ...checkpoints.availability import Status
from ...common.errors import ZooError
from .. import behaviour, cards, fetching, model_list, validation


def build(page) -> gr.HTML:
    """Build the tab; returns the cards of the models that load now."""
    with gr.Tab("Models", id="models"):
        here = gr.HTML(cards.here(), js_on_load=behaviour.SELECT_INDEX, elem_id="here")
        with gr.Group(visible=False, elem_id="get") as get:
            about = gr.HTML(padding=True)
            download = gr.Button("Download", variant="primary", elem_id="download")
            progress_at = gr.HTML(elem_id="download-progress", padding=True)
            command = gr.Code(label="In a terminal on the demo's machine", language="shell", interactive=False, lines=1)
        count = len(cards.matching("", cards.EVERY))
        with gr.Accordion(f"{count} more models", open=False, elem_id="more") as more:
            with gr.Row(equal_height=True):
                words = gr.Textbox(label="Search", placeholder="such as biggan or infomax", elem_id="search")
                dataset = gr.Dropdown(cards.datasets(), value=cards.EVERY, label="Data set", elem_id="data-set")
            away = gr.HTML(js_on_load=behaviour.SELECT_INDEX, elem_id="away")
        wanted = gr.Textbox(visible=False)  # the model that is to be downloaded

    async def search(text, dataset):
        if not isinstance(text, str) or len(text) > 200:
            raise ZooError(f"search is {validation.shown(text)}; give a few words")
        dataset = validation.choice("data set", dataset, cards.datasets())
        found = cards.matching(text, dataset)
        return await asyncio.to_thread(cards.others, found, page.service.downloads)  # the first time it counts weights

    async def pick(chosen: gr.SelectData):
        name = cards.name_at(chosen.index) or model_list.DEFAULT
        card = cards.card_of(name)
        if card.status is Status.NOW:
            return (*_opened(name), *_hidden(), gr.skip())
        return (gr.skip(), gr.skip(), gr.Group(visible=True), *_told(card, page.service.downloads), name)

    async def fetch(name, progress=gr.Progress()):  # noqa: B008
        _, name = validation.model(name)
        if not page.service.downloads:
            raise ZooError("this demo downloads nothing; start it with --downloads")
        await fetching.fetch(name, lambda share, text: progress(share, desc=text))
        return (*_opened(name), gr.Group(visible=False), "", cards.here())

    panel = [get, about, download, command]
    for shown in (here, away):
        picked = page.connect(shown.select, pick, [], [page.model, page.tabs, *panel, wanted], show_progress="hidden")
        page.after(picked, js=behaviour.SHOW_CHOICE)
    page.connect(
        [more.expand, words.input, dataset.input],
        search,
        [words, dataset],
        [away],
        show_progress_on=away,
        trigger_mode="always_last",
    )
    fetched = [page.model, page.tabs, get, progress_at, here]
    page.connect(download.click, fetch, [wanted], fetched, show_progress_on=progress_at)
    return here


def _opened(name: str) -> tuple:
    """Return the menu and the tabs when a model was opened."""
    return gr.Dropdown(choices=model_list.choices(True), value=name), gr.Tabs(selected="sample")


def _hidden() -> tuple:
    """Return the panel when there is nothing to get."""
    return gr.Group(visible=False), gr.skip(), gr.skip(), gr.skip()


def _told(card: cards.Card, downloads: bool) -> tuple:
    """Return what the panel says of a model that does not load now."""
    fetched = card.status is Status.DOWNLOAD and downloads
    told = f"<p><strong>{html.escape(card.name)}</strong> {html.escape(card.config.title)}. "
    told += f"{html.escape(card.facts)}; {html.escape(card.place)}.</p>"
    button = gr.Button(f"Download ({card.place})", visible=fetched)
    return told, button, gr.Code(value=cards.command(card), visible=not fetched)
