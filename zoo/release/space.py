"""The files of a Space on the Hugging Face Hub that runs the demo."""

from __future__ import annotations

import json
from importlib import metadata

from ..checkpoints import hub
from ..common import extras
from ..common.errors import ZooError
from . import own_wheel

_README = """\
---
title: contrastive-gan-zoo
emoji: 🎲
colorFrom: green
colorTo: blue
sdk: gradio
sdk_version: {gradio}
python_version: "3.11"
app_file: app.py
pinned: false
license: mit
short_description: Sample, explore, compare and check GANs
---

# contrastive-gan-zoo

A zoo of GANs: InfoMax-GAN, ContraGAN and their baselines. Choose a model, a class and a seed; every picture is what
`zoo.load(...).sample(...)` gives in Python. Some small models are here from the start; others are there once their
weights are.

For programs:

```python
from gradio_client import Client

client = Client("<user>/<space>")
path, about = client.predict("contragan/digits", 16, api_name="/sample")
```
"""

_NEEDED = f"{extras.DISTRIBUTION}[demo,eval]"

_APP = '''\
"""The demo on a Space: Gradio's address and port come from the environment."""

from zoo.demo import serve

if __name__ == "__main__":
    serve()
'''


def space_files(
    requirement: str | None = None, repo_id: str = "<user>/<space>", private: bool = False
) -> dict[str, bytes]:
    """README.md with the Hub's metadata, requirements.txt and app.py, by file name; and a wheel if one is needed.

    Args:
        requirement: how the Space installs this package, such as a Git address; None for the commit that was installed
            here, else for a wheel of this package beside the other files.
        repo_id: user/space, from which the Space fetches its wheel.
        private: the Space is private, where it cannot fetch its own files.

    Raises:
        ZooError: gradio is not installed, so its version cannot be named; or no wheel can be made, or be fetched.
    """
    try:
        gradio = metadata.version("gradio")
    except metadata.PackageNotFoundError:
        raise ZooError(f"gradio is not installed; run: {extras.install('demo')}") from None
    wanted, wheel = requirement or _installed_commit(), {}
    if wanted is None:
        if private:
            raise ZooError(
                "a private Space cannot fetch a wheel from itself; say how it installs this package with "
                "--requirement, such as a Git address"
            )
        name, data = own_wheel.build()
        wheel = {name: data}
        wanted = f"{_NEEDED} @ {hub.endpoint()}/spaces/{repo_id}/resolve/main/{name}"
    # The Space's own Gradio is the one of sdk_version; torch for the CPU is a tenth of the other's size.
    requirements = f"--extra-index-url https://download.pytorch.org/whl/cpu\n{wanted}\nscikit-learn>=1.4\n"
    return {
        "README.md": _README.format(gradio=gradio).encode(),
        "requirements.txt": requirements.encode(),
        "app.py": _APP.encode(),
        **wheel,
    }


def _installed_commit() -> str | None:
    """Return the requirement of the commit that pip installed here; None if it was not installed from a repository."""
    try:
        source = json.loads(metadata.distribution(extras.DISTRIBUTION).read_text("direct_url.json") or "{}")
    except metadata.PackageNotFoundError:
        return None
    commit = source.get("vcs_info")
    return f"{_NEEDED} @ {commit['vcs']}+{source['url']}@{commit['commit_id']}" if commit else None
