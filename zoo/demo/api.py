"""The endpoints for programs: `/sample`, `/interpolate` and `/evaluate`. Names, order and defaults are stable.

from gradio_client import Client
client = Client("http://127.0.0.1:7860")
path, about = client.predict("contragan/digits", 16, api_name="/sample")
"""

from __future__ import annotations

from functools import partial
from typing import Any, Union, get_type_hints

from . import drawing, encoding, scoring, validation
from .service import Service, guarded

Label = Union[str, int, list[Union[str, int]], None]  # noqa: UP007  Gradio reads it as JSON schema


def register(service: Service) -> None:
    """Add the endpoints to the Blocks that are being built."""
    from gradio import FileData
    from gradio.events import api

    settings = service.settings

    async def sample(
        model: str, n: int = 16, label: Label = None, seed: int | None = None, truncation: float | None = None
    ) -> tuple[dict, dict]:
        """Images of a model as one PNG, the pixels of `zoo.load(model).sample(n, label, seed, truncation).grid()`.

        model: a name such as contragan/digits, or name@tag. n: how many images. label: a class by index or name, a list
        of several, or "all", in equal parts; none: drawn from the seed. seed: none for a fresh one. truncation: redraw
        latents beyond this magnitude; none: never. Returns the file, and what it shows: model, n, labels, seed,
        truncation, columns and padding of the grid, size of an image.
        """
        request = validation.sample(settings, model, n, label, seed, truncation)
        images = await service.run("sample", request.model, partial(drawing.sample, request=request), n=request.n)
        about = {"model": request.model, "n": request.n, "labels": _list(images.labels), "seed": request.seed}
        about["truncation"] = request.truncation
        return await _answer(service, images, f"{request.config.slug}.png", about)

    async def interpolate(
        model: str, a: int = 0, b: int = 1, steps: int = 10, label: Label = None
    ) -> tuple[dict, dict]:
        """Images between two seeds in one row, the pixels of `zoo.load(model).interpolate(a, b, steps, label).grid()`.

        model: a name such as contragan/digits, or name@tag. a, b: seeds. steps: how many images, both ends included.
        label: one class by index or name; none: the one drawn for a. Returns the file, and what it shows.
        """
        config, name = validation.model(model)
        a, b = validation.seed(a, "a"), validation.seed(b, "b")
        steps = validation.count("steps", steps, 2, settings.max_steps)
        chosen = one_class(config, label)
        work = partial(drawing.interpolate, name=name, a=a, b=b, steps=steps, label=chosen)
        images = await service.run("interpolate", name, work, n=steps)
        about = {"model": name, "a": a, "b": b, "steps": steps, "labels": _list(images.labels)}
        return await _answer(service, images, f"{config.slug}-{a}-{b}.png", about)

    async def evaluate(
        model: str,
        metrics: list[str] = ["fid", "kid"],  # noqa: B006  never changed
        num_fake: int = 500,
        extractor: str = "efficientnet-lite0",
        protocol: str = "clean",
    ) -> tuple[dict, dict]:
        """Scores of a model, as `zoo.evaluate` gives them for one seed, beside those that were published or recorded.

        metrics: some of `zoo.evaluate`'s; an unknown one is answered with the choice. num_fake: generated images.
        extractor: efficientnet-lite0, or inception if its weights are on the server. protocol: clean, published, or a
        name in zoo.evaluation.PROTOCOLS. Returns the report as a JSON file, and its results, comparisons and warnings.
        """
        asked = scoring.request(settings, model, metrics, num_fake, extractor, protocol)
        work = partial(scoring.evaluate, asked=asked)
        report = await service.run("evaluate", asked.model, work, long=True, n=asked.num_fake)
        name = f"{asked.config.slug}-report.json"
        (path,) = await service.keep(lambda: {name: report.to_json().encode()})
        about = report.model_dump(mode="json", include={"results", "comparisons", "warnings"})
        return FileData(path=path, orig_name=name, mime_type="application/json").model_dump(), about

    for function in (sample, interpolate, evaluate):
        function.__annotations__ = get_type_hints(function)  # Gradio reads the types, which are postponed here
        api(guarded(function), api_name=function.__name__, concurrency_limit=None)


def one_class(config, label) -> int | None:
    """A single class, or None."""
    chosen = validation.classes(config, label, 1)
    if chosen == "all":
        raise validation.LabelError("give one class, not all")
    return chosen[0] if chosen else None


async def _answer(service: Service, images, name: str, about: dict[str, Any]) -> tuple[dict, dict]:
    from gradio import FileData

    grid = images.grid()
    (path,) = await service.keep(lambda: {name: encoding.png(grid)})
    height, width = images.uint8.shape[2:]
    about |= {"columns": max(1, (grid.width - 2) // (width + 2)), "padding": 2, "height": height, "width": width}
    return FileData(path=path, orig_name=name, mime_type="image/png").model_dump(), about


def _list(chosen) -> list[int] | None:
    return None if chosen is None else chosen.tolist()
