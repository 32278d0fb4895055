"""The commands of `zoo`, one module per topic; `app` puts them together."""
