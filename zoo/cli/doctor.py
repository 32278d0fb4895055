"""`zoo doctor`: examine this machine and its connections."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from .printing import say


def doctor(
    network: Annotated[
        bool, typer.Option("--network/--no-network", help="Try to reach the servers of weights.")
    ] = True,
    development: Annotated[bool, typer.Option("--dev", help="Also show the extras of developers: test, dev.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Show versions, devices, caches, missing extras and reachable servers; exit status 1 on a problem.

    zoo doctor --no-network
    """
    from dataclasses import asdict

    from .checkup import examine

    topic, healthy = None, True
    for finding in examine(network, development):
        healthy &= finding.ok
        if as_json:
            print(json.dumps(asdict(finding)))
            continue
        if finding.topic != topic:
            if topic is not None:
                print()
            say(finding.topic)
            topic = finding.topic
        say(f"  {finding.name:22s} {finding.value}{'' if finding.ok else '   <- ' + finding.advice}")
    if not healthy:
        sys.exit(1)
