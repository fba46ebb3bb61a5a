import pytest
import torch

from mimic.rl.replay import Replay
from mimic.rl.vec_env import Step, Termination

N, D, A = 3, 4, 2


def _transition(index: int) -> dict:
    rng = torch.Generator().manual_seed(index)
    end = torch.randint(0, 5, (N,), generator=rng).to(torch.int8)
    step = Step(
        obs=torch.randn(N, D, generator=rng),
        reward=torch.rand(N, generator=rng),
        end=end,
        final_obs=torch.randn(N, D, generator=rng),
    )
    return {
        "obs": torch.randn(N, D, generator=rng),
        "action": torch.randn(N, A, generator=rng),
        "params": torch.randn(N, A, generator=rng),
        "std": torch.rand(A, generator=rng) + 0.1,
        "log_prob": torch.randn(N, generator=rng),
        "step": step,
    }


def _filled(count: int, iterations: int = 2, steps: int = 3) -> Replay:
    replay = Replay(iterations, steps, N, D, A)
    for index in range(count):
        replay.add(**_transition(index))
    return replay


@pytest.mark.parametrize("count", [1, 3, 5, 6, 7, 11, 12, 20])
def test_every_transition_comes_out_as_it_went_in(count):
    replay = _filled(count)
    slots = replay.slots()
    kept = range(max(0, count - 6), count)
    assert len(slots) == len(kept)
    stopped = {}
    for slot, index in zip(slots.tolist(), kept, strict=True):
        put = _transition(index)
        good = put["step"].end != Termination.DIVERGED
        assert torch.equal(replay.valid[slot], good)
        assert torch.equal(replay.end[slot], put["step"].end)
        assert torch.equal(replay.obs[slot], put["obs"])
        assert torch.equal(replay.std[slot], put["std"])
        for name, value in (
            ("action", put["action"]),
            ("params", put["params"]),
            ("log_prob", put["log_prob"]),
            ("reward", put["step"].reward),
        ):
            assert torch.equal(getattr(replay, name)[slot][good], value[good])
            assert not getattr(replay, name)[slot][~good].any()
        for env in range(N):
            if put["step"].end[env] in (Termination.TIMEOUT, Termination.CLIP_END):
                stopped[slot, env] = put["step"].final_obs[env]
    assert torch.equal(replay.next_obs, _transition(count - 1)["step"].obs)
    final = replay.final_obs()
    found = {(s, e): o for s, e, o in zip(final.slot.tolist(), final.env.tolist(), final.obs, strict=True)}
    assert found.keys() == stopped.keys()
    assert all(torch.equal(found[key], stopped[key]) for key in stopped)


def test_newest_slots_and_rows():
    replay = _filled(8)
    assert replay.slots().tolist() == [2, 3, 4, 5, 0, 1]
    assert replay.slots(3).tolist() == [5, 0, 1]
    assert replay.slots(99).tolist() == replay.slots().tolist()
    assert replay.rows(torch.tensor([5, 0])).tolist() == [15, 16, 17, 0, 1, 2]
    flat = replay.obs.flatten(0, 1)
    assert torch.equal(flat[replay.rows(torch.tensor([5]))], replay.obs[5])


@pytest.mark.parametrize("count", [0, 2, 6, 9])
def test_state_round_trip_goes_on_the_same(count):
    one, two = _filled(count), _filled(4)
    two = Replay(2, 3, N, D, A)
    two.load_state_dict({k: v.clone() for k, v in one.state_dict().items()})
    for index in range(count, count + 5):
        one.add(**_transition(index))
        two.add(**_transition(index))
    a, b = one.state_dict(), two.state_dict()
    assert a.keys() == b.keys()
    assert all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("pieces", [1, 2, 3, 5])
def test_extended_by_another_replay_is_as_if_added_one_by_one(pieces):
    whole, extended, piece = _filled(3 * pieces), Replay(2, 3, N, D, A), Replay(1, 3, N, D, A)
    for index in range(3 * pieces):
        piece.add(**_transition(index))
        if index % 3 == 2:
            extended.extend(piece)
    a, b = whole.state_dict(), extended.state_dict()
    assert a.keys() == b.keys()
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_state_of_other_sizes_is_refused():
    with pytest.raises(ValueError, match="expected"):
        Replay(1, 3, N, D, A).load_state_dict(_filled(6).state_dict())
    with pytest.raises(ValueError, match="expected"):
        Replay(2, 3, N + 1, D, A).load_state_dict(_filled(6).state_dict())


@pytest.mark.parametrize("where", ["obs", "action", "params", "reward", "next_obs", "final_obs"])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_non_finite_values_never_enter(where, bad):
    replay = _filled(4)
    before = {k: v.clone() for k, v in replay.state_dict().items()}
    put = _transition(50)
    put["step"].end = torch.tensor([Termination.NONE, Termination.TIMEOUT, Termination.NONE], dtype=torch.int8)
    tensor = {
        "reward": put["step"].reward,
        "next_obs": put["step"].obs,
        "final_obs": put["step"].final_obs,
    }.get(where, put.get(where))
    tensor[1] = bad
    with pytest.raises(ValueError, match="row"):
        replay.add(**put)
    after = replay.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_diverged_row_may_be_anything_and_leaves_nothing_behind():
    replay = _filled(0)
    put = _transition(1)
    put["step"].end = torch.tensor([Termination.NONE, Termination.DIVERGED, Termination.NONE], dtype=torch.int8)
    for tensor in (put["action"], put["params"], put["log_prob"], put["step"].reward, put["step"].final_obs):
        tensor[1] = torch.nan
    replay.add(**put)
    assert replay.valid[0].tolist() == [True, False, True]
    assert all(bool(t.float().isfinite().all()) for t in replay.state_dict().values())


def test_memory_is_what_it_says():
    replay = _filled(6)
    assert replay.nbytes == sum(t.nbytes for k, t in replay.state_dict().items() if not k.startswith(("final", "pos")))


@pytest.mark.parametrize("count", [0, 5, 8, 11])
def test_a_cut_ends_what_is_under_way_with_the_observation_it_led_to(count):
    replay, fresh = _filled(count), torch.full((N, D), 7.0)
    before = [*replay.end.clone()], replay.next_obs.clone(), replay.final_obs()
    replay.cut(fresh)
    assert torch.equal(replay.next_obs, fresh)
    if not count:
        return
    newest, known = (count - 1) % 6, before[2]
    open_end = before[0][newest] == Termination.NONE
    assert open_end.any()
    assert torch.equal(replay.end[newest], before[0][newest].masked_fill(open_end, int(Termination.TIMEOUT)))
    finals = replay.final_obs()
    added = (finals.slot == newest) & open_end[finals.env]
    assert torch.equal(finals.obs[added], before[1][open_end])
    assert torch.equal(finals.obs[~added], known.obs)
    again = _filled(0)
    again.load_state_dict(replay.state_dict())
    assert torch.equal(again.end, replay.end)
