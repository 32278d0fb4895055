"""The page: a model to choose at the top, a tab for each thing to do with it, deep links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from ..schema import registry
from . import api, links, model_list, style, validation
from .service import Service, guarded, internal_error
from .tabs import about, compare, evaluate, explore, sample
from .wiring import connect

# The address bar follows the tab, once the page has drawn what its address asked for.
_FOLLOW = """() => { if (!document.querySelector("#status")?.textContent.trim()) return;
const to = new URL(location); to.searchParams.set("tab", "%s");
history.replaceState(null, "", to.toString().replaceAll("%%2F", "/")); }"""


@dataclass
class Page:
    """The components that several tabs share."""

    service: Service
    model: gr.Dropdown
    tabs: gr.Tabs


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
    return {"theme": style.theme(), "css": style.CSS, "head": style.HEAD}


def build(service: Service) -> gr.Blocks:
    """Build the page and the endpoints for programs."""
    with Blocks(title="contrastive-gan-zoo", analytics_enabled=False, fill_width=True) as blocks:
        api.register(service)  # first, so that no function of the page takes the names of the endpoints
        gr.HTML(style.HEADER)
        with gr.Row(equal_height=True, elem_classes="zoo-picker"):
            model = gr.Dropdown(
                model_list.choices(),
                value=model_list.DEFAULT,
                label="Model",
                info=f"Type to search. {model_list.HERE} loads without a network.",
                scale=4,
                min_width=260,
                elem_id="model",
            )
            group = gr.Radio(
                ["method", "data set"],
                value="method",
                label="Group by",
                scale=2,
                min_width=230,
            )
            here = gr.Checkbox(label="Only models on this machine", scale=2, min_width=230)
        config = registry.config(model_list.DEFAULT)
        facts = gr.HTML(model_list.facts(config, model_list.DEFAULT), elem_id="facts")
        note = gr.HTML(visible=False)
        with gr.Tabs(selected="sample") as tabs:
            page = Page(service, model, tabs)
            sampling = sample.build(page)
            exploring = explore.build(page, sampling)
            compare.build(page)
            evaluate.build(page)
            carding = about.build(page)
        for tab in tabs.children:
            assert isinstance(tab, gr.Tab)
            tab.select(None, None, None, js=_FOLLOW % tab.id, api_visibility="private")

        async def relist(only_here, by, chosen):
            listed = model_list.choices(bool(only_here), validation.choice("group", by, ("method", "data set")))
            known = [name for _, name in listed]
            return gr.Dropdown(choices=listed, value=chosen if chosen in known else (known or [None])[0])

        connect([here.change, group.change], relist, [here, group, model], [model], show_progress="hidden")

        async def choose(name):
            config, name = validation.model(name)
            classes = model_list.class_choices(config)
            update = gr.Dropdown(choices=classes, value=[], visible=bool(classes))
            single = gr.Dropdown(choices=model_list.class_choices(config, False), value=None, visible=bool(classes))
            return (
                model_list.facts(config, name),
                gr.HTML(visible=False),
                update,
                update,
                single,
                gr.Button(interactive=bool(classes)),
                about.card(config),
            )

        chosen = [facts, note, sampling.classes, exploring.classes, exploring.single, exploring.by_class, carding]
        connect([model.input], choose, [model], chosen, show_progress="hidden")

        async def restore(request: gr.Request):
            query = dict(request.query_params)
            view, problems = links.parse(query, service.settings)
            name = view.model or model_list.DEFAULT
            config = view.config or registry.config(name)
            classes = model_list.class_choices(config)
            fresh = not query.keys() - {"tab"}  # a page that was opened without a link shows every class
            label = ["all"] if fresh or view.label == "all" else [str(i) for i in view.label or ()]
            update = gr.Dropdown(choices=classes, value=label, visible=bool(classes))
            single = gr.Dropdown(choices=model_list.class_choices(config, False), value=None, visible=bool(classes))
            return (
                model_list.facts(config, name),
                gr.HTML(style.notice(problems), visible=bool(problems)),
                update,
                gr.Dropdown(choices=classes, value=[], visible=bool(classes)),
                single,
                gr.Button(interactive=bool(classes)),
                about.card(config),
                gr.Dropdown(choices=_choices_with(model_list.choices(), name), value=name),
                view.n or sample.DEFAULT_N,
                view.seed if view.seed is not None else 0,
                view.truncation or 0,
                view.columns or sample.DEFAULT_COLUMNS,
                gr.Tabs(selected=view.tab),
            )

        restored = [*chosen, model, sampling.n, sampling.seed, sampling.truncation, sampling.columns, tabs]
        shown = blocks.load(
            guarded(restore, page=True), None, restored, show_progress="hidden", api_visibility="private"
        )
        sampling.after(shown.success)
    blocks.queue(default_concurrency_limit=None, max_size=2 * service.settings.max_waiting + 64, api_open=False)
    service.store.gone = blocks.forget
    blocks._queue.sleep_when_free = 0.005  # seconds between two checks; Gradio's 0.001 costs a tenth of a core
    return blocks


def _choices_with(listed: list[tuple[str, str]], name: str) -> list[tuple[str, str]]:
    """Return the list, with a name and tag added if a link asks for them."""
    return listed if any(name == known for _, known in listed) else [(name, name), *listed]
