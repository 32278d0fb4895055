"""What a model is, as data: architecture, recipe, weights entries, scores, labels; and the registry of all of them."""
