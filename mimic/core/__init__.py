"""The ground: errors, strict configuration, registries, rotations, files, checked folders, checkpoints, plotting.

Every room may import this one, and it imports no other. Neither torch nor MuJoCo is imported until a module that needs it is."""
