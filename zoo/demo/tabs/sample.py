"""Sample: images of a model by class and seed, to look at, to download, and as the lines that make them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

import gradio as gr

from ...sampling import latents
from ...schema import labels, registry
from .. import behaviour, drawing, encoding, links, model_list, snippets, style, thumbnails, validation
from ..wiring import cancel_button, code_field, page_progress

_NAMED = 12  # classes, at most, that are named below their images
DEFAULT_N, DEFAULT_COLUMNS = 50, 10

# The address bar follows the pictures, and the link field shows the whole address.
_FOLLOW = """(query) => {
if (!query) return "";
const tab = new URLSearchParams(location.search).get("tab");
history.replaceState(null, "", query + (tab ? "&tab=" + encodeURIComponent(tab) : ""));
// Gradio's label of a field with a copy button does not reach the field.
document.querySelector("#link textarea")?.setAttribute("aria-label", "Link to this view");
return location.origin + location.pathname + query; }"""


@dataclass
class SampleControls:
    """The controls that other parts of the page fill in or read."""

    classes: gr.Dropdown
    n: gr.Slider
    seed: gr.Number
    truncation: gr.Slider
    columns: gr.Slider
    gallery: gr.Gallery


def build(page) -> SampleControls:
    settings = page.service.settings
    names = model_list.class_choices(registry.config(model_list.DEFAULT))
    with gr.Tab("Sample", id="sample", elem_id="tab-sample"), gr.Row(elem_classes="zoo-split"):
        with gr.Column(scale=1, min_width=250):
            with gr.Row():
                generate = gr.Button(
                    "Generate", variant="primary", min_width=100, elem_id="generate", elem_classes="zoo-draw"
                )
                cancel = cancel_button(elem_id="cancel")
            classes = gr.Dropdown(
                names, value=["all"], multiselect=True, label="Class", info="None: drawn from the seed", elem_id="class"
            )
            n = gr.Slider(1, settings.max_images, DEFAULT_N, step=1, label="Number of images", elem_id="n")
            with gr.Row(equal_height=True, elem_classes="zoo-seed"):
                seed = gr.Number(0, label="Seed", precision=0, minimum=0, scale=3, min_width=100, elem_id="seed")
                dice = gr.Button("⚄ New seed", scale=2, min_width=100, size="sm", elem_id="dice")
            truncation = gr.Slider(
                0,
                2,
                0,
                step=0.05,
                label="Truncation",
                info="0: none",
                elem_id="truncation",
            )
            columns = gr.Slider(1, 32, DEFAULT_COLUMNS, step=1, label="Columns", elem_id="columns")
        with gr.Column(scale=4, min_width=320):
            gallery = gr.Gallery(
                show_label=False,
                label="Images",
                columns=DEFAULT_COLUMNS,
                format="png",
                object_fit="contain",
                height="auto",
                interactive=False,
                buttons=["fullscreen", "download"],
                elem_id="gallery",
                elem_classes="zoo-gallery",
            )
            status = gr.HTML(elem_id="status")
            with gr.Row():
                grid = gr.DownloadButton("Download PNG grid", interactive=False, size="sm", elem_id="grid")
                archive = gr.DownloadButton("Download zip", interactive=False, size="sm", elem_id="zip")
            with gr.Accordion("Make the same pictures yourself", open=False):
                python = code_field("Python", "python", elem_id="python", lines=4)
                command = code_field("Command line", "shell", elem_id="command", lines=1)
                link = gr.Textbox(label="Link to this view", interactive=False, buttons=["copy"], elem_id="link")
            query = gr.Textbox(visible=False)

    async def make(name, n, chosen, seed, truncation, columns, progress=gr.Progress()):  # noqa: B008
        truncation = validation.truncation(truncation or None)
        request = validation.sample(settings, name, n, chosen, seed, truncation)
        columns = validation.count("columns", columns, 1, 32)
        start = time.monotonic()
        work = partial(drawing.sample, request=request)
        images = await page.service.run(
            "sample", request.model, work, page_progress(progress), n=request.n, from_="page"
        )
        taken = time.monotonic() - start
        thumbnails.remember(request.config, images)
        *shown, sheet, zipped = await page.service.keep(lambda: _encoded(request, images, columns))
        told = f"{request.n} images of {request.model}, seed {request.seed}, in {taken:.2f} s"
        return (
            gr.Gallery(
                value=list(zip(shown, _captions(request, images), strict=True)), columns=columns, selected_index=None
            ),
            style.status(told + _in_turn(request, images)),
            gr.DownloadButton(value=sheet, interactive=True),
            gr.DownloadButton(value=zipped, interactive=True),
            snippets.python(request, columns),
            snippets.command(request, columns),
            links.query(request, columns),
            request.seed if seed is None else gr.skip(),  # another one may have been given meanwhile
        )

    inputs = [page.model, n, classes, seed, truncation, columns]
    outputs = [gallery, status, grid, archive, python, command, query, seed]

    async def roll():
        return latents.random_seed()

    rolled = page.connect(dice.click, roll, [], [seed], show_progress="hidden")
    made = page.connect(
        [generate.click, seed.submit, rolled[0].success], make, inputs, outputs, cancel=cancel, show_progress_on=gallery
    )
    gr.on([dice.click, seed.submit], None, None, None, js=behaviour.SHOW_PICTURES, api_visibility="private")
    page.after(made, inputs=query, outputs=link, js=_FOLLOW)
    return SampleControls(classes, n, seed, truncation, columns, gallery)


def _encoded(request: validation.Sample, images, columns: int) -> dict[str, bytes]:
    """Encode the pictures, the grid and the zip as files."""
    encoded = {f"{i:06d}.png": encoding.png(image) for i, image in enumerate(images)}
    slug = request.config.slug
    return encoded | {f"{slug}.png": encoding.png(images.grid(columns)), f"{slug}.zip": encoding.zipped(encoded)}


def _in_turn(request: validation.Sample, images) -> str:
    """Return which classes follow each other, where a few are in equal parts; else nothing."""
    if images.labels is None:
        return ""
    found, counts = images.labels.unique_consecutive(return_counts=True)
    if not 1 < len(found) <= _NAMED or len(found.unique()) < len(found) or len(counts.unique()) > 1:
        return ""
    names = labels.class_names(request.config)
    return f": {counts[0]} each of {', '.join(names[i] for i in found.tolist())}"


def _captions(request: validation.Sample, images) -> list[str]:
    names = labels.class_names(request.config)
    return [f"image {i}" + (f", class {names[int(images.labels[i])]}" if names else "") for i in range(len(images))]
