"""The page: a model to choose at the top, a tab for each thing to do with it, deep links."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ..schema import registry
from ..schema.config import ModelConfig
from . import api, behaviour, cards, links, model_list, style, validation
from .service import Service, guarded, internal_error
from .tabs import (
    about,
    asked_drawn,
    compare,
    discriminator_view,
    entrance,
    evaluate,
    explore,
    memorising,
    over_time,
    sample,
)
from .wiring import Wires


@dataclass
class Page:
    """What the tabs share: the model in the menu, the tabs, and the wires to their handlers."""

    service: Service
    model: gr.Dropdown
    tabs: gr.Tabs
    connect: Callable  # as of Wires
    after: Callable


class Blocks(gr.Blocks):
    """Gradio's Blocks, whose own errors become one line in the log and one for the caller."""

    async def process_api(self, *arguments: Any, **named: Any) -> Any:
        try:
            return await super().process_api(*arguments, **named)
        except gr.Error:
            raise
        except Exception as error:
            raise internal_error(error, "page") from None

    def forget(self, paths: list[str]) -> None:
        """Stop tracking files that were removed."""
        for known in self.temp_file_sets:
            known.difference_update(paths)


def launch_options() -> dict:
    """Return theme and style for `Blocks.launch`: system fonts, nothing from other servers."""
    return {"theme": style.theme(), "css": style.CSS, "head": behaviour.HEAD}


def build(service: Service) -> gr.Blocks:
    """Build the page and the endpoints for programs."""
    with Blocks(title="contrastive-gan-zoo", analytics_enabled=False, fill_width=True) as blocks:
        api.register(service)  # first, so that no function of the page takes the names of the endpoints
        with gr.Row(equal_height=True, elem_classes="zoo-top"):
            gr.HTML(style.HEADER, min_width=200)
            model = gr.Dropdown(
                model_list.choices(True),
                value=model_list.DEFAULT,
                label="Model",
                container=False,
                min_width=240,
                elem_id="model",
            )
        facts = gr.HTML(elem_id="facts")
        message = gr.HTML(elem_id="message")
        shown = gr.Textbox(model_list.DEFAULT, visible=False)  # the model that the page shows
        wires = Wires(message)
        with gr.Tabs(selected="models", overflow_behavior="wrap", elem_classes="zoo-tabs") as tabs:
            page = Page(service, model, tabs, wires.connect, wires.after)
            entering = entrance.build()
            sampling = sample.build(page)
            exploring = explore.build(page, sampling)
            asked_drawn.build(page)
            discriminator_view.build(page)
            over_time.build(page)
            memorising.build(page, sampling)
            compare.build(page)
            evaluate.build(page)
            carding = about.build(page)
        for tab in tabs.children:
            assert isinstance(tab, gr.Tab)
            tab.select(None, None, None, js=behaviour.FOLLOW_TAB % tab.id, api_visibility="private")
        of_model = [model, facts, sampling.classes, *exploring.of_model, carding, shown]

        def show(config: ModelConfig, name: str, label: list[str]) -> tuple:
            """Return what the page shows of a model, with these classes to sample."""
            listed = _choices_with(model_list.choices(True), name)
            classes = gr.Dropdown(choices=model_list.class_choices(config), value=label, visible=config.conditional)
            return (
                gr.Dropdown(choices=listed, value=name),
                model_list.facts(config, name),
                classes,
                *explore.of_model(config),
                about.card(config),
                name,
            )

        def show_named(name: Any) -> tuple:
            config, name = validation.model(name)
            return show(config, name, ["all"] if config.conditional else [])

        async def choose(name, before):
            # The menu says that it was changed when it only had the focus.
            return [gr.skip()] * len(of_model) if name == before else show_named(name)

        async def restore(request: gr.Request):
            query = dict(request.query_params)
            view, problems = links.parse(query, service.settings)
            name = view.model or model_list.DEFAULT
            config = view.config or registry.config(name)
            fresh = not query.keys() & links.OF_PICTURES  # a page that was opened without a link shows every class
            label = ["all"] if fresh or view.label == "all" else [str(i) for i in view.label or ()]
            menu, told, *rest = show(config, name, label if config.conditional else [])
            return (
                menu,
                told + (style.notice(problems) if problems else ""),  # stays until another model is chosen
                *rest,
                view.n or sample.DEFAULT_N,
                view.seed if view.seed is not None else 0,
                view.truncation or 0,
                view.columns or sample.DEFAULT_COLUMNS,
                gr.Tabs(selected=view.tab or ("models" if fresh else "sample")),
                cards.here(),
            )

        entrance.connect(page, entering, of_model, show_named)
        chosen = wires.connect(model.input, choose, [model, shown], of_model, show_progress="hidden")
        controls = [sampling.n, sampling.seed, sampling.truncation, sampling.columns]
        restored = blocks.load(
            guarded(restore),
            None,
            [*of_model, *controls, tabs, entering.here],
            show_progress="hidden",
            api_visibility="private",
        )
        wires.after([*chosen, restored], js=behaviour.DRAW)
    blocks.queue(default_concurrency_limit=None, max_size=2 * service.settings.max_waiting + 64, api_open=False)
    service.store.gone = blocks.forget
    blocks._queue.sleep_when_free = 0.005  # seconds between two checks; Gradio's 0.001 costs a tenth of a core
    return blocks


def _choices_with(listed: list[tuple[str, str]], name: str) -> list[tuple[str, str]]:
    """Return the list, with a name and tag added if a link asks for them."""
    return listed if any(name == known for _, known in listed) else [(name, name), *listed]
