"""One seed, one run: on the CPU twins are the same to the bit at any number of simulation threads."""

from dataclasses import replace

import pytest

from tests.motion_samples import clip_or_skip
from tests.reliability.runs import Recipe, assert_same_end, end_state

RECIPES = (
    Recipe("spinkick", "awr", iterations=6, steps=16, seed=3),
    Recipe("canter", "ppo", iterations=6, steps=16, seed=3),
)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: f"{recipe.algorithm}-{recipe.clip}")
def test_twins_are_the_same_at_one_and_two_threads_and_another_seed_is_not(commands, tmp_path, recipe):
    clip_or_skip(recipe.clip)
    ends = []
    for index, twin in enumerate((recipe, replace(recipe, threads=2), replace(recipe, seed=recipe.seed + 1))):
        out = tmp_path / str(index)
        ended = commands.run(twin.train(out))
        assert ended.code == 0, ended.output
        ends.append(end_state(out))
    assert_same_end(ends[0], ends[1])
    for name in ("policy.safetensors", "critic.safetensors", "replay.safetensors", "env.safetensors", "rows"):
        assert ends[0][name] != ends[2][name], name
