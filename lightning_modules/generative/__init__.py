"""Generative methods: GAN, WGAN, WGAN-GP."""
