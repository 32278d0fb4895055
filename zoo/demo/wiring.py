"""How the page's controls are tied to functions: hidden from the API, raw values in, errors as one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from .service import guarded
from .workers import Progress


def connect(triggers, function: Callable, inputs: list, outputs: list, **options) -> Any:
    """Tie a coroutine function that checks its own values, so that Gradio passes them as they come."""
    event_options = {"preprocess": False, "concurrency_limit": None, "api_visibility": "private"} | options
    event_options["api_name"] = f"page_{function.__name__}"
    handler = guarded(function, page=True)
    if isinstance(triggers, list):
        return gr.on(triggers, handler, inputs, outputs, **event_options)
    return triggers(handler, inputs, outputs, **event_options)  # button.click, or another event's success


def page_progress(progress: gr.Progress) -> Callable[[Progress, int], None]:
    """Shows a job's progress in the page: its place in the queue, then images done and time left."""

    def report(latest: Progress, before: int) -> None:
        if before:
            progress(0, desc=f"waiting for {before} other request{'s' if before > 1 else ''}")
        elif latest.total:
            left = f", about {latest.left:.0f} s left" if latest.left and latest.left >= 1 else ""
            progress(latest.done / latest.total, desc=latest.text + left)
        else:
            progress(0, desc=latest.text or "starting")

    return report
