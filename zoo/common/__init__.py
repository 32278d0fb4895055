"""What every room uses, one of each: errors, files, locks, ranks, signals, progress."""
