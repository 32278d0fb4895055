"""`zoo publish`: a model as a repository on the Hugging Face Hub."""

from __future__ import annotations

from typing import Annotated

import typer

from .arguments import Name


def publish(
    name: Name,
    to: Annotated[str, typer.Option("--to", help="The repository: user/repo.")],
    private: Annotated[bool, typer.Option("--private", help="If the repository is made now.")] = False,
    dtype: Annotated[str, typer.Option(help="float32, or float16 for half the size.")] = "float32",
    message: Annotated[str | None, typer.Option("-m", "--message", help="Of the commit.")] = None,
    create_pr: Annotated[bool, typer.Option("--pr", help="Open a pull request instead.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show exactly what would go, and stop.")] = False,
) -> None:
    """Upload config.json, model.safetensors and the card; needs `hf auth login` or HF_TOKEN.

    zoo publish runs/digits --to me/contragan-digits --dry-run
    """
    from .. import hub
    from .. import publish as publishing

    address = hub.parse(to)
    if not dry_run:
        print(
            publishing.publish(
                name, address.repo_id, private=private, commit_message=message, create_pr=create_pr, dtype=dtype
            )
        )
        return
    listed, card = publishing.preview(name, dtype)
    print(f"Would go to {hub.endpoint()}/{address.repo_id}{' (private)' if private else ''}:")
    for file in listed:
        print(f"  {file.name:26s} {file.size:>12,d} bytes  sha256 {file.sha256}")
    print(f"\nREADME.md:\n\n{card}", end="")
