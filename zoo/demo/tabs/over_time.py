"""Training: a slider over what was recorded while the weights were trained."""

from __future__ import annotations

import asyncio

import gradio as gr

from .. import recorded, validation
from ..wiring import draw_button


def build(page) -> None:
    with gr.Tab("Training", id="training", elem_id="tab-training"):
        moment = gr.Slider(
            1,
            8,
            1,
            step=1,
            label="Moment of the training (the same latents throughout)",
            visible=False,
            buttons=[],
            elem_id="moment",
        )
        picture = gr.HTML(elem_id="at-moment")
        curves = gr.HTML(elem_id="curves")
        refresh = draw_button()

    async def move(name, position):
        config, _ = validation.model(name)
        last = len(recorded.moments(config.name))
        return recorded.shown(config, validation.count("moment", position, 1, max(1, last)) - 1) if last else gr.skip()

    async def first(name):
        config, name = validation.model(name)
        found = await asyncio.to_thread(recorded.moments, config.name)
        if not found or name != config.name:  # a record is of the default weights
            return gr.Slider(visible=False), recorded.nothing(config), ""
        slider = gr.Slider(maximum=len(found), value=len(found), visible=len(found) > 1)
        return slider, recorded.shown(config, len(found) - 1), recorded.curves(config)

    page.connect(refresh.click, first, [page.model], [moment, picture, curves], show_progress_on=picture)
    page.connect(moment.input, move, [page.model, moment], [picture], show_progress="hidden")
