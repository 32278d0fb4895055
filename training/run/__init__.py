"""One run: its folder, checkpoints, log, progress and plots, and how it becomes a model of the zoo."""
