"""Which class each label of a conditional generator draws."""
