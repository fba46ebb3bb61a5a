import pytest
import torch
from torch import nn

from mimic.rl import muon, precision
from mimic.rl.muon import Muon, orthogonalized

SHAPES = [(40, 24), (24, 40), (32, 32)]


def gradients(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def descended(optimizer, matrix):
    for step in range(5):
        matrix.grad = gradients(tuple(matrix.shape), step)
        optimizer.step()
    return matrix.detach()


@pytest.mark.parametrize("shape", SHAPES)
def test_in_bfloat16_it_is_torchs_to_the_bit(shape, monkeypatch):
    monkeypatch.setattr(muon, "bfloat16_is_fast", lambda device: True)
    ours, theirs = (nn.Parameter(gradients(shape, 9)) for _ in range(2))
    torchs = torch.optim.Muon([theirs], lr=0.02, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    assert torch.equal(descended(Muon([ours], lr=0.02), ours), descended(torchs, theirs))


@pytest.mark.parametrize("shape", SHAPES)
def test_in_float32_it_goes_the_same_way(shape, monkeypatch):
    both = []
    for fast in (True, False):
        monkeypatch.setattr(muon, "bfloat16_is_fast", lambda device, fast=fast: fast)
        matrix = nn.Parameter(gradients(shape, 9))
        both.append(descended(Muon([matrix], lr=0.02), matrix) - gradients(shape, 9))
    assert float((both[0] - both[1]).norm() / both[1].norm()) < 0.02


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(40, 24), (24, 40)])  # a square one has singular values near zero
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_orthogonalised_keeps_the_singular_vectors_and_levels_the_values(shape, dtype, scale):
    matrix = scale * gradients(shape, 3)
    found = orthogonalized(matrix, dtype).float()
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    values = u.T @ found @ v.T
    assert float(values.diagonal().min()) > 0.4 and float(values.diagonal().max()) < 1.3
    assert float((values - values.diagonal().diag()).abs().max()) < (1e-3 if dtype == torch.float32 else 0.1)


def test_matrices_without_a_gradient_stay():
    still, moving = nn.Parameter(gradients((8, 8), 0)), nn.Parameter(gradients((8, 8), 1))
    moving.grad = gradients((8, 8), 2)
    Muon([still, moving], lr=0.1).step()
    assert torch.equal(still.detach(), gradients((8, 8), 0))
    assert not torch.equal(moving.detach(), gradients((8, 8), 1))


@pytest.mark.parametrize(
    "known, expected", [({}, False), ({"avx512_bf16": True}, True), ({"avx512_bf16": False}, False)]
)
def test_a_cpu_that_is_not_built_for_bfloat16_is_spared_it(known, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known, raising=False)
    precision.bfloat16_is_fast.cache_clear()
    try:
        assert precision.bfloat16_is_fast(torch.device("cpu")) is expected
        assert precision.update_dtype("auto", torch.device("cpu")) == (torch.bfloat16 if expected else torch.float32)
        assert precision.bfloat16_is_fast(torch.device("cuda"))
    finally:
        precision.bfloat16_is_fast.cache_clear()
