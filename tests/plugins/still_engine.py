"""An engine in one file: MuJoCo's, with characters that keep the pose of their reset."""

from mimic.sim import ENGINES
from mimic.sim.engines.mujoco import MujocoEngine


@ENGINES.register("still")
class StillEngine(MujocoEngine):
    startup_note = "the still engine simulates nothing"

    def step(self) -> None:
        pass
