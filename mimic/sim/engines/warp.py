"""The GPU engine: ``mujoco_warp`` simulates thousands of worlds in parallel, from the CPU engine's MJCF and YAML.

State is shared with torch, not copied: ``qpos`` and the other arrays of Warp are also torch tensors. On CUDA the servo
and all substeps of a control step are captured once as a CUDA graph. No method waits for the host: ``reset`` takes a
mask, and ``failed`` returns a tensor on the device. On the CPU the same code runs without graphs, far slower than the CPU
engine; tests use that.

The engine computes in float32. A GPU finds contacts in any order, so results differ there in the last bits. Buffers for
contacts and constraints have room for the worst case of the character (``buffer_sizes``). ``failed`` reports worlds whose
buffers overflow, and worlds that become non-finite or too fast, because Warp checks neither.
"""

import warnings
from collections.abc import Callable
from typing import Self

import mujoco
import torch
from torch import Tensor

from characters import Character, CharacterState
from mimic.core.errors import InputError
from mimic.gpu.cuda_graph import no_garbage_collection
from mimic.sim import ENGINES
from mimic.sim.engine import MAX_POSITION, MAX_VELOCITY, Engine
from mimic.sim.masking import assign_rows
from mimic.sim.qpos_qvel import Coordinates

try:
    import mujoco_warp as mjw
    import warp as wp

    wp.config.log_level = wp.LOG_ERROR
    wp.init()
    from mimic.sim.warp_pd_controller import WarpServo
except ImportError:
    raise InputError("the warp engine needs mujoco_warp, which is not installed: pip install '.[gpu]'") from None

# contacts of one primitive with the ground, as Warp counts them
_GROUND_CONTACTS = {"sphere": 1, "capsule": 2, "box": 8}
_ROWS_A_CONTACT = 4  # of a pyramidal friction cone in three dimensions
_SELF_CONTACTS_A_BODY = 4  # a guess, for characters that collide with themselves: an overflow is reported
_LOST = mjw.OverflowType.NEFC | mjw.OverflowType.NJMAX_NNZ | mjw.OverflowType.BROADPHASE
_LOST |= mjw.OverflowType.NARROWPHASE | mjw.OverflowType.CCD
# by GPU and handle, for ever: the end of one registration would end the others of the same stream
_STREAMS: dict[tuple[int, int], object] = {}


@ENGINES.register("warp")
class WarpEngine(Engine):
    """The Warp engine; its methods are those of :class:`mimic.sim.engine.Engine`.

    Attributes:
        overflows: () int64, how often a world has lost contacts or constraints because a buffer was full.
    """

    devices = ("cpu", "cuda")
    deterministic_on = ("cpu",)
    startup_note = "warp compiles its kernels the first time, which takes a minute or two"

    def __init__(
        self,
        character: Character,
        num_envs: int,
        device: torch.device | str = "cpu",
        sizes: tuple[int, int] | None = None,
    ):
        """``sizes``: numbers of contacts and of constraint rows that a world's buffers hold; None: ``buffer_sizes``."""
        self.character, self.num_envs = character, num_envs
        self.device = _numbered(torch.device(device))
        self.substeps = character.simulation.substeps
        model = character.mj_model(visual=False)
        model.opt.disableflags &= ~int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)  # Warp never does, and refuses the flag
        contacts, constraints = sizes or buffer_sizes(character)
        self._wp_device = wp.device_from_torch(self.device)
        with wp.ScopedDevice(self._wp_device):
            self._model = mjw.put_model(model)
            self._model.opt.warn_overflow = 0  # ``failed`` reports them
            if self._wp_device.is_cuda:  # loops within graphs: the solver's early end
                self._model.opt.graph_conditional = wp.is_conditional_graph_supported()
            self._data = mjw.make_data(model, nworld=num_envs, nconmax=contacts, njmax=constraints)
            self._wp_target = wp.zeros((num_envs, character.num_actuated), dtype=float)
        addresses = model.jnt_qposadr[1:].tolist()
        self._servo = WarpServo(character, addresses, self._wp_device)
        self._coordinates = Coordinates(character, addresses, self.device)
        self._target, self._overflow = wp.to_torch(self._wp_target), wp.to_torch(self._data.overflow)
        data = self._data
        # all that one step leaves for the next
        self._carried = {
            name: wp.to_torch(getattr(data, name))
            for name in ("qpos", "qvel", "ctrl", "qacc", "qacc_warmstart", "time")
        }
        self._qpos, self._qvel = self._carried["qpos"], self._carried["qvel"]
        self._failed = torch.zeros(num_envs, dtype=torch.bool, device=self.device)
        self.overflows = torch.zeros((), dtype=torch.int64, device=self.device)
        self._with_graphs = self.device.type == "cuda" and wp.is_mempool_enabled(self._wp_device)
        if self.device.type == "cuda" and not self._with_graphs:
            warnings.warn(
                "no memory pools on this GPU: physics runs without CUDA graphs, several times slower", stacklevel=2
            )
        self._graphs: dict[str, object] = {}
        wp.synchronize_device(self._wp_device)  # Warp's stream has allocated, and torch's comes next

    @classmethod
    def check_device(cls, device: str) -> None:
        """Raise InputError if torch sees a GPU and Warp does not: its wheel may need a newer driver than torch's."""
        if device == "cuda" and not wp.is_cuda_available():
            major, minor = wp.get_cuda_toolkit_version()
            raise InputError(
                f"--device cuda: torch finds a GPU, but Warp {wp.__version__} finds none. It was built with CUDA "
                f"{major}.{minor}, which needs a newer driver (580 for CUDA 13): update the driver, or pip install "
                "'warp-lang<1.18', which was built with CUDA 12"
            )

    @classmethod
    def create(cls, character: Character, num_envs: int, threads: int, device: str) -> Self:
        """Make an engine of ``num_envs`` worlds on ``device``; ``threads`` is ignored."""
        return cls(character, num_envs, device)

    def reset(self, ids: Tensor, state: CharacterState) -> None:
        """Set the copies ``ids`` to ``state``, with the solver's warm start, controls and clock at zero."""
        for name in ("ctrl", "qacc", "qacc_warmstart", "time"):
            assign_rows(self._carried[name], ids, 0.0)
        self._coordinates.write(self._qpos, self._qvel, ids, state)
        assign_rows(self._failed, ids, False)

    def set_targets(self, pd_target: Tensor) -> None:
        """Set the servo targets (N, A) [rad]: rotation vectors of ball joints, angles of hinges."""
        self._target.copy_(pd_target)

    def step(self) -> None:
        """Advance every world by one control step; the servo's torque is computed anew at every physics step."""
        before = self._within_bounds()  # a quaternion of 1e30 would be normalised to nothing, and pass
        self._run("control", self._control)
        lost = (self._overflow & int(_LOST)) != 0
        self.overflows += lost.sum()
        self._overflow.zero_()
        self._failed |= lost | ~(before & self._within_bounds())

    def read(self) -> CharacterState:
        """Return the pose and velocity of every world, float32."""
        return self._coordinates.read(self._qpos, self._qvel)

    def failed(self) -> Tensor:
        """Return (N,) bool: worlds that became non-finite, too fast or too far away, or lost contacts.

        The limits are ``MAX_VELOCITY`` and ``MAX_POSITION``. Only failures since a world's last reset count.
        """
        return self._failed.clone()

    def snapshot(self) -> dict[str, Tensor]:
        """Return copies of all arrays that a step takes over from the previous step, and of the failure flags."""
        return {name: value.clone() for name, value in self._carried.items()} | {"failed": self._failed.clone()}

    def restore(self, snapshot: dict[str, Tensor]) -> None:
        """Continue from a snapshot; later steps are the same to the bit on the CPU only."""
        for name, value in self._carried.items():
            value.copy_(snapshot[name])
        self._failed.copy_(snapshot["failed"])
        self._overflow.zero_()

    def physics_step(self) -> None:
        """Advance Warp by the physics steps of one control step, without servo or checks (for benchmarks)."""
        self._run("raw", self._raw)

    def details(self) -> dict[str, int]:
        """Return the physics steps in a control step, and how often a world lost contacts in a full buffer."""
        return {"substeps": self.substeps, "overflows": int(self.overflows)}

    def _within_bounds(self) -> Tensor:
        # a NaN compares false, so compare for good values
        return (self._qvel.abs().amax(1) <= MAX_VELOCITY) & (self._qpos.abs().amax(1) <= MAX_POSITION)

    def _control(self) -> None:
        data = self._data
        for _ in range(self.substeps):
            self._servo.launch(self._wp_target, data.qpos, data.qvel, data.ctrl)
            mjw.step(self._model, data)

    def _raw(self) -> None:
        for _ in range(self.substeps):
            mjw.step(self._model, self._data)

    def _run(self, name: str, kernels: Callable[[], None]) -> None:
        """Launch ``kernels``. On CUDA they run as one graph, captured at the first call and stored under ``name``.

        A GPU without memory pools cannot capture them, because the solver allocates memory.
        """
        if self.device.type == "cpu":
            with wp.ScopedDevice(self._wp_device):
                kernels()
            return
        if not self._with_graphs:
            with wp.ScopedStream(self._torch_stream(), sync_enter=False):
                kernels()
            return
        if name not in self._graphs:
            self._graphs[name] = self._capture(kernels)
        wp.capture_launch(self._graphs[name], stream=self._torch_stream())

    def _capture(self, kernels: Callable[[], None]) -> object:
        """Capture ``kernels`` as a CUDA graph and return the graph; the state is as before the call.

        The kernels run once before the capture, so that all of them are compiled and loaded.
        """
        start = self.snapshot()
        torch.cuda.synchronize(self.device)
        with wp.ScopedDevice(self._wp_device):
            kernels()
        wp.synchronize_device(self._wp_device)
        # not on Warp's own stream: during its capture torch's stream cannot be used
        aside = wp.stream_from_torch(torch.cuda.Stream(self.device))  # type: ignore[no-untyped-call]
        with no_garbage_collection(), wp.ScopedStream(aside), wp.ScopedCapture(stream=aside) as capture:
            kernels()
        wp.synchronize_device(self._wp_device)
        self.restore(start)
        return capture.graph

    def _torch_stream(self) -> object:
        """Return torch's current stream as a Warp stream, so that the graph runs in order with torch's kernels."""
        stream = torch.cuda.current_stream(self.device)
        key = (self.device.index, stream.cuda_stream)
        if key not in _STREAMS:
            _STREAMS[key] = wp.stream_from_torch(stream)
        return _STREAMS[key]


def _numbered(device: torch.device) -> torch.device:
    """Return ``device`` with an index: "cuda" becomes the current GPU, because Warp needs the index."""
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device


def buffer_sizes(character: Character) -> tuple[int, int]:
    """Return the largest numbers of contacts and of constraint rows in one world.

    In this worst case every body is completely below the ground and every joint is at its limit.
    """
    contacts = sum(_GROUND_CONTACTS[body.geom.shape] for body in character.bodies)
    if character.simulation.self_collision:
        contacts += _SELF_CONTACTS_A_BODY * len(character.bodies)
    limits = sum(joint.range is not None for joint in character.joints)
    return contacts, _ROWS_A_CONTACT * contacts + limits
