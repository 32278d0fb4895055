"""From images to features: the extractors, what they are shown, and the references of real images."""
