"""Fetch and verify weights: the cache, the Hub, and checkpoints of other libraries."""
