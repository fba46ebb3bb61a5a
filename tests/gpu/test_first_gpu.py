"""What can be known without a GPU of what a first GPU will meet: installations that do not fit are said in words."""

import gc

import pytest
import torch

from mimic.cli import doctor
from mimic.core.errors import InputError
from mimic.gpu.cuda_graph import no_garbage_collection, use_full_float32
from mimic.rl import distributed
from mimic.sim import check_engine


@pytest.mark.warp
def test_a_gpu_that_torch_sees_and_warp_does_not_is_explained(monkeypatch):
    """The wheels of Warp since 1.18 need driver 580, which torch does not."""
    warp = pytest.importorskip("warp")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "a GPU")
    monkeypatch.setattr(warp, "is_cuda_available", lambda: False)
    with pytest.raises(InputError, match=r"torch finds a GPU, but Warp .* finds none.*driver.*pip install"):
        check_engine("warp", "cuda")
    check_engine("mujoco", "cuda", learning=True)
    found = doctor._gpu()
    assert found["state"] == "note" and "Warp does not find" in found["found"] and "update the driver" in found["do"]


def test_tf32_is_switched_off_with_a_warning():
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("high")
        with pytest.warns(UserWarning, match="TF32"):
            use_full_float32()
        assert torch.get_float32_matmul_precision() == "highest"
    finally:
        torch.set_float32_matmul_precision(before)


def test_nothing_is_collected_inside_a_capture():
    with pytest.raises(ValueError), no_garbage_collection():
        assert not gc.isenabled()
        raise ValueError
    assert gc.isenabled()


@pytest.mark.parametrize(("device", "backend"), [("cpu", "gloo"), ("cuda", "nccl")])
def test_processes_talk_over_nccl_only_if_the_run_is_on_gpus(monkeypatch, device, backend):
    begun = []
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", begun.append)
    monkeypatch.setattr(distributed.dist, "init_process_group", begun.append)
    monkeypatch.setattr(distributed.dist, "get_rank", lambda: 1)
    monkeypatch.setattr(distributed.dist, "get_world_size", lambda: 2)
    assert distributed.join(device).rank == 1
    assert begun == ([1] if device == "cuda" else []) + [backend]


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match="start at most 1, --nproc-per-node 1"):
        distributed.join("cuda")
