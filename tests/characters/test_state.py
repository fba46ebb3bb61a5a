from dataclasses import fields

import pytest
import torch

from characters import CharacterState, load_character
from tests.states import random_state

FIELDS = [field.name for field in fields(CharacterState)]


def equal(a, b):
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in FIELDS)


@pytest.fixture
def state():
    return random_state(load_character("humanoid"), 6)


def test_taking_apart_and_joining_are_inverse(state):
    assert len(state) == 6
    assert equal(CharacterState.cat([state[:2], state[2:5], state[5:]]), state)
    ids = torch.tensor([4, 0])
    assert equal(state[ids], CharacterState.cat([state[4:5], state[0:1]]))


def test_assign_changes_the_named_rows_only(state):
    other, before, ids = random_state(load_character("humanoid"), 2, seed=9), state.clone(), torch.tensor([5, 1])
    state.assign(ids, other)
    assert equal(state[ids], other)
    rest = torch.tensor([0, 2, 3, 4])
    assert equal(state[rest], before[rest])


def test_a_clone_shares_no_memory(state):
    copy = state.clone()
    for name in FIELDS:
        getattr(copy, name).fill_(7.0)
    assert not any(bool((getattr(state, name) == 7.0).any()) for name in FIELDS)


def test_to_moves_every_tensor(state):
    assert {getattr(state.to(torch.float64), name).dtype for name in FIELDS} == {torch.float64}


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_finite_finds_one_bad_number_in_any_field(state, name, bad):
    getattr(state, name)[3].view(-1)[-1] = bad
    assert state.finite().tolist() == [True, True, True, False, True, True]
