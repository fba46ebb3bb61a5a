"""Laws of the rule that says when a point stands on the ground."""

import pytest
import torch

from characters.ground_contact import ContactRule

HEIGHT = torch.tensor([0.001, 0.03, 0.03, 0.2])
SPEED = torch.tensor([9.0, 0.1, 2.0, 0.0])


def test_a_point_stands_if_it_touches_or_is_low_and_slow():
    rule = ContactRule(touch=0.004, low=0.05, slow=0.5)
    assert rule.stands(HEIGHT, SPEED).tolist() == [True, True, False, False]


def test_height_alone_decides_without_speeds():
    assert ContactRule(touch=0.05).stands(HEIGHT).tolist() == [True, True, True, False]


def test_a_rule_without_a_touch_height_asks_for_low_and_slow_points():
    assert ContactRule(low=0.05, slow=0.5).stands(HEIGHT, SPEED).tolist() == [False, True, False, False]


@pytest.mark.parametrize("low", [0.05, torch.tensor([0.05, 0.01, 0.05, 0.3])])
def test_the_margin_is_below_zero_exactly_where_a_point_stands(low):
    rule = ContactRule(touch=0.004, low=low, slow=0.5)
    assert torch.equal(rule.margin(HEIGHT, SPEED) < 0, rule.stands(HEIGHT, SPEED))
