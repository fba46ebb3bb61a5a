"""The bundles that every evaluator is tried on: shipped, a dog, and DeepMimic's own observation on a clip that ends."""

import pytest

from mimic.exporting.bundle import bundle_files
from tests.exporting import bundles
from tests.kinematic_engine import config

KINDS = ("cartwheel", "dog", "paper")


@pytest.fixture(scope="session", params=KINDS)
def files(request, tmp_path_factory):
    """The files of a bundle by their paths."""
    if request.param == "cartwheel":
        return bundles.cartwheel()
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "dog":
        turning = config("observation.target_steps=[1, 4]")
        return bundle_files(bundles.untrained(folder, "dog", turning, name="turn", turn=1.0, duration=0.7))
    return bundle_files(bundles.untrained(folder, "humanoid", config(name="paper"), loop=False, duration=1.5))


@pytest.fixture(scope="session")
def bundle(files, tmp_path_factory):
    """The same as a folder."""
    return bundles.write(tmp_path_factory.mktemp("bundle"), files)
