"""How scores are measured, as data; and what is stated about a set of weights."""
