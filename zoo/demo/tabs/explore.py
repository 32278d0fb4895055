"""Explore: classes by latents, the way between two seeds, walks from one image, truncation, nearest real images."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

import gradio as gr

from ...common.errors import ZooError
from ...sampling import latents
from ...schema import labels, registry
from .. import api, drawing, encoding, model_list, neighbours, snippets, validation
from ..service import Service
from ..wiring import connect, page_progress

_THRESHOLDS = (0.25, 0.5, 0.75, 1.0, 1.5, None)
_MAX_ROWS, _MAX_COLUMNS, _MAX_PICTURES = 40, 16, 400


@dataclass
class Exploring:
    classes: gr.Dropdown
    single: gr.Dropdown
    by_class: gr.Button


def build(page, sampling) -> Exploring:
    settings, run = page.service.settings, page.service.run
    config = registry.config(model_list.DEFAULT)
    with gr.Tab("Explore", id="explore"), gr.Tabs():
        with gr.Tab("Between two seeds", id="interpolate"):
            with gr.Row(equal_height=True):
                a = gr.Number(3, label="From seed", precision=0, minimum=0, min_width=110, elem_id="from")
                b = gr.Number(4, label="To seed", precision=0, minimum=0, min_width=110, elem_id="to")
                steps = gr.Slider(2, settings.max_steps, 12, step=1, label="Steps", min_width=160, elem_id="steps")
                single = gr.Dropdown(
                    model_list.class_choices(config, False),
                    value=None,
                    label="Class",
                    min_width=140,
                    info="None: the one of the first seed",
                    elem_id="interpolate-class",
                )
            with gr.Row():
                go_between = gr.Button("Interpolate", variant="primary", elem_id="interpolate")
                other_seeds = gr.Button("⚄ Other seeds", elem_id="other-seeds")
            strip = gr.HTML(elem_id="strip")
            with gr.Row():
                loop = gr.Image(
                    label="Loop",
                    type="filepath",
                    interactive=False,
                    buttons=["download", "fullscreen"],
                    height=280,
                    elem_classes="zoo-gallery",
                    elem_id="loop",
                    alt_text="The way between the two seeds, as a loop",
                )
                between_code = gr.Code(label="Python", language="python", interactive=False, lines=3, wrap_lines=True)
        with gr.Tab("Classes", id="classes"):
            with gr.Row(equal_height=True):
                classes = gr.Dropdown(
                    model_list.class_choices(config),
                    value=[],
                    multiselect=True,
                    label="Classes",
                    info=f"None: all, up to {_MAX_ROWS}",
                    min_width=200,
                )
                across = gr.Slider(1, _MAX_COLUMNS, 8, step=1, label="Latents", min_width=160)
                class_seed = gr.Number(0, label="Seed", precision=0, minimum=0, min_width=110)
            by_class = gr.Button("Same latents, each class", variant="primary", elem_id="by-class")
            class_table, class_file = gr.HTML(elem_id="class-table"), _download()
        with gr.Tab("Around one image", id="walk"):
            gr.Markdown(
                "Choose an image by seed and number, or click one in the Sample tab, whose class and truncation hold."
            )
            with gr.Row(equal_height=True):
                walk_seed = gr.Number(0, label="Seed", precision=0, minimum=0, min_width=110)
                position = gr.Number(0, label="Image number", precision=0, minimum=0, min_width=110)
                reach = gr.Slider(0.1, 1, 0.5, step=0.05, label="Reach", info="1: as far as an unrelated image")
                directions = gr.Slider(1, 8, 4, step=1, label="Directions")
            go_walk = gr.Button("Walk", variant="primary", elem_id="walk")
            walk_table, walk_file = gr.HTML(elem_id="walk-table"), _download()
        with gr.Tab("Truncation", id="truncation-sweep"):
            with gr.Row(equal_height=True):
                sweep_seed = gr.Number(0, label="Seed", precision=0, minimum=0, min_width=110)
                sweep_n = gr.Slider(1, _MAX_COLUMNS, 10, step=1, label="Images", min_width=160)
            go_sweep = gr.Button("Compare truncations", variant="primary", elem_id="sweep")
            sweep_table, sweep_file = gr.HTML(elem_id="sweep-table"), _download()
        with gr.Tab("Nearest real images", id="nearest"):
            gr.Markdown("Is it memorising? The training images nearest to a generated one, by pixels.")
            with gr.Row(equal_height=True):
                near_seed = gr.Number(0, label="Seed", precision=0, minimum=0, min_width=110)
                near_position = gr.Number(0, label="Image number", precision=0, minimum=0, min_width=110)
                near_count = gr.Slider(1, 16, 8, step=1, label="Neighbours", min_width=160)
            go_near = gr.Button("Find", variant="primary", elem_id="find-nearest")
            near_table = gr.HTML(elem_id="nearest-table")

    async def between(name, a, b, steps, label, progress=gr.Progress()):  # noqa: B008
        config, name = validation.model(name)
        a, b = validation.seed(a, "from seed"), validation.seed(b, "to seed")
        steps = validation.count("steps", steps, 2, settings.max_steps)
        chosen = api.one_class(config, label)
        work = partial(drawing.interpolate, name=name, a=a, b=b, steps=steps, label=chosen)
        images = await run("interpolate", name, work, page_progress(progress), n=steps, from_="page")
        row = drawing.Row("", images)
        html = encoding.strips([row], f"{name}, from seed {a} to seed {b}", "interpolation")
        (looped,) = await page.service.keep(lambda: {"interpolation.gif": encoding.gif(images)})
        label_name = None if chosen is None else labels.class_names(config)[chosen]
        return html, looped, snippets.interpolation(name, a, b, steps, label_name), a, b

    async def class_by_latent(name, chosen, columns, seed, progress=gr.Progress()):  # noqa: B008
        columns = validation.count("latents", columns, 1, _MAX_COLUMNS)
        config, _ = validation.model(name)
        everything = [str(i) for i in range(min(config.num_classes, _MAX_ROWS))]
        chosen = everything if not chosen or chosen == ["all"] else chosen
        request = validation.sample(settings, name, settings.max_images, chosen, seed)
        most = min(_MAX_ROWS, _MAX_PICTURES // columns)
        request_rows = range(config.num_classes) if request.classes == "all" else request.classes or ()
        if len(request_rows) > most:
            raise ZooError(f"{len(request_rows)} classes of {columns} images; give at most {most} classes")
        work = partial(drawing.by_class, request=request, columns=columns)
        rows = await run("classes", request.model, work, page_progress(progress), from_="page")
        return await _shown(
            page.service, rows, f"{request.model}, seed {request.seed}: one column a latent", "class", request
        )

    async def around(name, seed, position, reach, directions, chosen, truncation, n, progress=gr.Progress()):  # noqa: B008
        request, position = _request(settings, name, seed, position, chosen, truncation, n)
        reach = validation.number("reach", reach, 0.1, 1)
        directions = validation.count("directions", directions, 1, 8)
        work = partial(drawing.walk, request=request, position=position, directions=directions, steps=9, reach=reach)
        rows = await run("walk", request.model, work, page_progress(progress), from_="page")
        title = f"{request.model}, from image {position} of seed {request.seed} (left) in {directions} directions"
        return await _shown(page.service, rows, title, "walk", request)

    async def sweep(name, seed, n, chosen, progress=gr.Progress()):  # noqa: B008
        n = validation.count("images", n, 1, _MAX_COLUMNS)
        request = validation.sample(settings, name, n, _fitting(chosen, n), seed)
        work = partial(drawing.truncations, request=request, thresholds=_THRESHOLDS)
        rows = await run("truncations", request.model, work, page_progress(progress), n=n, from_="page")
        return await _shown(
            page.service, rows, f"{request.model}, seed {request.seed}, by truncation", "truncation", request
        )

    async def near(name, seed, position, count, chosen, truncation, n, progress=gr.Progress()):  # noqa: B008
        request, position = _request(settings, name, seed, position, chosen, truncation, n)
        count = validation.count("neighbours", count, 1, 16)
        work = partial(neighbours.nearest, request=request, position=position, count=count)
        return (await run("nearest", request.model, work, page_progress(progress), from_="page")).html()

    async def roll():
        return latents.random_seed() % 10_000, latents.random_seed() % 10_000

    async def pick(chosen: gr.SelectData, seed):
        return [value for _ in range(2) for value in (validation.seed(seed), chosen.index)]

    go = [page.model, a, b, steps, single]
    outputs = [strip, loop, between_code, a, b]
    connect([go_between.click, a.submit, b.submit], between, go, outputs, show_progress_on=strip)
    rolled = connect(other_seeds.click, roll, [], [a, b], show_progress="hidden")
    connect(rolled.success, between, go, outputs, show_progress_on=strip)
    connect(by_class.click, class_by_latent, [page.model, classes, across, class_seed], [class_table, class_file])
    of_sample = [sampling.classes, sampling.truncation, sampling.n]
    connect(
        go_walk.click, around, [page.model, walk_seed, position, reach, directions, *of_sample], [walk_table, walk_file]
    )
    connect(go_sweep.click, sweep, [page.model, sweep_seed, sweep_n, sampling.classes], [sweep_table, sweep_file])
    connect(go_near.click, near, [page.model, near_seed, near_position, near_count, *of_sample], [near_table])
    picked = [walk_seed, position, near_seed, near_position]
    connect(sampling.gallery.select, pick, [sampling.seed], picked, show_progress="hidden")
    return Exploring(classes, single, by_class)


def _download() -> gr.DownloadButton:
    return gr.DownloadButton("Download PNG", interactive=False, size="sm")


async def _shown(service: Service, rows, heading: str, alt: str, request: validation.Sample):
    """Return the table, and the same as one PNG to download."""
    table = await asyncio.to_thread(encoding.strips, rows, heading, alt)
    (path,) = await service.keep(lambda: {f"{request.config.slug}-{alt}.png": encoding.stacked(rows)})
    return table, gr.DownloadButton(value=path, interactive=True)


def _request(settings, name, seed, position, chosen, truncation, n) -> tuple[validation.Sample, int]:
    """Check a sample as in the Sample tab, and the number of one of its images."""
    request = validation.sample(settings, name, n, chosen, seed, validation.truncation(truncation or None))
    most = settings.max_images - 1 if request.classes is None or isinstance(request.label, int) else request.n - 1
    return request, validation.count("image number", position, 0, most)


def _fitting(chosen, n: int):
    """Return the first n of the classes requested."""
    if chosen == ["all"]:
        return None
    return chosen[:n] if isinstance(chosen, list) else chosen
