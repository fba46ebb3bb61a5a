"""The USD file opened again: clean by USD's own checks, and every joint where the motion has it."""

import sys

import numpy as np
import pytest

from characters import load_character
from mimic.core.errors import InputError
from mimic.exporting.usd import write_usd
from tests.exporting.reading import body_positions, drawn_vertices
from tests.motion_samples import random_motion


@pytest.fixture(scope="module", params=["humanoid", "dog"])
def written(request, tmp_path_factory):
    pytest.importorskip("pxr", reason="usd-core is not installed")
    motion = random_motion(request.param, frames=6)
    path = tmp_path_factory.mktemp("usd") / "x.usd"
    write_usd(motion, load_character(request.param), path)
    return motion, path


def test_the_checks_of_usdchecker_find_nothing(written):
    from pxr import Usd, UsdValidation

    stage = Usd.Stage.Open(str(written[1]))
    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    assert len(validators) > 20
    errors = UsdValidation.ValidationContext(validators).Validate(stage)
    assert not errors, [error.GetErrorAsString() for error in errors]
    stage.ClearMetadata("upAxis")
    assert UsdValidation.ValidationContext(validators).Validate(stage), "and what is wrong would be found"


def test_frames_and_joint_positions_are_the_motions(written):
    from pxr import Usd, UsdGeom, UsdSkel

    motion, path = written
    stage = Usd.Stage.Open(str(path))
    assert stage.GetEndTimeCode() == motion.num_frames - 1
    assert stage.GetTimeCodesPerSecond() == pytest.approx(motion.fps)
    assert (UsdGeom.GetStageUpAxis(stage), UsdGeom.GetStageMetersPerUnit(stage)) == ("Y", 1.0)
    top = UsdSkel.Root(stage.GetDefaultPrim())
    cache = UsdSkel.Cache()
    cache.Populate(top, Usd.TraverseInstanceProxies())
    query = cache.GetSkelQuery(UsdSkel.Skeleton(stage.GetPrimAtPath(f"{top.GetPath()}/skeleton")))
    assert [str(name).rsplit("/")[-1] for name in query.GetJointOrder()] == [
        body.name for body in load_character(motion.character).bodies
    ]
    found = [
        [matrix.ExtractTranslation() for matrix in query.ComputeJointSkelTransforms(frame)]
        for frame in range(motion.num_frames)
    ]
    assert np.abs(np.array(found) - body_positions(motion)).max() < 1e-5


def test_the_skin_follows_the_skeleton(written):
    from pxr import Usd, UsdGeom, UsdSkel

    motion, path = written
    stage = Usd.Stage.Open(str(path))
    points = UsdGeom.Mesh(stage.GetPrimAtPath(f"/{motion.character}/skin")).GetPointsAttr().Get()
    assert UsdSkel.BakeSkinning(UsdSkel.Root(stage.GetDefaultPrim()))
    baked = UsdGeom.Mesh(stage.GetPrimAtPath(f"/{motion.character}/skin")).GetPointsAttr()
    still, moved = np.array(points), np.array(baked.Get(3))
    assert baked.GetNumTimeSamples() == motion.num_frames
    assert np.abs(moved - still).max() > 0.1
    assert np.abs(moved - drawn_vertices(motion, 3)).max() < 1e-5, "it is what the videos show"


def test_a_missing_usd_core_is_an_error_that_names_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pxr", None)
    with pytest.raises(InputError, match="pip install usd-core"):
        write_usd(random_motion("humanoid"), load_character("humanoid"), tmp_path / "x.usd")
