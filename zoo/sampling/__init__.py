"""Loading a generator and drawing from it: GAN, Images, latents, and many images on disk."""
