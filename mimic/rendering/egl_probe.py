"""A program that tests whether MuJoCo draws off screen here. It prints the OpenGL renderer's name and exits with 0.

A missing, hanging or crashing driver harms this process only. The program imports no module of ours. It draws a red
ball on white ground and checks the colours.
"""

import ctypes
import os
import sys

_SCENE = """
<mujoco>
  <visual><headlight ambient="0.5 0.5 0.5"/></visual>
  <worldbody>
    <geom type="plane" size="9 9 1" rgba="1 1 1 1"/>
    <geom type="sphere" size="0.5" pos="0 0 0.5" rgba="1 0 0 1"/>
  </worldbody>
</mujoco>
"""
_SIDE = 64


def main() -> int:
    """Draw the test picture; return 0 if its colours are right, else 1. Other failures raise an exception."""
    if sys.platform.startswith("linux") and not _loads("libEGL.so.1"):
        print("libEGL is not installed", file=sys.stderr)
        return 1
    os.environ.pop("MUJOCO_GL", None)  # where it is wrong, importing mujoco fails
    import mujoco
    import numpy as np

    if sys.platform.startswith("linux"):
        from mujoco.egl import GLContext
    else:
        from mujoco.gl_context import GLContext
    context = GLContext(_SIDE, _SIDE)
    context.make_current()
    model = mujoco.MjModel.from_xml_string(_SCENE)
    data, scene = mujoco.MjData(model), mujoco.MjvScene(model, 10)
    mujoco.mj_forward(model, data)
    gpu = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
    mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, gpu)
    camera = mujoco.MjvCamera()
    camera.lookat[:], camera.distance, camera.elevation = (0, 0, 0.5), 2.5, -30
    everything = mujoco.mjtCatBit.mjCAT_ALL.value
    mujoco.mjv_updateScene(model, data, mujoco.MjvOption(), None, camera, everything, scene)
    image = np.zeros((_SIDE, _SIDE, 3), np.uint8)
    rect = mujoco.MjrRect(0, 0, _SIDE, _SIDE)
    mujoco.mjr_render(rect, scene, gpu)
    mujoco.mjr_readPixels(image, None, rect, gpu)
    red, green, _ = image[_SIDE // 2, _SIDE // 2].tolist()
    corner = image[2, 2].tolist()
    if red < 80 or green > red // 2 or min(corner) < 60:
        print("the picture came out wrong", file=sys.stderr)
        return 1
    print(_renderer_name())
    return 0


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _renderer_name() -> str:
    try:
        from OpenGL import GL

        return GL.glGetString(GL.GL_RENDERER).decode()
    except Exception:  # only a name for the report; what PyOpenGL raises depends on the platform
        return "OpenGL"


if __name__ == "__main__":
    sys.exit(main())
