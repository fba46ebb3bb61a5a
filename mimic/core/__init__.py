"""The package that all others build on: errors, configuration, registries, rotations, files, checkpoints, plotting.

Every other package may import this one, and this one imports none of them. A module imports torch or
MuJoCo only if it needs the library."""
