"""The ground: errors, strict configuration, registries, rotations, files, checked folders, checkpoints, plotting.

Every room may import this one; it imports no other room. Only the modules that need torch or MuJoCo import them."""
