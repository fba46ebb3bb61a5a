"""Reads one animation of a glTF or GLB file: the motion of a skin's bones, or of the nodes that the animation moves.

A node's pose follows from its translation, rotation (x, y, z, w) and scale, each animated or at rest. Nodes above the
bones, such as scaled and rotated armatures, are applied too. Scales are multiplied into the bones' positions, so the
result has no scales. The motion is sampled at the rate of the keys if they are even and dense, else at 30 Hz.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mimic.core.errors import ClipError, nearest
from mimic.core.rotations import quat_conj, quat_from_matrix, quat_mul, quat_normalize, quat_rotate, quat_slerp
from mocap.conventions import (
    NO_OPTIONS,
    DeclaredConventions,
    ReadOptions,
    frame_rate,
    skeleton_to_canonical,
)
from mocap.formats.gltf_file import GltfFile
from mocap.formats.strict_json import describe
from mocap.skeleton import Assumption, Skeleton, SkeletonMotion

_MAX_NODES, _MAX_FRAMES = 5_000, 200_000
_MAX_SECONDS = 36_000.0
_WIDTH = {"translation": 3, "rotation": 4, "scale": 3}
_TIP = re.compile(r"(?:^|[^a-z])(?:end|tip|nub)(?:[^a-z]|$)", re.IGNORECASE)  # Blender's bones end in NAME_end
_ALONG_Y, _BLENDER = 0.999, 0.6
_SPARSE_FPS, _LEAST_FPS = 30.0, 20.0
# metres are the standard's too, but files of centimetres are common
_BY_THE_STANDARD = DeclaredConventions(up="y", usual_unit="m")


@dataclass
class Node:
    """A node's name, its parent's index (-1: none), and its pose at rest."""

    name: str
    parent: int
    translation: Tensor
    rotation: Tensor
    scale: Tensor


@dataclass
class _Sampler:
    """The K keys of one property of one node: ``times`` (K,) [s] and ``values`` (K, W), or (K, 3, W) for CUBICSPLINE.

    W is 4 for a rotation (wxyz), else 3. The 3 of a cubic spline are the tangent before, the value and the tangent after.
    """

    times: Tensor
    values: Tensor
    method: str


@dataclass
class _Take:
    """One animation: the keys of each animated (node, property)."""

    name: str
    samplers: dict[tuple[int, str], _Sampler] = field(default_factory=dict)


def read_gltf(data: bytes, name: str, options: ReadOptions = NO_OPTIONS, folder: Path | None = None) -> SkeletonMotion:
    """Read one animation; ``folder`` contains the buffers in separate files. Raises ClipError for any broken file."""
    file = GltfFile(data, name, folder)
    nodes = _nodes(file)
    skins = _skins(file, len(nodes))
    animations = file.list("animations")
    if not animations:
        found = f"a skeleton of {len(skins[0])} bones" if skins else f"{len(nodes)} nodes and no skeleton"
        raise ClipError(f"{name}: the file has {found}, but no animation; export it with one")
    full, titles = _titles(animations), _without_prefix(_titles(animations))
    warnings = []
    if options.take is not None and options.take not in (*full, *titles):
        raise ClipError(f"{name}: no animation '{options.take}'; {nearest(options.take, titles)}")
    chosen = 0 if options.take is None else (full + titles).index(options.take) % len(titles)
    if options.take is None and len(titles) > 1:
        warnings.append(
            f"took '{titles[0]}' of {len(titles)} animations: {', '.join(titles)} (choose with --take NAME)"
        )
    take = _take(file, animations[chosen], titles[chosen], len(nodes))
    bones = _bones(skins, take, nodes, options.root, name)
    start, fps = _rate(take, options, name)
    end = max(float(sampler.times[-1]) for sampler in take.samplers.values())
    frames = int((end - start) * float(fps.value) + 1e-3) + 1
    if frames > _MAX_FRAMES or end - start > _MAX_SECONDS:
        raise ClipError(
            f"{name}: an animation of {end - start:g} s is too long; "
            f"at most {_MAX_SECONDS:g} s and {_MAX_FRAMES} frames are read"
        )
    times = start + torch.arange(frames, dtype=torch.float64) / float(fps.value)
    skeleton = _skeleton(nodes, bones)
    quat, pos = _local(nodes, bones, skeleton.parents, take, times)
    return skeleton_to_canonical(
        name, "glTF", skeleton, quat, pos, fps, options, _BY_THE_STANDARD, warnings=tuple(warnings)
    )


def gltf_takes(data: bytes, name: str) -> tuple[str, ...]:
    """Return the names of a file's animations, without the armature's name before them. Raises ClipError."""
    return tuple(_without_prefix(_titles(GltfFile(data, name).list("animations"))))


def _titles(animations: list[dict[str, Any]]) -> list[str]:
    return [entry["name"] if isinstance(entry.get("name"), str) else f"{i}" for i, entry in enumerate(animations)]


def _without_prefix(titles: list[str]) -> list[str]:
    """Return names without Blender's ``Armature|``, as long as each name stays different."""
    short = [title.rsplit("|", 1)[-1] or title for title in titles]
    return short if len(set(short)) == len(set(titles)) else titles


def _nodes(file: GltfFile) -> list[Node]:
    """Return all nodes at rest. Raises ClipError for a node with two parents, or one that is its own ancestor."""
    entries = file.list("nodes")
    if not 0 < len(entries) <= _MAX_NODES:
        raise ClipError(f"{file.name}: {len(entries)} nodes; 1 to {_MAX_NODES} can be read")
    parents = [-1] * len(entries)
    for parent, entry in enumerate(entries):
        children = entry.get("children", [])
        for child in children if isinstance(children, list) else [children]:
            i = file.index(child, len(entries), "nodes")
            if parents[i] >= 0 or i == parent:
                raise ClipError(f"{file.name}: node {i} has two parents")
            parents[i] = parent
    for node in range(len(entries)):
        above, steps = parents[node], 0
        while above >= 0:
            above, steps = parents[above], steps + 1
            if steps > len(entries):
                raise ClipError(f"{file.name}: the tree of nodes has a cycle")
    names: list[str] = []
    taken: set[str] = set()
    for i, entry in enumerate(entries):
        title = entry["name"] if isinstance(entry.get("name"), str) and entry["name"] else f"node{i}"
        names.append(title if title not in taken else f"{title}#{i}")
        taken.add(names[-1])
    if len(taken) < len(names):
        raise ClipError(f"{file.name}: two nodes have the same name; give every node a name of its own")
    return [Node(names[i], parents[i], *_rest(file, entry)) for i, entry in enumerate(entries)]


def _rest(file: GltfFile, entry: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    """Return the translation (3,), rotation (4,) wxyz and scale (3,) of a node at rest."""
    matrix = file.floats(entry, "matrix", 16)
    if matrix is not None:
        columns = torch.tensor(matrix, dtype=torch.float64).reshape(4, 4)
        scale = columns[:3, :3].norm(dim=-1)
        turn = (columns[:3, :3] / scale.clamp_min(1e-12)[:, None]).T
        if scale.min() < 1e-9 or torch.linalg.det(turn) < 0.5:
            raise ClipError(f"{file.name}: a node's matrix is flat, mirrored or skewed; only turns and scales are read")
        return columns[3, :3], quat_from_matrix(turn), scale
    translation = file.floats(entry, "translation", 3) or (0.0, 0.0, 0.0)
    rotation = file.floats(entry, "rotation", 4) or (0.0, 0.0, 0.0, 1.0)
    scale = file.floats(entry, "scale", 3) or (1.0, 1.0, 1.0)
    xyzw = torch.tensor(rotation, dtype=torch.float64)
    if not 0.5 < float(xyzw.norm()) < 2.0:
        raise ClipError(f"{file.name}: a node's rotation of length {xyzw.norm():g} must be a unit quaternion")
    return _tensor(translation), quat_normalize(xyzw[[3, 0, 1, 2]]), _tensor(scale)


def _skins(file: GltfFile, count: int) -> list[list[int]]:
    skins = []
    for skin in file.list("skins"):
        joints = skin.get("joints")
        if not isinstance(joints, list) or not joints:
            raise ClipError(f"{file.name}: a skin has no list of joints")
        skins.append([file.index(joint, count, "nodes") for joint in joints])
    return skins


def _take(file: GltfFile, animation: dict[str, Any], title: str, count: int) -> _Take:
    take = _Take(title)
    channels, samplers = animation.get("channels"), animation.get("samplers")
    if not isinstance(channels, list) or not isinstance(samplers, list):
        raise ClipError(f"{file.name}: animation '{title}' has no channels or no samplers")
    for channel in channels:
        target = channel.get("target") if isinstance(channel, dict) else None
        if not isinstance(target, dict):
            raise ClipError(f"{file.name}: animation '{title}' has a channel without a target")
        path = target.get("path")
        if not isinstance(path, str) or path not in _WIDTH or "node" not in target:
            continue  # morph weights, or the target of an extension
        node = file.index(target["node"], count, "nodes")
        sampler = samplers[file.index(channel.get("sampler"), len(samplers), "samplers")]
        if not isinstance(sampler, dict):
            raise ClipError(f"{file.name}: animation '{title}' has a sampler that is not an object")
        take.samplers[node, path] = _sampler(file, sampler, path)
    if not take.samplers:
        raise ClipError(f"{file.name}: animation '{title}' moves no node; morph targets are not read")
    return take


def _sampler(file: GltfFile, sampler: dict[str, Any], path: str) -> _Sampler:
    method = sampler.get("interpolation", "LINEAR")
    if method not in ("LINEAR", "STEP", "CUBICSPLINE"):
        raise ClipError(f"{file.name}: interpolation {describe(method)}; valid: CUBICSPLINE, LINEAR, STEP")
    times = torch.from_numpy(file.accessor(sampler.get("input"), "SCALAR")[:, 0])
    values = torch.from_numpy(file.accessor(sampler.get("output"), f"VEC{_WIDTH[path]}"))
    per_key = 3 if method == "CUBICSPLINE" else 1
    if not len(times) or len(values) != per_key * len(times) or (times.diff() <= 0).any():
        raise ClipError(
            f"{file.name}: {len(times)} keys with {len(values)} values: "
            f"a key needs {per_key} value{'s' * (per_key > 1)}, and times must grow"
        )
    if times[0] < -_MAX_SECONDS or times[-1] > _MAX_SECONDS:
        raise ClipError(f"{file.name}: a key is beyond {_MAX_SECONDS:g} s, the most that is read")
    if path == "rotation":
        values = values[:, [3, 0, 1, 2]]
    if per_key == 3:
        values = values.reshape(len(times), 3, -1)
    if path == "rotation":
        norm = (values[:, 1] if per_key == 3 else values).norm(dim=-1)
        if (norm < 0.5).any() or (norm > 2.0).any():
            raise ClipError(f"{file.name}: the keys of a rotation must be unit quaternions")
    return _Sampler(times, values, str(method))


def _bones(skins: list[list[int]], take: _Take, nodes: list[Node], root: str | None, name: str) -> list[int]:
    """Return the bones, parents first: the skin that the animation moves most, or else all nodes that it moves.

    With ``root`` only bones at and below that node are returned.
    """
    moved = {node for node, _ in take.samplers}
    bones = set(max(skins, key=lambda joints: len(moved & set(joints)))) if skins else set()
    if not bones & moved:
        bones = moved
    if root is not None:
        names = [node.name for node in nodes]
        if root not in names:
            raise ClipError(f"{name}: no node '{root}'; {nearest(root, names)}")
        bones = {bone for bone in bones if names.index(root) in _chain(nodes, bone)}
        if not bones:
            raise ClipError(f"{name}: no bones at or below '{root}'; choose a node further up")
    return sorted(bones, key=lambda bone: (len(_chain(nodes, bone)), bone))


def _chain(nodes: list[Node], node: int) -> list[int]:
    """Return the node and all its ancestors, from the node to a root."""
    chain = [node]
    while nodes[chain[-1]].parent >= 0:
        chain.append(nodes[chain[-1]].parent)
    return chain


def _rate(take: _Take, options: ReadOptions, name: str) -> tuple[float, Assumption]:
    """Return the time of the first key [s] and the frame rate."""
    start = min(float(sampler.times[0]) for sampler in take.samplers.values())
    longest = max((sampler.times for sampler in take.samplers.values()), key=len)
    if options.fps is not None:
        return start, Assumption(f"{options.fps!r}", "user")
    step = float(longest.diff().median()) if len(longest) > 1 else 0.0
    uneven = len(longest) > 1 and float((longest.diff() - step).abs().max()) > 0.1 * step
    if step <= 0 or uneven or 1 / step < _LEAST_FPS:
        return start, Assumption(f"{_SPARSE_FPS!r}", "guess", "the keys are sparse or uneven")
    return start, frame_rate(step, options, name)


def _skeleton(nodes: list[Node], bones: list[int]) -> Skeleton:
    index = {bone: i for i, bone in enumerate(bones)}
    tips = [i for i, node in enumerate(nodes) if i not in index and node.parent in index and _TIP.search(node.name)]
    parents = tuple(next((index[n] for n in _chain(nodes, bone)[1:] if n in index), -1) for bone in bones)
    rest, offsets = _local(nodes, bones, parents, _Take("rest"), torch.zeros(1, dtype=torch.float64))
    ends = [(index[nodes[tip].parent], _tip_offset(nodes, tip)) for tip in tips]
    ends += _guessed_tips(parents, offsets[0], [bone for bone, _ in ends])
    return Skeleton(
        tuple(nodes[bone].name for bone in bones),
        parents,
        offsets[0],
        rest[0],
        tuple(bone for bone, _ in ends),
        torch.stack([end for _, end in ends]) if ends else torch.zeros(0, 3, dtype=torch.float64),
    )


def _guessed_tips(parents: tuple[int, ...], offsets: Tensor, known: list[int]) -> list[tuple[int, Tensor]]:
    """Return for each last bone without a tip (bone, tip (3,)), if all bones of the file lie along y as Blender's do.

    A tip is half as far away as the bone's own joint from its parent.
    """
    inner = [b for b, parent in enumerate(parents) if parent >= 0 and parents[parent] >= 0 and offsets[b].norm() > 0]
    along = [b for b in inner if float(offsets[b, 1] / offsets[b].norm()) > _ALONG_Y]
    if not inner or len(along) < _BLENDER * len(inner):
        return []
    leaves = [b for b in along if b not in parents and b not in known]
    y = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    return [(b, 0.5 * offsets[b].norm() * y) for b in leaves]


def _tip_offset(nodes: list[Node], tip: int) -> Tensor:
    """Return the place (3,) of a bone's tip in the bone's frame, with the scales of the nodes above."""
    scale = torch.ones(3, dtype=torch.float64)
    for node in _chain(nodes, nodes[tip].parent):
        scale = scale * nodes[node].scale
    return nodes[tip].translation * scale


def _local(
    nodes: list[Node], bones: list[int], parents: tuple[int, ...], take: _Take, times: Tensor
) -> tuple[Tensor, Tensor]:
    """Return rotations (T, J, 4) wxyz and positions (T, J, 3) of the bones in their parents' frames, without scale.

    Roots are in the world.
    """
    worlds: dict[int, tuple[Tensor, Tensor, Tensor]] = {}  # place, matrix with scale, rotation without

    def world(node: int) -> tuple[Tensor, Tensor, Tensor]:
        for step in reversed(_chain(nodes, node)):
            if step in worlds:
                continue
            entry = nodes[step]
            t = _sample(take.samplers.get((step, "translation")), entry.translation, times)
            r = quat_normalize(_sample(take.samplers.get((step, "rotation")), entry.rotation, times))
            s = _sample(take.samplers.get((step, "scale")), entry.scale, times)
            matrix = torch.stack([quat_rotate(r, axis.expand(len(r), 3)) for axis in torch.eye(3).double()], -1)
            matrix = matrix * s[:, None, :]
            if entry.parent >= 0:
                above_t, above_m, above_r = worlds[entry.parent]
                t = above_t + (above_m @ t[..., None])[..., 0]
                matrix, r = above_m @ matrix, quat_mul(above_r, r)
            worlds[step] = (t, matrix, r)
        return worlds[node]

    quat, pos = [], []
    for bone, parent in zip(bones, parents, strict=True):
        place, _, turn = world(bone)
        if parent >= 0:
            above, _, above_turn = world(bones[parent])
            place, turn = quat_rotate(quat_conj(above_turn), place - above), quat_mul(quat_conj(above_turn), turn)
        quat.append(quat_normalize(turn))
        pos.append(place)
    return torch.stack(quat, 1), torch.stack(pos, 1)


def _sample(sampler: _Sampler | None, rest: Tensor, at: Tensor) -> Tensor:
    """Sample a property at the times ``at`` [s]; return (T, W). Before its first and after its last key it is constant."""
    if sampler is None:
        return rest.expand(len(at), -1)
    times, values, method = sampler.times, sampler.values, sampler.method
    before = (torch.searchsorted(times, at + 1e-9, right=True) - 1).clamp(0, len(times) - 1)
    after = (before + 1).clamp_max(len(times) - 1)
    span = (times[after] - times[before])[:, None]
    share = ((at - times[before])[:, None] / torch.where(span > 0, span, torch.ones_like(span))).clamp(0.0, 1.0)
    if method == "STEP":
        return values[before]
    if method == "CUBICSPLINE":
        u, u2, u3 = share, share**2, share**3
        p0, m0 = values[before, 1], values[before, 2] * span
        p1, m1 = values[after, 1], values[after, 0] * span
        return (2 * u3 - 3 * u2 + 1) * p0 + (u3 - 2 * u2 + u) * m0 + (3 * u2 - 2 * u3) * p1 + (u3 - u2) * m1
    if values.shape[-1] == 4:
        a, b = quat_normalize(values[before]), quat_normalize(values[after])
        return quat_slerp(a, b, share[:, 0])
    return values[before] + share * (values[after] - values[before])


def _tensor(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def read_rest(data: bytes, name: str, folder: Path | None = None) -> tuple[list[Node], list[list[int]]]:
    """Return all nodes of a glTF file at rest, and the nodes of each skin. Raises ClipError for a broken file."""
    file = GltfFile(data, name, folder)
    nodes = _nodes(file)
    return nodes, _skins(file, len(nodes))
