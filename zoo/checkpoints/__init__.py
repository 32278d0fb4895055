"""Where weight bytes come from, and how they are checked: the cache, the Hub, other libraries' checkpoints."""
