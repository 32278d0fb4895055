"""From images to features: the extractors, their image sources, and the references of real images."""
