"""A trained network made fast: fused layers, Winograd convolutions, threads, a CUDA graph."""
