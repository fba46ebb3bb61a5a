"""A metric that records at which time of the clip the character falls, and its errors shortly before."""

from collections import deque
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mimic.core.rotations import quat_conj, quat_from_yaw, quat_mul, quat_rotate_inverse, quat_to_rotvec
from mimic.evaluation.metric import Metric
from mimic.tracking import TrackingEnv
from mimic.tracking.termination import forbidden_bodies

BEFORE_S = 0.2  # errors are read so long before the fall, when they are its cause and not yet its consequence
LOST_S = 0.5  # reward terms are averaged over this time before the fall
BINS = 10


@dataclass(frozen=True)
class Falls:
    """Statistics of the falls of many episodes; means are over the falls.

    Attributes:
        falls: number of episodes that fell.
        clip_s: clip time [s] of each fall.
        hazard: (10,) falls per second in each tenth of the clip.
        window: start and end [s] of the tenth of the clip with the largest hazard.
        window_share: share of the falls in that tenth.
        touched: name of a body that hit the ground -> share of the falls.
        root_off_m: distance of the root from the clip's root [m].
        root_low_m: height of the clip's root minus height of the root [m].
        tilt_rad: angle between the root and the clip's root [rad].
        tilt_to: components of this rotation (forward, right, left turn) [rad], relative to the heading of the clip.
        limbs_off_m: body -> distance from the clip's body, both relative to the root [m]; the largest first.
        lost: reward term -> reward lost, as a share of the term's weight; the largest first.
    """

    falls: int
    clip_s: list[float]
    hazard: list[float]
    window: tuple[float, float]
    window_share: float
    touched: dict[str, float]
    root_off_m: float
    root_low_m: float
    tilt_rad: float
    tilt_to: tuple[float, float, float]
    limbs_off_m: dict[str, float]
    lost: dict[str, float]


class FallMetric(Metric):
    """Stores the errors before each fall of an evaluation; :meth:`falls` summarises them."""

    def __init__(self, env: TrackingEnv):
        self._env = env
        names = forbidden_bodies(env.character, env.rules)
        self._forbidden = torch.tensor([env.character.body_index(n) for n in names], dtype=torch.long)
        self._forbidden = self._forbidden.to(env.device)
        self._errors: deque[dict[str, Tensor]] = deque(maxlen=max(1, round(BEFORE_S / env.control_dt)))
        self._terms: deque[dict[str, Tensor]] = deque(maxlen=max(1, round(LOST_S / env.control_dt)))
        self._seconds = torch.zeros(BINS, device=env.device)
        self._rows: list[dict[str, Tensor]] = []  # (K, ...) per step with K > 0 falls

    def before(self, env: TrackingEnv, action: Tensor) -> None:
        """Store the clip time before the step, because a fall resets the clip time."""
        self._clip_time = env.tracker.current.clip_time.clone()

    def after(self, env: TrackingEnv, up: Tensor, fell: Tensor) -> None:
        """Store the errors of this step; for episodes that fell, keep the errors from ``BEFORE_S`` seconds ago."""
        if not self._errors:
            self._remember(env)
        ids = fell.nonzero().squeeze(1)
        if len(ids):
            self._rows.append(self._causes(env, ids))
        bins = (self._clip_time / env.motion.duration * BINS).long().clamp(0, BINS - 1)
        self._seconds.index_add_(0, bins, (up | fell).float() * env.control_dt)
        self._remember(env)

    def _remember(self, env: TrackingEnv) -> None:
        self._errors.append(_errors(env))
        self._terms.append({name: value.clone() for name, value in env.terms.items()})

    def _causes(self, env: TrackingEnv, ids: Tensor) -> dict[str, Tensor]:
        then = {name: value[ids] for name, value in self._errors[0].items()}
        terms = {f"term.{n}": torch.stack([t[n][ids] for t in self._terms]).mean(0) for n in self._terms[0]}
        lowest = env.kinematics.lowest_points(env.bodies)[ids]
        touched = self._forbidden[lowest[:, self._forbidden].argmin(1)] if len(self._forbidden) else ids * 0 - 1
        return {**then, **terms, "touched": touched, "clip_time": self._clip_time[ids]}

    def falls(self) -> Falls | None:
        """Return statistics of all falls; None if no episode fell."""
        if not self._rows:
            return None
        env = self._env
        rows = {name: torch.cat([row[name] for row in self._rows]).cpu() for name in self._rows[0]}
        mean: dict[str, Tensor] = {name: value.double().nanmean(0) for name, value in rows.items()}
        count, duration = len(rows["clip_time"]), env.motion.duration
        per_bin = torch.bincount((rows["clip_time"] / duration * BINS).long().clamp(0, BINS - 1), minlength=BINS)
        # a tenth that few episodes reached has no meaningful hazard
        hazard = per_bin / self._seconds.cpu().clamp_min(0.05 * float(self._seconds.max()) + 1e-9)
        worst = int(hazard.argmax())
        weights = {name: term.weight for name, term in env.config.reward.terms.items() if term.bounded}
        lost = {name: weight * (1.0 - float(mean[f"term.{name}"])) for name, weight in weights.items()}
        names = [body.name for body in env.character.bodies]
        limbs = dict(zip(names, mean["limbs"].tolist(), strict=True))
        bodies = [names[b] if b >= 0 else "nothing" for b in rows["touched"].tolist()]
        return Falls(
            falls=count,
            clip_s=rows["clip_time"].tolist(),
            hazard=hazard.tolist(),
            window=(worst * duration / BINS, (worst + 1) * duration / BINS),
            window_share=float(per_bin[worst]) / count,
            touched=_sorted({name: bodies.count(name) / count for name in set(bodies)}),
            root_off_m=float(mean["root_off"]),
            root_low_m=float(mean["root_low"]),
            tilt_rad=float(mean["tilt"]),
            tilt_to=tuple(mean["tilt_to"].tolist()),  # type: ignore[arg-type]
            limbs_off_m=_sorted(limbs),
            lost=_sorted(lost),
        )

    def report(self) -> dict[str, Any]:
        """Return nothing, because falls are not part of ``evaluation.json``."""
        return {}


def _errors(env: TrackingEnv) -> dict[str, Tensor]:
    """Return the errors against the reference at this step, by name, (N, ...)."""
    sim, ref = env.sim, env.reference.state
    off_w = sim.root_pos_w - ref.root_pos_w
    turn_w = quat_to_rotvec(quat_mul(sim.root_quat_w, quat_conj(ref.root_quat_w)))
    turn = quat_rotate_inverse(quat_from_yaw(env.tracker.current.yaw), turn_w)
    limbs = _from_root(env.bodies.pos_w - sim.root_pos_w[:, None], sim.root_quat_w)
    limbs = limbs - _from_root(env.reference.body_offset_w, ref.root_quat_w)
    return {
        "root_off": off_w.norm(dim=-1),
        "root_low": -off_w[:, 2],
        "tilt": turn.norm(dim=-1),
        # a turn about y tips forward, about x to the right, about z to the left
        "tilt_to": torch.stack((turn[:, 1], turn[:, 0], turn[:, 2]), -1),
        "limbs": limbs.norm(dim=-1),
    }


def _from_root(offset_w: Tensor, root_quat_w: Tensor) -> Tensor:
    return quat_rotate_inverse(root_quat_w[:, None].expand(*offset_w.shape[:2], 4), offset_w)


def _sorted(figures: dict[str, float]) -> dict[str, float]:
    return dict(sorted(figures.items(), key=lambda item: -item[1]))
