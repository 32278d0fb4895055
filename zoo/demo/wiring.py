"""Event handlers of the page's controls: hidden from the API, with raw values, and with one place for what is refused.

The page has one place for messages. A handler that succeeds clears it; one that is refused writes its reason there,
quietly, and leaves everything else as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Literal

import gradio as gr

from ..common.errors import ZooError
from . import style
from .service import internal_error
from .workers import JobProgress

# A Cancel button is shown from the click that starts something until it has ended.
_SHOW = "() => ({__type__: 'update', visible: true})"
_HIDE = _SHOW.replace("true", "false")


class Wires:
    """Connects handlers to events.

    Args:
        message: the component of the page that shows what cannot be done.
    """

    def __init__(self, message: gr.HTML):
        self._message = message

    def connect(
        self,
        triggers,
        function: Callable,
        inputs: list,
        outputs: list,
        cancel: gr.Button | None = None,
        **options: Any,
    ) -> list:
        """Connect a coroutine function that checks its own values; Gradio passes them unchanged.

        Args:
            triggers: an event such as `button.click` or `event.success`, or a list of them.
            function: returns a value per output, one alone if there is one output.
            cancel: a hidden button, which shows while the function runs and then ends it.

        Returns the events made.
        """
        event_options: dict[str, Any] = {"preprocess": False, "concurrency_limit": None, "api_visibility": "private"}
        event_options["trigger_mode"] = "always_last"  # what is asked for meanwhile is not lost
        event_options |= options
        event_options["api_name"] = f"page_{function.__name__}"
        extra = [self._message] if cancel is None else [self._message, cancel]
        handler = quiet(function, len(outputs), cancel is not None)
        events = triggers if isinstance(triggers, list) else [triggers]
        if cancel is not None:
            _each(events, None, None, cancel, js=_SHOW, api_visibility="private", show_progress="hidden")
        made = _each(events, handler, inputs, [*outputs, *extra], **event_options)
        if cancel is not None:
            cancel.click(None, None, cancel, js=_HIDE, cancels=made, api_visibility="private")
            for one in made:  # the handler did not run, so that it could not hide the button
                one.failure(None, None, cancel, js=_HIDE, api_visibility="private")
        return made

    @staticmethod
    def after(made: list, **options: Any) -> None:
        """Run JavaScript after what `connect` returned has succeeded."""
        for one in made:
            one.success(**({"fn": None, "inputs": None, "outputs": None, "api_visibility": "private"} | options))


def _each(events: list, handler: Callable | None, inputs: Any, outputs: Any, **options: Any) -> list:
    """Connect a handler: once to all events of components, and once to each event that follows another."""
    own = [event for event in events if hasattr(event, "has_trigger")]
    made = [gr.on(own, handler, inputs, outputs, **options)] if own else []
    return made + [event(handler, inputs, outputs, **options) for event in events if event not in own]


def quiet(function: Callable, outputs: int, cancels: bool = False) -> Callable:
    """Wrap a handler: its values are followed by the message, empty or why it was refused, and by the hidden Cancel."""

    @wraps(function)
    async def handler(*arguments, **named):
        values: list[Any]
        try:
            result = await function(*arguments, **named)
            values = list(result) if isinstance(result, (tuple, list)) else [result]
            message = ""
        except ZooError as error:
            values, message = [gr.skip()] * outputs, style.notice([" ".join(str(error).split())])
        except Exception as error:
            values, message = [gr.skip()] * outputs, style.notice([str(internal_error(error, function.__name__))])
        values.append(message)
        return (*values, gr.Button(visible=False)) if cancels else tuple(values)

    return handler


def cancel_button(**options: Any) -> gr.Button:
    """Return a Cancel button that is seen only while there is something to cancel."""
    options = {"min_width": 90} | options
    return gr.Button("Cancel", visible=False, elem_classes="zoo-cancel", **options)


def code_field(label: str, language: Literal["python", "shell"], **options: Any) -> gr.Code:
    """Return a field of code to copy, whole on a narrow screen too."""
    fixed: dict[str, Any] = {"interactive": False, "wrap_lines": True, "show_line_numbers": False}
    return gr.Code(label=label, language=language, **fixed, **options)


def draw_button() -> gr.Button:
    """Return a hidden button, which the page presses when its tab is first shown with a model."""
    return gr.Button("Draw", visible="hidden", elem_classes="zoo-draw")


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
