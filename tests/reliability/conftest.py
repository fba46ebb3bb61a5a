"""Commands that can be killed, and runs nobody disturbed to compare with."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.motion_samples import clip_or_skip
from tests.reliability.runs import Recipe, WarmParent

Undisturbed = Callable[[Recipe], Path]


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmParent]:
    """Where commands are started."""
    parent = WarmParent(tmp_path_factory.mktemp("commands"))
    yield parent
    parent.close()


@pytest.fixture(scope="session")
def undisturbed(commands: WarmParent, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """``undisturbed(recipe)``: the folder of that run, trained in one go; once a session."""
    done: dict[Recipe, Path] = {}

    def train(recipe: Recipe) -> Path:
        clip_or_skip(recipe.clip)
        if recipe not in done:
            out = tmp_path_factory.mktemp("undisturbed") / "run"
            ended = commands.run(recipe.train(out))
            assert ended.code == 0, ended.output
            done[recipe] = out
        return done[recipe]

    return train
