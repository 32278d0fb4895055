"""The files of a Space on the Hugging Face Hub that runs the demo."""

from __future__ import annotations

from importlib import metadata

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

_APP = '''\
"""The demo on a Space: Gradio's address and port come from the environment."""

from zoo.demo import serve

if __name__ == "__main__":
    serve()
'''


def space_files(requirement: str | None = None) -> dict[str, bytes]:
    """README.md with the Hub's metadata, requirements.txt and app.py, by file name.

    Args:
        requirement: how the Space installs this package, such as a Git address; None for this version from PyPI.

    Raises:
        ZooError: gradio is not installed, so its version cannot be named.
    """
    from ..common.errors import ZooError
    from ..common.version import __version__

    try:
        gradio = metadata.version("gradio")
    except metadata.PackageNotFoundError:
        raise ZooError("gradio is not installed; run: pip install 'contrastive-gan-zoo[demo]'") from None
    wanted = requirement or f"contrastive-gan-zoo[demo,eval]=={__version__}"
    # The Space's own Gradio is the one of sdk_version; torch for the CPU is a tenth of the other's size.
    requirements = f"--extra-index-url https://download.pytorch.org/whl/cpu\n{wanted}\nscikit-learn>=1.4\n"
    return {
        "README.md": _README.format(gradio=gradio).encode(),
        "requirements.txt": requirements.encode(),
        "app.py": _APP.encode(),
    }
