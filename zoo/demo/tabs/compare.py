"""Compare: two or three models side by side on the same seed, with their published and measured scores."""

from __future__ import annotations

import asyncio
import html
from functools import partial

import gradio as gr

from ...common.errors import LabelError, ZooError
from .. import drawing, encoding, model_list, style, validation
from ..wiring import cancel_button, page_progress

# Two methods that were trained alike: one backbone, one width, one number of steps.
_FAIR = ("contragan/cifar10-small", "biggan/cifar10-small")


def build(page) -> None:
    settings = page.service.settings
    most = min(64, settings.max_images)
    listed = model_list.choices(only_here=True)
    here = [name for _, name in listed]
    pair = _FAIR if set(_FAIR) <= set(here) else here[:2]
    with gr.Tab("Compare", id="compare", elem_id="tab-compare"):
        with gr.Row(equal_height=True):
            first = gr.Dropdown(listed, value=pair[0], label="First model", min_width=240, elem_id="first-model")
            second = gr.Dropdown(listed, value=pair[1], label="Second model", min_width=240, elem_id="second-model")
            third = gr.Dropdown(
                [("none", ""), *listed], value="", label="Third model", min_width=240, elem_id="third-model"
            )
        with gr.Accordion("Class, number of images, seed", open=False), gr.Row(equal_height=True):
            label = gr.Textbox(label="Class", info="A name or an index, for those that have classes", min_width=160)
            n = gr.Slider(1, most, min(25, most), step=1, label="Images of each", min_width=160)
            seed = gr.Number(0, label="Seed", precision=0, minimum=0, min_width=110, elem_id="compare-seed")
        with gr.Row():
            go = gr.Button("Compare", variant="primary", elem_id="compare", elem_classes="zoo-draw")
            cancel = cancel_button()
        status = gr.HTML()
        shown = gr.HTML(elem_id="compared")

    async def compare(a, b, c, label, n, seed, progress=gr.Progress()):  # noqa: B008
        names = list(dict.fromkeys(validation.model(name)[1] for name in (a, b, c) if name))
        if len(names) < 2:
            raise ZooError("choose two different models, or three")
        n, drawn_seed = validation.count("images", n, 1, most), validation.seed(seed)
        requests = [_request(settings, name, n, label, drawn_seed) for name in names]
        batches = []
        for request in requests:
            work = partial(drawing.sample, request=request)
            batches.append(
                await page.service.run("compare", request.model, work, page_progress(progress), n=n, from_="page")
            )
        sections = await asyncio.to_thread(lambda: [_section(*pair) for pair in zip(requests, batches, strict=True)])
        told = f"{n} images of each, seed {drawn_seed}"
        scores = model_list.scores_side_by_side([(request.config, request.model) for request in requests])
        found = f'<div class="zoo-sidebyside">{"".join(sections)}</div>{scores}'
        return style.status(told), found, drawn_seed if seed is None else gr.skip()

    inputs = [first, second, third, label, n, seed]
    page.connect([go.click, seed.submit], compare, inputs, [status, shown, seed], cancel=cancel, show_progress_on=shown)


def _request(settings, name: str, n: int, label, seed: int) -> validation.Sample:
    """A model without classes takes part without one."""
    config, _ = validation.model(name)
    if label is not None and not isinstance(label, str):
        raise LabelError(f"class is {validation.shown(label)}; give a name or an index")
    return validation.sample(settings, name, n, (label or "").strip() or None if config.conditional else None, seed)


def _section(request: validation.Sample, images) -> str:
    config = request.config
    name = html.escape(request.model)
    alt = f"{len(images)} images of {request.model}, seed {request.seed}"
    picture = encoding.picture(encoding.grid(images), alt)
    facts = f'<p class="zoo-facts">{html.escape(config.title)}</p>'
    return f'<section aria-label="{name}"><h3>{name}</h3>{picture}{facts}</section>'
