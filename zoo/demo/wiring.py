"""Event handlers of the page's controls: hidden from the API, with raw values, and errors as one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from .service import guarded
from .workers import JobProgress


def connect(triggers, function: Callable, inputs: list, outputs: list, **options) -> Any:
    """Connect a coroutine function that checks its own values; Gradio passes them unchanged."""
    event_options = {"preprocess": False, "concurrency_limit": None, "api_visibility": "private"} | options
    event_options["api_name"] = f"page_{function.__name__}"
    handler = guarded(function, page=True)
    if isinstance(triggers, list):
        return gr.on(triggers, handler, inputs, outputs, **event_options)
    return triggers(handler, inputs, outputs, **event_options)  # button.click, or another event's success


def page_progress(progress: gr.Progress) -> Callable[[JobProgress, int], None]:
    """Return a function that shows a job's progress in the page: its queue position, then images done and time left."""

    def report(latest: JobProgress, before: int) -> None:
        if before:
            progress(0, desc=f"waiting for {before} other request{'s' if before > 1 else ''}")
        elif latest.total:
            left = f", about {latest.left:.0f} s left" if latest.left and latest.left >= 1 else ""
            progress(latest.done / latest.total, desc=latest.text + left)
        else:
            progress(0, desc=latest.text or "starting")

    return report
