"""Commands of `zoo`, a module a topic; `zoo.cli` puts them together."""
