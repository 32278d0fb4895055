"""Training that makes the checkpoints of the zoo. It imports `zoo`; nothing but the command line imports it."""
