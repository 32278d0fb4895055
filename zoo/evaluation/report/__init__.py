"""What an evaluation found: the report, its verdicts, tables and pictures."""
