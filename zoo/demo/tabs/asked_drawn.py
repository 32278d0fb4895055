"""Labels: asked for against drawn, as a heat map, and the same latents both ways."""

from __future__ import annotations

import asyncio
from functools import partial

import gradio as gr

from ...schema import labels
from .. import drawing, encoding, heatmap, model_list, validation
from ..heatmap import ALIGNED, TRAINED
from ..wiring import draw_button, page_progress

_SEED, _ROWS, _COLUMNS = 0, 3, 10


def build(page) -> None:
    with gr.Tab("Labels", id="labels", elem_id="tab-labels"):
        way = gr.Radio(
            [("Labels as the zoo asks for classes", ALIGNED), ("Labels as the generator was trained", TRAINED)],
            value=ALIGNED,
            label="Which labels",
            show_label=False,
            elem_id="way",
        )
        with gr.Row():
            with gr.Column(scale=3, min_width=440):
                table = gr.HTML(elem_id="heat-map")
            with gr.Column(scale=4, min_width=440):
                pictures = gr.HTML(elem_id="asked")
                lesson = gr.HTML(elem_id="lesson")
        refresh = draw_button()

    async def measure(name, way):
        config, name = validation.model(name)
        way = validation.choice("labels", way, (ALIGNED, TRAINED))
        found = heatmap.alignment(config, name)
        if found is None:
            return gr.Radio(visible=False), heatmap.nothing(config, name), ""
        return gr.Radio(visible=True), heatmap.table(config, found, way), heatmap.lesson(found) + heatmap.source(found)

    async def show(name, way, progress=gr.Progress()):  # noqa: B008
        config, name = validation.model(name)
        way = validation.choice("labels", way, (ALIGNED, TRAINED))
        if heatmap.alignment(config, name) is None or not model_list.where(config, name)[0]:
            return ""
        classes = list(range(min(_COLUMNS, config.num_classes)))
        work = partial(drawing.asked, name=name, classes=classes, rows=_ROWS, seed=_SEED, way=way)
        images = await page.service.run("labels", name, work, page_progress(progress), from_="page")
        names = [labels.class_names(config)[i] for i in classes]
        told = f"asked for, and drawn from seed {_SEED}"
        shown = await asyncio.to_thread(lambda: encoding.by_title(encoding.columns(images, names), names, told))
        return f'{shown}<p class="zoo-caption">{told.capitalize()}</p>'

    events, inputs = [refresh.click, way.input], [page.model, way]
    page.connect(events, measure, inputs, [way, table, lesson], show_progress="hidden")
    page.connect(events, show, inputs, [pictures], show_progress_on=pictures)
