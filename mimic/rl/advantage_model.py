"""The part of an advantage that the action explains.

An advantage R - V(s) of one episode is mostly the luck of what followed. As a weight, luck is noise: it selects samples at
random, so that the regression averages over fewer samples. A model of state and action therefore predicts the advantage. Each half of the
environments is predicted by a model of the other half, and the prediction is scaled by its regression slope on the advantages.
If actions explain nothing, the slope is 0 and all weights are equal: the regression becomes behavioural cloning.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from mimic.rl.learner import chunk_rows, minibatches

_HIDDEN, _BATCH, _LR, _DECAY = 128, 512, 1e-3, 1e-2
_EPOCHS, _STEPS = 2, 200  # of a fit: the more of the two


def explained_advantage(
    inputs: Tensor, advantage: Tensor, fold: Tensor, generator: torch.Generator
) -> tuple[Tensor, float]:
    """Predict the advantage of each sample from the samples of the other fold.

    Args:
        inputs: (M, K) normalised states beside actions.
        advantage: (M,) of mean 0.
        fold: (M,) bool, the half that a sample belongs to; all samples of an episode belong to one half.
        generator: draws the first weights and the minibatches.

    Returns:
        the expected advantage (M,), and the share of the advantage's variance that it explains.
    """
    predicted = torch.zeros_like(advantage)
    for half in (fold, ~fold):
        if bool(half.any()) and bool((~half).any()):
            model = _fit(inputs[half], advantage[half], generator)
            with torch.no_grad():
                predicted[~half] = torch.cat(
                    [model(piece) for piece in torch.split(inputs[~half], chunk_rows(inputs.device))]
                ).squeeze(1)
    predicted = predicted - predicted.mean()
    square = predicted.square().mean()
    if not float(square) > 0.0:
        return predicted, 0.0
    slope = float(((predicted * advantage).mean() / square).clamp(0.0, 1.0))
    return slope * predicted, slope**2 * float(square / advantage.square().mean().clamp(min=1e-30))


def _fit(inputs: Tensor, advantage: Tensor, generator: torch.Generator) -> nn.Sequential:
    """A small network fitted to the advantages (M,) of ``inputs`` (M, K)."""
    sizes = (inputs.shape[1], _HIDDEN, _HIDDEN, 1)
    # by way of "meta", because the ordinary constructor would draw from torch's global generator
    linear = [nn.Linear(*both, device="meta").to_empty(device=inputs.device) for both in pairwise(sizes)]
    for layer in linear:
        nn.init.xavier_uniform_(layer.weight, generator=generator)
        nn.init.zeros_(layer.bias)
    model = nn.Sequential(linear[0], nn.ReLU(), linear[1], nn.ReLU(), linear[2])
    optimizer = torch.optim.AdamW(model.parameters(), _LR, weight_decay=_DECAY)
    rows = torch.arange(len(advantage), device=inputs.device)
    count = max(1, len(rows) // _BATCH)
    for index in minibatches(rows, count, 1, max(_EPOCHS * count, _STEPS), generator):
        optimizer.zero_grad()
        (model(inputs[index]).squeeze(1) - advantage[index]).square().mean().backward()
        optimizer.step()
    return model
