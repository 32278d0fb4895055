"""`zoo evaluate` and `zoo verify`: scores, and whether published ones are reproduced."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ..common.errors import ZooError

Extractor = Annotated[
    str, typer.Option(help="inception, efficientnet-lite0 (offline), or another of torch-fidelity's.")
]
Weights = Annotated[str, typer.Option(help='Tag, .safetensors file, or "random".')]
InceptionWeights = Annotated[
    Path | None, typer.Option("--inception-weights", help="torch-fidelity's weights file; default: its cache.")
]
DataOption = Annotated[
    str | None,
    typer.Option("--data", help="Real images: a data set's name, an .npz or a folder; default: the model's."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", min=1, help="Images at a time.")]
CacheDir = Annotated[Path | None, typer.Option("--cache-dir", help="Where reference statistics are kept.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an earlier report.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]


def evaluate(
    source: Annotated[
        str, typer.Argument(help='A model, an exported folder, a folder of images, an .npz, or "cifar10:test".')
    ],
    metrics: Annotated[
        str, typer.Option("--metrics", "-m", help="Of fid, kid, is, pr and classes, with commas.")
    ] = "fid,kid,is,pr",
    extractor: Extractor = "inception",
    protocol: Annotated[
        str,
        typer.Option(
            help="clean, published, mimicry, infomax-gan, contragan, studiogan-2021, studiogan-2021-imagenet or "
            "studiogan-2023."
        ),
    ] = "clean",
    data: DataOption = None,
    split: Annotated[str | None, typer.Option(help="Of the real images; default: the protocol's.")] = None,
    num_real: Annotated[int | None, typer.Option(min=2, help="Real images; default: the protocol's.")] = None,
    num_fake: Annotated[int | None, typer.Option(min=2, help="Generated images; default: the protocol's.")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="How many seeds, from 0; default: the protocol's.")] = None,
    labels: Annotated[str | None, typer.Option(help="Classes: uniform, or as in the data.")] = None,
    curve: Annotated[bool, typer.Option("--curve", help="Also the distance against the sample count.")] = False,
    weights: Weights = "default",
    inception_weights: InceptionWeights = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for report.json, report.md and pictures.")
    ] = None,
    device: Device = "auto",
    dtype: Annotated[str | None, typer.Option(help="float32 (default), bfloat16, float16.")] = None,
    batch_size: BatchSize = None,
    cache_dir: CacheDir = None,
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Score a model, or images, against real ones.

    zoo evaluate infomax-gan/digits --extractor efficientnet-lite0 --num-fake 1000
    """
    import zoo

    with _ranks(out, force):
        report = zoo.evaluate(
            source,
            tuple(name.strip() for name in metrics.split(",") if name.strip()),
            extractor=extractor,
            protocol=protocol,
            data=data,
            split=split,
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
            progress=not quiet and sys.stderr.isatty(),
        )
        _finish(report, out, force, as_json)


def verify(
    names: Annotated[
        list[str] | None, typer.Argument(help="Models in any spelling, name@tag, or exported folders.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every set of weights that is here; resumes.")] = False,
    protocol: Annotated[
        str, typer.Option(help="published: each score's own, quirks included. clean: without them.")
    ] = "published",
    extractor: Annotated[str | None, typer.Option(help="Default: that of the published scores.")] = None,
    weights: Weights = "default",
    data: DataOption = None,
    inception_weights: InceptionWeights = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for the reports; with several models, default reports.")
    ] = None,
    device: Device = "auto",
    batch_size: BatchSize = None,
    cache_dir: CacheDir = None,
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure published scores again; exit status 1 where one is not reproduced.

    zoo verify infomax-gan/cifar10
    """
    import zoo

    names = names or []
    if everything == bool(names):
        raise ZooError("give the names of models, or --all for every one that is here")
    options = {
        "protocol": protocol,
        "extractor": extractor,
        "data": data,
        "weights": weights,
        "inception_weights": inception_weights,
        "device": device,
        "batch_size": batch_size,
        "cache_dir": cache_dir,
        "progress": not quiet and sys.stderr.isatty(),
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
    """Around the work: refuse to overwrite before it, and leave torchrun's group after it."""
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
    print(f"{out / 'summary.md'}: {len(done)} verified, {len(outcomes) - len(done)} not verified here")
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
        print(f"{row['model']}: {row['metric']} {scores}, {row['verdict']}{earlier}")


def _finish(report, out: Path | None, force: bool, as_json: bool) -> None:
    from ..common import ranks
    from .printing import to_stdout

    if ranks.rank() != 0:
        return
    if out is not None:
        report.save(out, force=force)
    if as_json:
        print(report.to_json(), end="")
        return
    to_stdout(160, highlight=False).print(report)
    if out is not None:
        print(f"\n{out}: report.json, report.md and pictures")
