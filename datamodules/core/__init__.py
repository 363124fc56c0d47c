"""What data modules share: tensors in memory, loaders, samplers, exact resume."""
