"""What all rooms share: errors, files, locks, ranks, signals, progress."""
