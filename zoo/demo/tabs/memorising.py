"""Nearest: is it memorising? The training images nearest to a generated one, and what was recorded of the model."""

from __future__ import annotations

from functools import partial

import gradio as gr

from ...common.errors import DataUnavailableError
from .. import model_list, neighbours, validation
from ..wiring import cancel_button, draw_button, page_progress
from . import explore


def build(page, sampling) -> None:
    settings = page.service.settings
    with gr.Tab("Nearest", id="nearest", elem_id="tab-nearest"), gr.Row(elem_classes="zoo-split"):
        with gr.Column(scale=1, min_width=200):
            with gr.Row():
                seed = gr.Number(0, label="Seed", precision=0, minimum=0, min_width=80, elem_id="nearest-seed")
                number = gr.Number(0, label="Image", precision=0, minimum=0, min_width=80, elem_id="nearest-image")
            count = gr.Slider(1, 16, 8, step=1, label="Neighbours", elem_id="neighbours")
            with gr.Row():
                find = gr.Button("Find", variant="primary", min_width=90, elem_id="find-nearest")
                cancel = cancel_button()
            gr.HTML('<p class="zoo-caption">A click on an image in the Sample tab puts its seed and number here.</p>')
        with gr.Column(scale=4, min_width=320):
            found = gr.HTML(elem_id="nearest-images")
            recorded = gr.HTML(elem_id="nearest-recorded")
        refresh = draw_button()

    async def near(name, seed, number, count, chosen, truncation, n, progress=gr.Progress()):  # noqa: B008
        request, number = explore.image_of(settings, name, seed, number, chosen, truncation, n)
        count = validation.count("neighbours", count, 1, 16)
        work = partial(neighbours.nearest, request=request, position=number, count=count)
        return (await page.service.run("nearest", request.model, work, page_progress(progress), from_="page")).html()

    async def first(name, seed, number, count, chosen, truncation, n, progress=gr.Progress()):  # noqa: B008
        config, name = validation.model(name)
        record = neighbours.recorded(config, name)
        if not model_list.where(config, name)[0]:
            return "", record
        try:
            return await near(name, seed, number, count, chosen, truncation, n, progress), record
        except DataUnavailableError as error:  # no fault of the visitor, who has asked for nothing yet
            return neighbours.unavailable(str(error)), record

    async def pick(chosen: gr.SelectData, seed):
        return validation.seed(seed), chosen.index

    inputs = [page.model, seed, number, count, sampling.classes, sampling.truncation, sampling.n]
    page.connect(refresh.click, first, inputs, [found, recorded], show_progress_on=found)
    page.connect([find.click, seed.submit, number.submit], near, inputs, [found], cancel=cancel, show_progress_on=found)
    page.connect(sampling.gallery.select, pick, [sampling.seed], [seed, number], show_progress="hidden")
