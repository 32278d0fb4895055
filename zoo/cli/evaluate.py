"""`zoo evaluate` and `zoo verify`: measure scores, and check published ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ..common.errors import ZooError
from ..evaluation.names import METRICS, USUAL_METRICS
from . import completion, panels, places
from .arguments import Device, Dtype, NoProgress, ReplaceReport, ReportAsJson, Weights
from .printing import PAGE, say, show

EXTRACTORS = (
    "inception, efficientnet-lite0 or efficientnet-lite2 (offline), dinov2-vit-l-14, or another of torch-fidelity's."
)

PROTOCOLS = (
    "clean",
    "published",
    "mimicry",
    "infomax-gan",
    "contragan",
    "studiogan-2021",
    "studiogan-2021-imagenet",
    "studiogan-2023",
    "mmagic",
    "biggan-pytorch",
    "edm2",
    "dgm-eval",
    "cmmd",
)
_EXTRACTOR = completion.offering(
    "inception", "efficientnet-lite0", "efficientnet-lite2", "dinov2-vit-l-14", "clip-vit-l-14-336px"
)

Measurable = Annotated[
    str,
    typer.Argument(
        autocompletion=completion.data_set_or_model,
        help='A model; a folder, an archive or an .npz of images; or "cifar10:test".',
    ),
]
InceptionWeights = Annotated[
    Path | None,
    typer.Option(
        "--inception-weights",
        help="torch-fidelity's weights file; default: the file in its cache.",
        rich_help_panel=panels.PROTOCOL,
    ),
]
DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        autocompletion=completion.data_set,
        help="Real images: the name of a data set, a folder, an archive or an .npz; default: the model's data set.",
        rich_help_panel=panels.DATA,
    ),
]
BatchSize = Annotated[
    int | None, typer.Option("--batch-size", min=1, help="Images per batch.", rich_help_panel=panels.COMPUTE)
]
Resolution = Annotated[
    int | None,
    typer.Option(
        min=1, help="Crop and resize the pictures to this side; default: as they are.", rich_help_panel=panels.DATA
    ),
]
StatisticsCache = Annotated[
    Path | None,
    typer.Option("--cache-dir", help="Folder of reference statistics.", rich_help_panel=panels.COMPUTE),
]


def evaluate(
    source: Measurable,
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics",
            "-m",
            **completion.among(METRICS, several=True),
            help=f"Any of {', '.join(METRICS[:-1])} and {METRICS[-1]}, separated by commas; default: "
            f"{','.join(USUAL_METRICS)}, as far as the protocol has them.",
            rich_help_panel=panels.PROTOCOL,
        ),
    ] = None,
    extractor: Annotated[
        str | None,
        typer.Option(
            autocompletion=_EXTRACTOR,
            help=f"{EXTRACTORS[:-1]}; default: the protocol's, which is inception but for edm2, dgm-eval and cmmd, "
            "and efficientnet-lite0 where Inception's weights are not on this machine.",
            rich_help_panel=panels.PROTOCOL,
        ),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(
            **completion.among(PROTOCOLS),
            help=f"{', '.join(PROTOCOLS[:-1])} or {PROTOCOLS[-1]}.",
            rich_help_panel=panels.PROTOCOL,
        ),
    ] = "clean",
    data: DataOption = None,
    split: Annotated[
        str | None,
        typer.Option(help="Split of the real images; default: the protocol's.", rich_help_panel=panels.DATA),
    ] = None,
    held_out: Annotated[
        str | None,
        typer.Option(
            "--held-out",
            help="Real images that the model has not seen, for ct and cas; default: another split of the data.",
            rich_help_panel=panels.DATA,
        ),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            help="A file of `zoo reference make`, edm2 (.pkl), edm (.npz) or dgm-eval (.npz), instead of real images.",
            rich_help_panel=panels.DATA,
        ),
    ] = None,
    num_real: Annotated[
        int | None,
        typer.Option(min=2, help="Number of real images; default: the protocol's.", rich_help_panel=panels.DATA),
    ] = None,
    num_fake: Annotated[
        int | None,
        typer.Option(
            min=2, help="Number of generated images; default: the protocol's.", rich_help_panel=panels.PROTOCOL
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of seeds, counted from 0; default: the protocol's.", rich_help_panel=panels.PROTOCOL
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            **completion.among(("uniform", "data")),
            help="Distribution of classes: uniform, or data.",
            rich_help_panel=panels.PROTOCOL,
        ),
    ] = None,
    resolution: Resolution = None,
    curve: Annotated[
        bool,
        typer.Option(
            "--curve",
            help="Also measure fid for growing sample counts, and its limit; kid is unbiased and needs none.",
            rich_help_panel=panels.PROTOCOL,
        ),
    ] = False,
    weights: Weights = "default",
    inception_weights: InceptionWeights = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            callback=places.folder,
            help="Folder for report.json, report.md and pictures.",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = None,
    device: Device = "auto",
    dtype: Dtype = None,
    batch_size: BatchSize = None,
    cache_dir: StatisticsCache = None,
    force: ReplaceReport = False,
    as_json: ReportAsJson = False,
    quiet: NoProgress = False,
) -> None:
    """Score a model, or a set of images, against real images.

    zoo evaluate infomax-gan/digits --extractor efficientnet-lite0 --num-fake 1000
    """
    import zoo

    with _ranks(out, force):
        report = zoo.evaluate(
            source,
            None if metrics is None else tuple(name.strip() for name in metrics.split(",") if name.strip()),
            extractor=extractor,
            protocol=protocol,
            data=data,
            split=split,
            held_out=held_out,
            reference=reference,
            num_real=num_real,
            num_fake=num_fake,
            seeds=seeds,
            labels=labels,
            curve=curve,
            weights=weights,
            inception_weights=inception_weights,
            device=device,
            dtype=dtype,
            batch_size=batch_size,
            cache_dir=cache_dir,
            progress=not quiet,
            resolution=resolution,
        )
        _finish(report, out, force, as_json)


def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(autocompletion=completion.model, help="Models in any spelling, name@tag, or exported folders."),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Verify all weights that are available offline; the same command continues after an interruption.",
            rich_help_panel=panels.MODEL,
        ),
    ] = False,
    protocol: Annotated[
        str,
        typer.Option(
            **completion.among(("published", "clean")),
            help="published: the protocol of each score, quirks included. clean: without the quirks.",
            rich_help_panel=panels.PROTOCOL,
        ),
    ] = "published",
    extractor: Annotated[
        str | None,
        typer.Option(
            autocompletion=_EXTRACTOR,
            help=f"{EXTRACTORS[:-1]}; default: that of each score.",
            rich_help_panel=panels.PROTOCOL,
        ),
    ] = None,
    weights: Weights = "default",
    data: DataOption = None,
    inception_weights: InceptionWeights = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            callback=places.folder,
            help="Folder for the reports; default for several models: reports.",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = None,
    device: Device = "auto",
    batch_size: BatchSize = None,
    cache_dir: StatisticsCache = None,
    force: ReplaceReport = False,
    as_json: ReportAsJson = False,
    quiet: NoProgress = False,
) -> None:
    """Check whether published scores reproduce; exit status 1 if one does not.

    zoo verify infomax-gan/cifar10
    """
    import zoo

    names = names or []
    if everything == bool(names):
        raise typer.BadParameter("give the names of models, or --all for what is on this machine", param_hint="NAMES")
    options = {
        "protocol": protocol,
        "extractor": extractor,
        "data": data,
        "weights": weights,
        "inception_weights": inception_weights,
        "device": device,
        "batch_size": batch_size,
        "cache_dir": cache_dir,
        "progress": not quiet,
    }
    if len(names) == 1:
        with _ranks(out, force):
            report = zoo.verify(names[0], **options)
            _finish(report, out, force, as_json)
        if report.verdict == "not reproduced":
            raise typer.Exit(1)
        return
    _verify_many(names, out or Path("reports"), options)


@contextmanager
def _ranks(out: Path | None, force: bool) -> Iterator[None]:
    """Refuse to overwrite before the work, and leave torchrun's group after it."""
    from ..common import ranks
    from ..evaluation.report.report import refuse_overwriting

    if out is not None:
        refuse_overwriting(out, force)
    try:
        yield
    finally:
        ranks.stop()


def _verify_many(names: list[str], out: Path, options: dict) -> None:
    from ..evaluation import verify_all

    with _ranks(None, force=False):
        outcomes = verify_all(names or None, out, on_outcome=_print_outcome, **options)
    done = [outcome.report for outcome in outcomes if outcome.report]
    say(f"{out / 'summary.md'}: {len(done)} verified, {len(outcomes) - len(done)} not verified here")
    if not done:
        raise ZooError(f"nothing could be verified here; {out / 'summary.md'} says why for each model")
    if any(report.verdict == "not reproduced" for report in done):
        raise typer.Exit(1)


def _print_outcome(outcome) -> None:
    if outcome.report is None:
        return
    from ..evaluation.report.report import summary

    earlier = " (from an earlier run)" if outcome.resumed else ""
    for row in summary([outcome.report]):
        scores = f"published {row['published']}, measured {row['measured']}"
        say(f"{row['model']}: {row['metric']} {scores}, {row['verdict']}{earlier}")


def _finish(report, out: Path | None, force: bool, as_json: bool) -> None:
    from ..common import ranks

    if ranks.rank() != 0:
        return
    if out is not None:
        report.save(out, force=force)
    if as_json:
        print(report.to_json(), end="")
        return
    show(report, piped=PAGE)
    if out is not None:
        print()
        say(f"{out}: report.json, report.md and pictures")
