"""Roles are taken apart and changed by functions, not by string surgery."""

import pytest

from characters.roles import ROLES, opposite, part_of, side_of, swap_part


@pytest.mark.parametrize("role", ROLES)
def test_side_and_part_make_up_the_role(role):
    assert role == (f"{side_of(role)}_{part_of(role)}" if side_of(role) else part_of(role))
    assert opposite(opposite(role)) == role


def test_a_part_is_swapped_on_the_same_side_and_other_roles_stay():
    assert swap_part("left_toe", "toe", "ankle") == "left_ankle"
    assert swap_part("right_wrist", "toe", "ankle") == "right_wrist"
    assert (side_of("head_end"), part_of("head_end"), opposite("tail1")) == ("", "head_end", "tail1")
