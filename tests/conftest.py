"""Settings of the whole suite: one torch thread (the tests are small, and run side by side)."""

import torch

torch.set_num_threads(1)
