"""CUDA graphs around an environment and an optimiser, and errors of a GPU in words."""
