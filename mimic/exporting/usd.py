"""Write a motion as USD: skeleton, skin and animation of UsdSkel in one file. Needs usd-core, the extra ``[usd]``.

As in the GLB, y is up and lengths are in metres; every vertex of the skin follows one joint. A file holds one motion.
Frame t is time code t at the motion's frame rate.
"""

from pathlib import Path
from typing import Any

import numpy as np

from characters import Character
from mimic.core.errors import InputError
from mimic.exporting.skin import Poses, Skin, build_poses, build_skin
from mocap.motion import Motion

ROUGHNESS = 0.75


def write_usd(motion: Motion, character: Character, path: Path) -> None:
    """Write ``path`` (.usd, .usda or .usdc). Raises InputError if usd-core is missing or the file cannot be written."""
    try:
        from pxr import Tf, Usd
    except ImportError:
        raise InputError(
            "USD needs usd-core, which is not installed: pip install usd-core (or the extra [usd]); glb and bvh do not"
        ) from None
    try:
        stage = Usd.Stage.CreateNew(str(path))
        _fill(stage, motion, character)
        stage.GetRootLayer().Save()
    except Tf.ErrorException as error:
        raise InputError(f"{path}: cannot be written as USD ({' '.join(str(error).split())[:200]})") from None


def _fill(stage: Any, motion: Motion, character: Character) -> None:
    from pxr import UsdGeom, UsdSkel

    skin, poses = build_skin(character), build_poses(motion, character)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    stage.SetFramesPerSecond(motion.fps)
    stage.SetTimeCodesPerSecond(motion.fps)
    stage.SetStartTimeCode(0)
    stage.SetEndTimeCode(motion.num_frames - 1)
    stage.GetRootLayer().comment = f"{motion.name}: {motion.license}" if motion.license else motion.name
    top = f"/{character.name}"
    root = UsdSkel.Root.Define(stage, top)
    stage.SetDefaultPrim(root.GetPrim())
    joints = _joint_paths(character)
    skeleton = _skeleton(stage, top, joints, character, skin)
    _animation(stage, skeleton, joints, motion, poses, skin)
    _mesh(stage, top, skeleton, skin)


def _joint_paths(character: Character) -> list[str]:
    """Return the joints' names, which in UsdSkel are paths from the root."""
    paths: list[str] = []
    for body in character.bodies:
        paths.append(body.name if body.parent < 0 else f"{paths[body.parent]}/{body.name}")
    return paths


def _skeleton(stage: Any, top: str, joints: list[str], character: Character, skin: Skin) -> Any:
    from pxr import Gf, UsdSkel, Vt

    parents = np.array([skin.joints[body.parent] if body.parent >= 0 else np.zeros(3) for body in character.bodies])

    def moves(offsets: np.ndarray) -> Any:
        return Vt.Matrix4dArray([Gf.Matrix4d().SetTranslate(Gf.Vec3d(*map(float, offset))) for offset in offsets])

    skeleton = UsdSkel.Skeleton.Define(stage, f"{top}/skeleton")
    skeleton.CreateJointsAttr(Vt.TokenArray(joints))
    skeleton.CreateBindTransformsAttr(moves(skin.joints))
    skeleton.CreateRestTransformsAttr(moves(skin.joints - parents))
    return skeleton


def _animation(stage: Any, skeleton: Any, joints: list[str], motion: Motion, poses: Poses, skin: Skin) -> None:
    from pxr import Gf, Tf, UsdSkel, Vt

    path = skeleton.GetPath().AppendChild(Tf.MakeValidIdentifier(motion.name))
    animation = UsdSkel.Animation.Define(stage, path)
    animation.CreateJointsAttr(Vt.TokenArray(joints))
    animation.CreateScalesAttr(Vt.Vec3hArray([Gf.Vec3h(1, 1, 1)] * len(joints)))
    rest = np.array([transform.ExtractTranslation() for transform in skeleton.GetRestTransformsAttr().Get()])
    translations, rotations = animation.CreateTranslationsAttr(), animation.CreateRotationsAttr()
    for frame in range(motion.num_frames):
        rest[0] = poses.root[frame]
        translations.Set(Vt.Vec3fArray.FromNumpy(rest.astype(np.float32)), frame)
        quats = [Gf.Quatf(float(w), float(x), float(y), float(z)) for x, y, z, w in poses.rotations[frame]]
        rotations.Set(Vt.QuatfArray(quats), frame)
    binding = UsdSkel.BindingAPI.Apply(skeleton.GetPrim())
    binding.CreateAnimationSourceRel().SetTargets([path])


def _mesh(stage: Any, top: str, skeleton: Any, skin: Skin) -> None:
    from pxr import Gf, UsdGeom, UsdShade, UsdSkel, Vt

    triangles = np.concatenate([part.triangles for part in skin.parts])
    points = skin.vertices.astype(np.float32)
    mesh = UsdGeom.Mesh.Define(stage, f"{top}/skin")
    mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(points))
    mesh.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(skin.normals.astype(np.float32)))
    mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(triangles), 3, np.int32)))
    mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(triangles.astype(np.int32).ravel()))
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    mesh.CreateExtentAttr(Vt.Vec3fArray.FromNumpy(np.stack([points.min(0), points.max(0)])))
    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    binding.CreateSkeletonRel().SetTargets([skeleton.GetPath()])
    binding.CreateJointIndicesPrimvar(False, 1).Set(Vt.IntArray.FromNumpy(skin.body.astype(np.int32)))
    binding.CreateJointWeightsPrimvar(False, 1).Set(Vt.FloatArray.FromNumpy(np.ones(len(points), np.float32)))
    binding.CreateGeomBindTransformAttr(Gf.Matrix4d(1.0))
    first = 0
    for part in skin.parts:
        faces = np.arange(first, first + len(part.triangles), dtype=np.int32)
        first += len(part.triangles)
        subset = UsdGeom.Subset.CreateGeomSubset(
            mesh, f"c{part.name}", UsdGeom.Tokens.face, Vt.IntArray.FromNumpy(faces), "materialBind", "partition"
        )
        material = _material(stage, f"{top}/materials/c{part.name}", part.linear_rgb)
        UsdShade.MaterialBindingAPI.Apply(subset.GetPrim()).Bind(material)


def _material(stage: Any, path: str, rgb: tuple[float, ...]) -> Any:
    from pxr import Gf, Sdf, UsdGeom, UsdShade

    UsdGeom.Scope.Define(stage, path.rsplit("/", 1)[0])
    material = UsdShade.Material.Define(stage, path)
    shader = UsdShade.Shader.Define(stage, f"{path}/surface")
    shader.CreateIdAttr("UsdPreviewSurface")
    shader.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).Set(Gf.Vec3f(*rgb))
    shader.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(ROUGHNESS)
    shader.CreateInput("metallic", Sdf.ValueTypeNames.Float).Set(0.0)
    material.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")
    return material
