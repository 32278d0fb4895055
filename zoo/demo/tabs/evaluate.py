"""Evaluate: a small evaluation while one waits, beside the scores that were published or recorded."""

from __future__ import annotations

import html
from functools import partial

import gradio as gr

from ...common.errors import ZooError
from .. import encoding, model_list, scoring, style, validation
from ..wiring import cancel_button, code_field, draw_button, page_progress


def build(page) -> None:
    from ...evaluation import defaults
    from ...evaluation.protocols.published import PROTOCOLS

    settings = page.service.settings
    most = settings.max_evaluation_images
    fewest = min(scoring.FEWEST, most)
    with gr.Tab("Evaluate", id="evaluate", elem_id="tab-evaluate"), gr.Row():
        with gr.Column(scale=1, min_width=280):
            metrics = gr.CheckboxGroup(
                [(title, key) for key, title in scoring.METRICS.items()],
                value=["fid"],
                label="Metrics",
                elem_id="metrics",
            )
            extractor = gr.Radio(
                scoring.EXTRACTORS,
                value=defaults.extractor(),
                label="Feature extractor",
                info="Published scores are Inception's; the other needs no download",
                elem_id="extractor",
            )
            protocol = gr.Dropdown(
                [*PROTOCOLS, "published"],
                value="clean",
                label="Protocol",
                info="How images are made and compared",
                elem_id="protocol",
            )
            num_fake = gr.Slider(
                fewest,
                most,
                min(500, most),
                step=1,
                label="Generated images",
                elem_id="num-fake",
                info="Published scores take 10,000 or 50,000",
            )
            with gr.Row():
                go = gr.Button("Evaluate", variant="primary", min_width=100, elem_id="evaluate")
                cancel = cancel_button(elem_id="cancel-evaluation")
        with gr.Column(scale=3, min_width=480):
            shown = gr.HTML(elem_id="report")
            report_file = gr.DownloadButton("Download report", visible=False, size="sm", elem_id="report-file")
            command = code_field("Command line", "shell", lines=1, visible=False)
        refresh = draw_button()

    async def evaluate(name, metrics, extractor, protocol, num_fake, progress=gr.Progress()):  # noqa: B008
        asked = scoring.request(settings, name, metrics, num_fake, extractor, protocol)
        work = partial(scoring.evaluate, asked=asked)
        try:
            report = await page.service.run(
                "evaluate", asked.model, work, page_progress(progress), long=True, n=asked.num_fake, from_="page"
            )
        except ZooError as error:  # to be read at leisure: it may hold an address and a command
            return style.notice([str(error)]), gr.DownloadButton(visible=False), _command(asked)
        # the files that `Report.save` writes, as a zip
        name = f"{asked.config.slug}-report.zip"
        (path,) = await page.service.keep(lambda: {name: encoding.zipped(report.files())})
        return scoring.table(report), gr.DownloadButton(value=path, visible=True), _command(asked)

    async def stated(name):
        config, name = validation.model(name)
        told = f"What was stated of {name}. A few hundred images say how models compare, not what a paper would report."
        scores = model_list.scores(config, name)
        return (
            f'<p class="zoo-caption">{html.escape(told)}</p>{scores}',
            gr.DownloadButton(visible=False),
            gr.Code(visible=False),
        )

    page.connect(refresh.click, stated, [page.model], [shown, report_file, command], show_progress="hidden")
    inputs = [page.model, metrics, extractor, protocol, num_fake]
    long = {"cancel": cancel, "show_progress_on": shown, "trigger_mode": "once"}  # a second press begins no second one
    page.connect(go.click, evaluate, inputs, [shown, report_file, command], **long)


def _command(asked: scoring.EvaluationRequest) -> gr.Code:
    return gr.Code(value=asked.command, visible=True)
