from dataclasses import replace

import torch

from characters import load_character
from mimic.core.strict_config import read_yaml
from mimic.tracking.clip_rules import _TABLE, ClipRules, rules_for, rules_of
from mimic.tracking.termination import forbidden_bodies
from mocap.catalogue import clip_names, resolve
from mocap.gaits import author_gait


def test_the_table_names_clips_that_exist_and_each_rule_is_valid():
    assert set(read_yaml(_TABLE)) <= set(clip_names())
    for clip in clip_names():
        task, character = rules_for(clip), load_character(resolve(clip).character)
        bodies = {body.name for body in character.bodies}
        assert {*task.allowed_contacts, *(task.forbidden_contacts or ())} <= bodies


def test_a_clip_that_is_not_named_has_the_defaults():
    assert rules_for("walk") == rules_for("a file of the user's") == ClipRules()
    assert ClipRules().sync_root_pos and not ClipRules().sync_root_yaw and ClipRules().episode_s is None


def forbidden(clip):
    return set(forbidden_bodies(load_character(resolve(clip).character), rules_for(clip)))


def test_contacts_are_deepmimics():
    humanoid = {body.name for body in load_character("humanoid").bodies}
    dog = {body.name for body in load_character("dog").bodies}
    assert forbidden("walk") == humanoid - {"right_ankle", "left_ankle"}
    assert forbidden("cartwheel") == humanoid - {"right_ankle", "left_ankle", "right_wrist", "left_wrist"}
    assert forbidden("crawl") == {"root", "chest", "neck"}
    assert forbidden("roll") == forbidden("getup_facedown") == forbidden("getup_faceup") == set()
    assert forbidden("trot") == dog - {"right_finger", "left_finger", "right_toe", "left_toe"}


def test_synchronisation_and_length_are_deepmimics():
    assert {clip for clip in clip_names() if rules_for(clip).sync_root_yaw} == {
        "turn",
        "dog_spin",
        "turn-authored",
        "trot-left-authored",
        "trot-right-authored",
    }
    assert all(rules_for(clip).sync_root_pos for clip in clip_names())
    assert {clip: rules_for(clip).episode_s for clip in clip_names() if rules_for(clip).episode_s} == {
        "kick": 4.0,
        "punch": 4.0,
    }


def test_a_clip_of_ones_own_shows_what_may_touch_the_ground():
    """All of a tumbling body, low enough; nothing but the paws of a dog that trots; a named clip keeps its table."""
    character, trot = load_character("dog"), author_gait("trot")
    own = replace(trot, name="my_trot")
    assert set(rules_of((own,), character).allowed_contacts) == {"right_finger", "left_finger", "right_toe", "left_toe"}
    assert rules_of((trot,), character) == ClipRules()
    low = torch.tensor([0.0, 0.0, 10.0], dtype=torch.float64)
    lying = replace(own, root_pos_w=own.root_pos_w - low)
    assert forbidden_bodies(character, rules_of((lying,), character)) == []


def test_a_cycle_of_ones_own_that_turns_goes_on_turning():
    character, turn = load_character("dog"), author_gait("turn")
    assert rules_of((replace(turn, name="mine"),), character).sync_root_yaw
    assert not rules_of((replace(turn, name="mine", loop=False),), character).sync_root_yaw
    assert not rules_of((replace(author_gait("walk"), name="mine"),), character).sync_root_yaw
