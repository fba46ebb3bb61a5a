import pytest
import torch

from characters import Kinematics, load_character
from mimic.core.rotations import cross, quat_rotate
from mimic.evaluation.feet import Feet, label
from mimic.tracking import ClipRules, rules_for
from mimic.tracking.clip_rules import foot_bodies
from tests.states import CHARACTERS, random_state

HANDS = ClipRules(allowed_contacts=("left_wrist", "right_wrist"))


@pytest.mark.parametrize("name", CHARACTERS)
def test_the_height_of_a_foot_is_that_of_its_lowest_point(name):
    character = load_character(name)
    kinematics, feet = Kinematics(character), Feet(character, ClipRules())
    bodies = kinematics.forward(random_state(character, 20))
    ids = [character.body_index(body) for body in feet.names]
    torch.testing.assert_close(feet.contact(bodies).height, kinematics.lowest_points(bodies)[:, ids], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", CHARACTERS)
def test_a_character_moved_sideways_slides_with_every_foot_and_one_moved_up_with_none(name):
    character = load_character(name)
    state = random_state(character, 5, speed=0.0)
    for velocity, slide in (((3.0, -4.0, 1.0), 5.0), ((0.0, 0.0, 2.0), 0.0)):
        state.root_linvel_w = torch.tensor(velocity).expand(5, 3)
        found = Feet(character, ClipRules()).contact(Kinematics(character).forward(state)).slide
        torch.testing.assert_close(found, torch.full_like(found, slide), atol=1e-5, rtol=0)


def test_a_ball_slides_where_it_touches_and_stands_where_it_rolls():
    character = load_character("humanoid")
    feet, kinematics = Feet(character, HANDS), Kinematics(character)
    hand, index = character.body_index("left_wrist"), feet.names.index("left_wrist")
    geom = character.bodies[hand].geom
    assert geom.shape == "sphere"
    state = random_state(character, 6, speed=0.0)
    state.root_angvel_w = torch.tensor([3.0, 4.0, 0.0]).expand(6, 3)

    def slide(of_centre):
        """With the ball's centre moving at ``of_centre``."""
        still = kinematics.forward(state)
        centre = still.pos_w[:, hand] + quat_rotate(still.quat_w[:, hand], torch.tensor(geom.pos).expand(6, 3))
        moved = random_state(character, 6, speed=0.0)
        moved.root_angvel_w = state.root_angvel_w
        moved.root_linvel_w = of_centre - cross(state.root_angvel_w, centre - state.root_pos_w)
        return feet.contact(kinematics.forward(moved)).slide[:, index]

    radius = geom.size[0]
    torch.testing.assert_close(slide(torch.zeros(3)), torch.full((6,), 5 * radius), atol=1e-4, rtol=0)
    rolling = cross(torch.tensor([3.0, 4.0, 0.0]), torch.tensor([0.0, 0.0, radius]))
    torch.testing.assert_close(slide(rolling), torch.zeros(6), atol=1e-4, rtol=0)


def test_feet_are_the_bodies_that_may_touch_the_ground():
    humanoid = load_character("humanoid")
    assert foot_bodies(humanoid, ClipRules()) == ("right_ankle", "left_ankle")
    assert set(foot_bodies(humanoid, rules_for("cartwheel"))) == {
        "right_ankle",
        "left_ankle",
        "right_wrist",
        "left_wrist",
    }
    for anything in ("roll", "crawl"):
        assert foot_bodies(humanoid, rules_for(anything)) == humanoid.end_effectors


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("dog", "left_toe", "left hind paw"),
        ("dog", "right_finger", "right fore paw"),
        ("humanoid", "left_toe", "left toes"),
        ("humanoid", "right_wrist", "right hand"),
        ("humanoid", "chest", "chest"),
    ],
)
def test_a_dog_has_paws_and_a_person_has_toes(name, body, words):
    assert label(body, load_character(name)) == words
