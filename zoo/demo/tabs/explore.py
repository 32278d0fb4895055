"""Explore: one slider that moves pictures while it is dragged, through latents, truncation and classes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

import gradio as gr

from ...common.errors import ZooError
from ...sampling import latents
from ...schema import labels, registry
from ...schema.config import ModelConfig
from .. import behaviour, drawing, encoding, exploring, model_list, snippets, validation
from ..exploring import AROUND, BETWEEN, CLASSES, MODELS, SLIDERS, TRUNCATION, Exploration
from ..wiring import cancel_button, code_field, page_progress

_THRESHOLDS = (0.25, 0.5, 0.75, 1.0, 1.5, None)
_STEPS, _SWEPT = 12, 10


@dataclass
class Exploring:
    """The components that follow the model, in the order of `of_model`."""

    of_model: list


def build(page, sampling) -> Exploring:
    settings, run = page.service.settings, page.service.run
    config = registry.config(model_list.DEFAULT)
    start = SLIDERS[BETWEEN]
    others = model_list.choices(only_here=True)
    with gr.Tab("Explore", id="explore", elem_id="tab-explore"):
        kind = gr.Radio(_kinds(config), value=BETWEEN, label="What to move", show_label=False, elem_id="kind")
        at = gr.Slider(
            start.smallest, start.largest, start.value, step=0.01, label=start.label, buttons=[], elem_id="at"
        )
        with gr.Row(elem_classes="zoo-split"):
            with gr.Column(scale=1, min_width=250):
                single = gr.Dropdown(
                    model_list.class_choices(config, False),
                    value=None,
                    label="Class",
                    info="None: each in turn",
                    elem_id="explore-class",
                )
                second = gr.Dropdown(
                    others, value=others[1][1], label="Second model", visible=False, elem_id="other-model"
                )
                with gr.Row():
                    a = gr.Number(3, label="Seed", precision=0, minimum=0, min_width=80, elem_id="from")
                    b = gr.Number(4, label="Other seed", precision=0, minimum=0, min_width=80, elem_id="to")
                    number = gr.Number(
                        0, label="Image", precision=0, minimum=0, min_width=80, visible=False, elem_id="number"
                    )
                other_seeds = gr.Button("⚄ Other seeds", size="sm", elem_id="other-seeds")
                animate = gr.Button("Animate", size="sm", elem_id="animate")
                cancel = cancel_button(size="sm")
                with gr.Row():
                    gif = gr.DownloadButton("GIF", interactive=False, size="sm", min_width=60, elem_id="gif")
                    mp4 = gr.DownloadButton("MP4", interactive=False, size="sm", min_width=60, elem_id="mp4")
            with gr.Column(scale=4, min_width=320):
                picture = gr.HTML(elem_id="moved")
                film = gr.HTML(elem_id="film")
                strip = gr.HTML(elem_id="strip")
                code = code_field("Python", "python", lines=3, visible=False)
        redraw = gr.Button("Draw", visible="hidden", elem_classes="zoo-draw")

    def checked(name, kind, at, a, b, number, single, second, chosen, truncation, n) -> Exploration:
        config, name = validation.model(name)
        kind = validation.choice("what to move", kind, tuple(exploring.KINDS))
        if kind == CLASSES and not config.conditional:
            raise ZooError(f"{name} has no classes; choose another thing to move, or another model")
        slider = SLIDERS[kind]
        at = validation.number("the slider", at, slider.smallest, slider.largest)
        a, b = validation.seed(a), validation.seed(b, "other seed")
        if kind == AROUND:
            request, number = image_of(settings, name, a, number, chosen, truncation, n)
        else:
            request, number = validation.sample(settings, name, 1, single if config.conditional else None, a), 0
        second = validation.model(second)[1] if kind == MODELS else None
        return Exploration(kind, request, b, number, second, at)

    async def move(*values):
        asked = checked(*values)
        panels = await run("explore", asked.request.model, partial(exploring.frame, asked=asked), from_="page")
        return await asyncio.to_thread(exploring.shown, panels, _told(asked))

    async def explore(*values):
        """Show what belongs to the picture; not the picture, so that one of `move` is never followed by an older."""
        below, lines = await whole(checked(*values))
        dead = gr.DownloadButton(interactive=False)
        return below, gr.Code(value=lines, visible=bool(lines)), "", dead, dead

    async def whole(asked: Exploration) -> tuple[str, str | None]:
        """Draw the whole way below the picture, and the lines that do; both empty for kinds without one."""
        request = asked.request
        if asked.kind == BETWEEN:
            label = request.classes[0] if isinstance(request.classes, tuple) else None
            ends = {"name": request.model, "a": request.seed, "b": asked.other}
            work = partial(drawing.interpolate, **ends, steps=_STEPS, label=label)
            row = drawing.Row("", await run("interpolate", request.model, work, n=_STEPS, from_="page"))
            told = f"The first image, from seed {request.seed} to seed {asked.other}"
            word = None if label is None else labels.class_names(request.config)[label]
            table = await asyncio.to_thread(encoding.strips, [row], told, "interpolation")
            return table, snippets.interpolation(request.model, request.seed, asked.other, _STEPS, word)
        if asked.kind == TRUNCATION:
            sample = validation.Sample(
                request.config, request.model, _SWEPT, _spread(request), request.seed, request.truncation
            )
            work = partial(drawing.truncations, request=sample, thresholds=_THRESHOLDS)
            rows = await run("truncations", request.model, work, n=_SWEPT, from_="page")
            return await asyncio.to_thread(encoding.strips, rows, "The same seed by truncation", "truncation"), None
        return "", None

    async def animated(name, kind, at, a, b, number, single, second, chosen, truncation, n, progress=gr.Progress()):  # noqa: B008
        asked = checked(name, kind, at, a, b, number, single, second, chosen, truncation, n)
        work = partial(exploring.film, asked=asked)
        frames = await run("film", asked.request.model, work, page_progress(progress), from_="page")
        name = f"{asked.request.config.slug}-{asked.kind}"
        films, why = await asyncio.to_thread(encoding.films, frames)
        paths = await page.service.keep(lambda: {f"{name}{suffix}": data for suffix, data in films.items()})
        look = encoding.picture(films[".gif"], f"animation: {_told(asked)}", "gif", "width: 100%")
        caption = f'<p class="zoo-caption">{why}</p>' if why else ""
        play = gr.DownloadButton(value=paths[1], interactive=True) if len(paths) > 1 else gr.skip()
        return look + caption, gr.DownloadButton(value=paths[0], interactive=True), play

    async def turn(kind):
        kind = validation.choice("what to move", kind, tuple(exploring.KINDS))
        return _slider(kind), *_visible(kind)

    async def roll():
        return latents.random_seed() % 10_000, latents.random_seed() % 10_000

    async def pick(chosen: gr.SelectData, seed):
        return validation.seed(seed), chosen.index

    of_sample = [sampling.classes, sampling.truncation, sampling.n]
    inputs = [page.model, kind, at, a, b, number, single, second, *of_sample]
    page.connect(at.input, move, inputs, [picture], show_progress="hidden")
    turned = page.connect(kind.input, turn, [kind], [at, single, second, b, number], show_progress="hidden")
    rolled = page.connect(other_seeds.click, roll, [], [a, b], show_progress="hidden")
    again = [turned[0].success, rolled[0].success]
    again += [redraw.click, a.submit, b.submit, number.submit, single.input, second.input]
    page.connect(again, move, inputs, [picture], show_progress="minimal")
    page.connect(again, explore, inputs, [strip, code, film, gif, mp4], show_progress="hidden")
    animate.click(None, None, None, js=behaviour.SHOW_FILM, api_visibility="private")
    long = {"cancel": cancel, "show_progress_on": film, "trigger_mode": "once"}
    made = page.connect(animate.click, animated, inputs, [film, gif, mp4], **long)
    page.after(made, js=behaviour.SHOW_FILM)
    page.connect(sampling.gallery.select, pick, [sampling.seed], [a, number], show_progress="hidden")
    return Exploring([kind, at, single, second, b, number])


def of_model(config: ModelConfig) -> tuple:
    """Return what the components that follow the model show of another one."""
    single = gr.Dropdown(choices=model_list.class_choices(config, False), value=None, visible=config.conditional)
    others = [name for _, name in model_list.choices(only_here=True) if name != config.name]
    second = gr.Dropdown(value=others[0] if others else config.name, visible=False)
    _, _, *rest = _visible(BETWEEN)
    return gr.Radio(choices=_kinds(config), value=BETWEEN), _slider(BETWEEN), single, second, *rest


def image_of(settings, name, seed, number, chosen, truncation, n) -> tuple[validation.Sample, int]:
    """Check a sample as in the Sample tab, and the number of one of its images."""
    request = validation.sample(settings, name, n, chosen, seed, validation.truncation(truncation or None))
    most = settings.max_images - 1 if request.classes is None or isinstance(request.label, int) else request.n - 1
    return request, validation.count("image number", number, 0, most)


def _kinds(config: ModelConfig) -> list[tuple[str, str]]:
    return [(title, kind) for kind, title in exploring.KINDS.items() if config.conditional or kind != CLASSES]


def _slider(kind: str) -> gr.Slider:
    slider = SLIDERS[kind]
    return gr.Slider(minimum=slider.smallest, maximum=slider.largest, value=slider.value, label=slider.label)


def _visible(kind: str) -> tuple:
    """Return class, second model, other seed and number of the image, of which a kind needs some."""
    return (
        gr.Dropdown(visible=kind != AROUND),
        gr.Dropdown(visible=kind == MODELS),
        gr.Number(visible=kind in (BETWEEN, CLASSES, MODELS)),
        gr.Number(visible=kind == AROUND),
    )


def _spread(request: validation.Sample):
    """Return the classes of a row of the table by truncation: the one asked for, else ten of them."""
    if isinstance(request.classes, tuple) or not request.config.conditional:
        return request.classes
    return tuple(range(min(_SWEPT, request.config.num_classes)))


def _told(asked: Exploration) -> str:
    request, at = asked.request, asked.at
    if asked.kind == AROUND:
        return f"Rows: ways from image {asked.number} of seed {request.seed} (left), {at:.2f} of the way to another"
    if asked.kind == TRUNCATION:
        return f"Seed {request.seed}, no latent beyond {at:.2f}"
    what = {CLASSES: "Columns: classes of the same latents. ", MODELS: "The same numbers drawn for both models. "}
    return what.get(asked.kind, "") + f"{at:.2f} of the way from seed {request.seed} to seed {asked.other}"
