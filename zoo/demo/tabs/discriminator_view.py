"""Discriminator: what it sees in the generated images."""

from __future__ import annotations

import asyncio
import html
from functools import partial

import gradio as gr

from ...evaluation import embedding_map
from ...schema import labels, registry
from .. import critic, links, validation
from ..wiring import cancel_button, draw_button, page_progress

_IMAGES, _MAPPED = 50, 100
_SEED = 0


def build(page) -> None:
    settings, run = page.service.settings, page.service.run
    with gr.Tab("Discriminator", id="discriminator", elem_id="tab-discriminator"):
        absent = gr.HTML(elem_id="no-discriminator")
        with gr.Column() as views:
            with gr.Row(equal_height=True):
                keep = gr.Slider(1, _IMAGES, 20, step=1, label="Keep the best", buttons=[], elem_id="keep", scale=4)
                seed = gr.Number(_SEED, label="Seed", precision=0, minimum=0, min_width=90, elem_id="judged-seed")
            ranked = gr.HTML(elem_id="ranked")
            with gr.Row(elem_classes="zoo-line"):
                method = gr.Radio(
                    [embedding_map.PCA, embedding_map.TSNE],
                    value=embedding_map.PCA,
                    label="Map of the embedding",
                    elem_id="method",
                )
                draw_map = gr.Button("Draw the map", elem_id="draw-map", min_width=120)
                cancel = cancel_button()
            mapped = gr.HTML(elem_id="map")
        refresh = draw_button()

    def judged(name, seed, progress=None):
        work = partial(critic.judge, name=name, n=min(_IMAGES, settings.max_images), seed=validation.seed(seed))
        return run("judge", name, work, progress, from_="page")

    async def first(name, keep, seed, progress=gr.Progress()):  # noqa: B008
        config, name = validation.model(name)
        keep = validation.count("images to keep", keep, 1, _IMAGES)
        if not _is_here(config, name):
            return gr.Column(visible=False), _absent(name), "", ""
        found = await judged(name, seed, page_progress(progress))
        shown = await asyncio.to_thread(critic.ranking, found, min(keep, len(found.scores)))
        return gr.Column(visible=True), "", shown, ""

    async def move(name, keep, seed):
        _, name = validation.model(name)
        keep = validation.count("images to keep", keep, 1, _IMAGES)
        found = await judged(name, seed)
        return await asyncio.to_thread(critic.ranking, found, min(keep, len(found.scores)))

    async def lay_out(name, method, seed, progress=gr.Progress()):  # noqa: B008
        config, name = validation.model(name)
        method = validation.choice("map", method, (embedding_map.PCA, embedding_map.TSNE))
        n, seed = min(_MAPPED, settings.max_images), validation.seed(seed)
        work = partial(critic.embed, name=name, n=n, seed=seed, method=method)
        found = await run("embed", name, work, page_progress(progress), n=n, from_="page")
        told = f"{n} images, seed {seed}, by {method}"
        told += "; the names are at the embeddings of the classes." if found.centres is not None else "."
        return await asyncio.to_thread(critic.drawn_map, found, labels.class_names(config), told)

    inputs = [page.model, keep, seed]
    page.connect([refresh.click, seed.submit], first, inputs, [views, absent, ranked, mapped], show_progress_on=ranked)
    page.connect(keep.input, move, inputs, [ranked], show_progress="hidden")
    page.connect(
        [draw_map.click, method.input], lay_out, [page.model, method, seed], [mapped], cancel=cancel,
        show_progress_on=mapped,
    )  # fmt: skip


def _is_here(config, name: str) -> bool:
    """True if weights and discriminator of a name are on this machine."""
    from ...checkpoints import discriminators, weights
    from ...checkpoints.resolve import ResolvedModel

    entry = weights.entry(config, registry.split_tag(name)[1])
    path = weights.local_path(config, entry)
    file = discriminators.lookup(ResolvedModel(config, path, entry.tag)) if path else None
    return file is not None and file.is_local()


def _absent(name: str) -> str:
    having = [other for other in registry.names() if registry.config(other).weights and _has_default(other)]
    told = f"The discriminator of {html.escape(name)} is not on this machine."
    return f'<p class="zoo-caption">{told} These models have theirs here: {links.to_tab(having, "discriminator")}.</p>'


def _has_default(name: str) -> bool:
    config = registry.config(name)
    return config.default_tag is not None and _is_here(config, name)
