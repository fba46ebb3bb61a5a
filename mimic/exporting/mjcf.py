"""character.xml: the character as one self-contained MuJoCo file, with motors, damping, armature and settings.

The file is made from the text of the character's own MJCF, so no number is rounded. It compiles to the same model as
``Character.mj_model``.
"""

import xml.etree.ElementTree as ET

from characters import Character

_HEADER = " The character of a mimic controller bundle, z up, x forward, metres. Servo targets are not ctrl: see control.json. "


def character_mjcf(character: Character) -> bytes:
    """Return the bytes of character.xml."""
    root = ET.parse(character.model_path).getroot()
    for include in root.findall("include"):
        at = list(root).index(include)
        root.remove(include)
        scene = ET.parse(character.model_path.parent / include.attrib["file"]).getroot()
        for offset, child in enumerate(scene):
            root.insert(at + offset, child)
    _set_options(root, character)
    joints = {joint.name: joint for joint in character.joints}
    for element in root.iter("joint"):
        if joint := joints.get(element.get("name", "")):
            element.set("damping", repr(float(joint.kd)))
            element.set("armature", repr(float(joint.kd * character.simulation.armature_s)))
    if character.simulation.self_collision:
        for element in root.iter("geom"):
            if element.get("class") == "collision":
                element.set("contype", "1")
    actuators = ET.SubElement(root, "actuator")
    for joint in character.joints:
        for axis in range(joint.dof.stop - joint.dof.start):
            gear = " ".join(str(int(i == axis)) for i in range(6))
            ET.SubElement(actuators, "motor", name=f"{joint.name}_{axis}", joint=joint.name, gear=gear)
    root.insert(0, ET.Comment(_HEADER))
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8") + b"\n"


def _set_options(root: ET.Element, character: Character) -> None:
    simulation = character.simulation
    option = root.find("option")
    if option is None:
        option = ET.SubElement(root, "option")
    option.set("timestep", repr(simulation.sim_dt))
    option.set("iterations", str(simulation.solver_iterations))
    option.set("integrator", "Euler")
    flag = option.find("flag")
    if flag is None:
        flag = ET.SubElement(option, "flag")
    flag.set("eulerdamp", "disable")
    flag.set("autoreset", "disable")
