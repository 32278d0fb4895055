"""About: the model card, and a sheet of samples."""

from __future__ import annotations

import asyncio
import html
from functools import partial

import gradio as gr

from ...common.text import markdown
from ...release import card as cards
from ...schema import registry
from ...schema.config import ModelConfig
from ...schema.licenses import license_of_model
from .. import drawing, encoding, model_list, style, validation
from ..wiring import draw_button, page_progress

_SHEET = 64  # images


def build(page) -> gr.Markdown:
    with gr.Tab("About", id="about", elem_id="tab-about"), gr.Row(elem_classes="zoo-upwards"):
        with gr.Column(scale=3, min_width=560):
            shown = gr.Markdown(card(registry.config(model_list.DEFAULT)), elem_id="card")
        with gr.Column(scale=2, min_width=280):
            sheet = gr.HTML(elem_id="sheet")
            refresh = draw_button()

    async def draw(name, progress=gr.Progress()):  # noqa: B008
        config, name = validation.model(name)
        if not model_list.where(config, name)[0]:
            return style.status("No samples: the weights are not on this machine.")
        n = min(_SHEET, page.service.settings.max_images)
        label = "all" if config.conditional and config.num_classes <= n else None
        request = validation.sample(page.service.settings, name, n, label, 0)
        images = await page.service.run(
            "sheet", name, partial(drawing.sample, request=request), page_progress(progress), n=n
        )
        data = await asyncio.to_thread(encoding.grid, images)
        alt = f"{n} samples of {name}, seed 0" + (", class after class" if label else "")
        picture = encoding.picture(data, alt, style="width: 100%")
        return f'<p class="zoo-caption">{html.escape(alt)}</p>{picture}'

    page.connect(refresh.click, draw, [page.model], [sheet], show_progress_on=sheet)
    return shown


def card(config: ModelConfig) -> str:
    """Return the model card without the Hub's front matter, whose licence is added in words."""
    body = cards.render(config, record=False).split("\n---\n", 1)[1].strip()
    picture = f"({cards.sheet_filename(config)})"  # drawn beside the card instead
    lines = [line for line in body.splitlines() if not (line.startswith("![") and line.endswith(picture))]
    return "\n".join([*lines, "", "## Licence", "", markdown(license_of_model(config)), ""])
