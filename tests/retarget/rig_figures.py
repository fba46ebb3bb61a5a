"""Small figures with known motion: a walker in place, and a control rig whose feet hang under the root."""

import torch

from retarget.source import Source

FRAMES = 61
_BODY = {
    "Root": (None, (0.0, 0.0, 0.0)),
    "Hips": ("Root", (0.0, 0.0, 0.9)),
    "Spine": ("Hips", (0.0, 0.0, 0.1)),
    "Chest": ("Spine", (0.0, 0.0, 0.3)),
    "Neck": ("Chest", (0.0, 0.0, 0.2)),
    "Head": ("Neck", (0.0, 0.0, 0.1)),
}


def walker(speed: float = 0.0, split: bool = False) -> Source:
    """Return a figure that walks in place at ``speed`` [m/s]; with ``split`` each thigh is two bones."""
    return _figure({"thigh": "Thigh", "shin": "Shin", "foot": "Foot"}, speed, split)


def control_rig() -> Source:
    """Return a figure whose feet are children of the root, with shins that end in tips, and a pole target of its own."""
    figure = _figure({"thigh": "UpperLeg", "shin": "LowerLeg", "foot": "Foot"}, 0.5, False)
    names, parents, pos = list(figure.names), list(figure.parents), figure.pos_w
    for side in ("L", "R"):
        foot, shin = names.index(f"Foot.{side}"), names.index(f"LowerLeg.{side}")
        parents[foot] = 0
        names.append(f"LowerLeg.{side}_End")
        parents.append(shin)
        pos = torch.cat((pos, pos[:, foot : foot + 1]), 1)
    names.append("Pole.L")
    parents.append(-1)
    pos = torch.cat((pos, torch.ones(FRAMES, 1, 3, dtype=torch.float64)), 1)
    return Source("rig", tuple(names), tuple(parents), figure.times, pos, None)


def _figure(leg: dict[str, str], speed: float, split: bool) -> Source:
    times = torch.arange(FRAMES, dtype=torch.float64) / 30
    pos = {name: torch.zeros(FRAMES, 3, dtype=torch.float64) for name in _BODY}
    parents = {name: parent for name, (parent, _) in _BODY.items()}
    for name, (parent, offset) in _BODY.items():
        pos[name] = (pos[parent] if parent else 0.0) + torch.tensor(offset, dtype=torch.float64).expand(FRAMES, 3)
    for side, y, phase in (("L", 1.0, 0.0), ("R", -1.0, 0.5)):
        foot = _foot(times, y, phase, speed)
        hip = pos["Hips"] + torch.tensor([0.0, 0.1 * y, -0.02], dtype=torch.float64)
        knee = (hip + foot) / 2
        reach = (hip - foot).norm(dim=-1)
        knee[:, 0] += (0.45**2 - (reach / 2).square()).clamp_min(0.0).sqrt()
        limb = [(leg["thigh"], hip), (leg["shin"], knee), (leg["foot"], foot)]
        if split:
            limb.insert(1, (f"{leg['thigh']}.001", (hip + knee) / 2))
        toe = foot + torch.tensor([0.15, 0.0, -0.05], dtype=torch.float64)
        _add(pos, parents, "Hips", side, [*limb, ("Toe", toe)])
        shoulder = pos["Chest"] + torch.tensor([0.0, 0.18 * y, 0.15], dtype=torch.float64)
        arm = [("UpperArm", 0.0), ("LowerArm", 0.28), ("Hand", 0.53)]
        _add(pos, parents, "Chest", side, [(n, shoulder + torch.tensor([0.0, 0.0, -d]).double()) for n, d in arm])
    names = tuple(pos)
    index = {name: i for i, name in enumerate(names)}
    ancestors = tuple(-1 if parents[name] is None else index[parents[name]] for name in names)
    return Source("figure", names, ancestors, times, torch.stack(list(pos.values()), 1), None)


def _foot(times: torch.Tensor, y: float, phase: float, speed: float) -> torch.Tensor:
    """Return the path (T, 3) of an ankle that slides backwards while it is low, half of each second."""
    share = torch.remainder(times + phase, 1.0)
    low = share < 0.5
    half = 0.25 * speed
    x = torch.where(low, half - speed * share, -half + speed * (share - 0.5))
    z = 0.06 + torch.where(low, 0.0, 0.15 * torch.sin((share - 0.5) * 2 * torch.pi))
    return torch.stack((x, 0.1 * y * torch.ones_like(x), z), -1)


def _add(pos: dict, parents: dict, above: str, side: str, limb: list) -> None:
    for name, place in limb:
        pos[f"{name}.{side}"], parents[f"{name}.{side}"] = place, above
        above = f"{name}.{side}"
