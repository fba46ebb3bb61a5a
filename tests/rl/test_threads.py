import pytest
import torch

from mimic.rl import threads
from mimic.rl.threads import learner_threads, torch_threads

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("cores", "fast", "overlap", "said", "expected"),
    [
        (2, True, True, None, 1),
        (2, False, True, None, 2),
        (2, True, False, None, 2),
        (8, True, True, None, 4),
        (64, False, False, None, 8),
        (1, True, True, None, 1),
        (8, False, False, "3", 3),
        (8, False, False, "3,1", 3),
        (8, False, False, "none", 8),
        (8, False, False, "0", 8),
    ],
)
def test_an_update_gets_what_the_simulation_leaves(monkeypatch, cores, fast, overlap, said, expected):
    monkeypatch.setattr(threads, "usable_cores", lambda: cores)
    monkeypatch.setattr(threads, "bfloat16_is_fast", lambda device: fast)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    if said:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert learner_threads(CPU, overlap) == expected
    assert learner_threads(torch.device("cuda"), overlap) == 1


def test_processes_on_one_machine_share_it(monkeypatch):
    monkeypatch.setattr(threads, "usable_cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert learner_threads(CPU, overlap=False) == 2


def test_torch_has_its_threads_back_also_after_an_error():
    assert torch.get_num_threads() == 1
    with pytest.raises(KeyError), torch_threads(2):
        assert torch.get_num_threads() == 2
        raise KeyError
    assert torch.get_num_threads() == 1
