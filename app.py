"""The web demo. `python app.py --help` shows what can be set; `zoo demo` is the same command."""

from __future__ import annotations

import sys

from zoo.cli.app import main

if __name__ == "__main__":
    sys.argv[1:1] = ["demo"]
    main()
