"""CUDA graphs for the steps of an environment and an optimiser, and readable messages for errors of a GPU."""
