"""Groups of subcommands of `zoo`, one module each."""
