"""Solids stand where MuJoCo puts the same geoms."""

import mujoco
import pytest
import torch

from characters import load_character
from mimic.core.errors import InputError
from mimic.rendering.scene import (
    COLLISION_GROUP,
    VISUAL_GROUP,
    DrawnCharacter,
    Pose,
    drawn_characters,
    tinted,
    visual_geoms,
)


def _posed(name: str) -> tuple[mujoco.MjModel, mujoco.MjData, Pose, list[str]]:
    character = load_character(name)
    model = character.mj_model()
    data = mujoco.MjData(model)
    random = torch.Generator().manual_seed(3)
    data.qpos[:] = torch.randn(model.nq, generator=random).numpy()
    mujoco.mj_kinematics(model, data)
    names = [body.name for body in character.bodies]
    bodies = [model.body(name).id for name in names]
    return model, data, Pose(torch.from_numpy(data.xpos[bodies]), torch.from_numpy(data.xquat[bodies])), names


@pytest.mark.parametrize("name", ["humanoid", "dog"])
def test_solids_stand_where_mujoco_has_them(name: str) -> None:
    model, data, pose, names = _posed(name)
    figure = DrawnCharacter(visual_geoms(model, names), offset=torch.tensor([1.0, 2.0, 0.5]))
    pos, quat = figure.place(pose)
    geoms = [g for g in range(model.ngeom) if model.geom_group[g] == VISUAL_GROUP]
    assert len(geoms) == len(figure.geoms)
    expected = torch.from_numpy(data.geom_xpos[geoms]) + torch.tensor([1.0, 2.0, 0.5])
    assert torch.allclose(pos, expected, atol=1e-12)
    for solid, g in zip(quat, geoms, strict=True):
        matrix = torch.zeros(9, dtype=torch.float64)
        mujoco.mju_quat2Mat(matrix.numpy(), solid.numpy())
        assert torch.allclose(matrix, torch.from_numpy(data.geom_xmat[g]), atol=1e-9)


def test_collision_geoms_are_drawn_if_there_are_no_visual_ones() -> None:
    model, _, _, names = _posed("humanoid")
    model.geom_group[model.geom_group == VISUAL_GROUP] = 5
    shapes = [geom.shape for geom in visual_geoms(model, names)]
    assert len(shapes) == int((model.geom_group == COLLISION_GROUP).sum()) == len(names)


def test_a_model_with_nothing_to_draw_is_an_error() -> None:
    model, _, _, names = _posed("humanoid")
    model.geom_group[:] = 5
    with pytest.raises(InputError, match="nothing to draw"):
        visual_geoms(model, names)


def test_a_geom_without_a_colour_has_its_material_s() -> None:
    model = mujoco.MjModel.from_xml_string(
        '<mujoco><asset><material name="m" rgba="0 1 0 1"/></asset><worldbody><body name="b"><freejoint/>'
        '<geom size="1" group="1" material="m"/><geom size="1" group="1" material="m" rgba="1 0 0 1"/></body></worldbody></mujoco>'
    )
    assert [geom.rgba for geom in visual_geoms(model, ["b"])] == [(0, 1, 0, 1), (1, 0, 0, 1)]


def test_tinting_moves_colours_part_of_the_way() -> None:
    model, _, _, names = _posed("dog")
    geoms = visual_geoms(model, names)
    assert tinted(geoms, (1, 1, 1), 0.0) == geoms
    assert {geom.rgba[:3] for geom in tinted(geoms, (0.25, 0.5, 0.75), 1.0)} == {(0.25, 0.5, 0.75)}


def test_each_view_places_the_reference_as_its_name_says() -> None:
    model, _, _, names = _posed("dog")
    geoms, aside = visual_geoms(model, names), torch.tensor([0.0, 2.0, 0.0])
    assert len(drawn_characters(geoms, "side", False, aside)) == 1
    sim, reference = drawn_characters(geoms, "side", True, aside)
    assert (sim.opacity, reference.opacity) == (1, 1) and reference.offset.tolist() == [0, 2, 0]
    sim, ghost = drawn_characters(geoms, "ghost", True, aside)
    assert ghost.opacity < 1 and ghost.offset.tolist() == [0, 0, 0]
    with pytest.raises(InputError, match="did you mean 'ghost'"):
        drawn_characters(geoms, "gost", True, aside)
