"""The sections of `benchmarks/gpu.py`, one file each; `page.py` is what they share."""
