"""One HTML file that plays a motion; it contains three.js, the character and the animation, and fetches nothing."""

import base64
import gzip
import json
from collections.abc import Sequence
from pathlib import Path

from characters import Character
from mimic.core.errors import InputError
from mimic.core.files import write_bytes
from mimic.exporting.glb import character_glb
from mocap.motion import Motion

LARGEST = 5_000_000  # bytes
_ROOM = Path(__file__).parent
_MODULES = {"three": "vendor/three.min.js", "stage": "page/stage.js"}


def export_replay(motions: Sequence[Motion], character: Character, out: Path, note: str = "") -> int:
    """Write a page that plays motions; return its size in bytes.

    Args:
        motions: the motion to play and, optionally, its reference, shown as a ghost.
        character: the character that moves.
        out: the HTML file.
        note: a line under the title.

    Raises:
        InputError: the page would be larger than 5 MB, or cannot be written.
    """
    page = replay_html(motions, character, note)
    if len(page) > LARGEST:
        raise InputError(
            f"{out}: the page would have {len(page) / 1e6:.1f} MB, more than {LARGEST / 1e6:g}; "
            "use fewer --seconds or a lower --fps"
        )
    write_bytes(out, page)
    return len(page)


def replay_html(motions: Sequence[Motion], character: Character, note: str) -> bytes:
    """Return the bytes of a page that plays motions, the second as a ghost; ``note`` is a line under the title."""
    imports = {name: _data_url("text/javascript", (_ROOM / path).read_bytes()) for name, path in _MODULES.items()}
    first = motions[0]
    told = {
        "title": first.name.replace("_", " "),
        "note": note,
        "animations": [motion.name for motion in motions],
        "seconds": first.duration,
        "fps": first.fps,
        "loop": first.loop,
    }
    packed = gzip.compress(character_glb(character, motions), 9, mtime=0)
    parts = {
        "STYLE": (_ROOM / "page/style.css").read_text(encoding="utf-8"),
        "IMPORTS": json.dumps({"imports": imports}),
        "MOTION": _in_script(json.dumps(told)),
        "GLB": base64.b64encode(packed).decode(),
        "REPLAY": (_ROOM / "page/replay.js").read_text(encoding="utf-8"),
        "LICENCE": (_ROOM / "vendor/three.LICENSE.txt").read_text(encoding="utf-8").split("\n\n")[1].strip(),
    }
    page = (_ROOM / "page/replay.html").read_text(encoding="utf-8")
    for name, text in parts.items():
        page = page.replace(f"@{name}@", text, 1)
    return page.encode()


def _data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _in_script(text: str) -> str:
    """Escape ``<`` in JSON, so that no clip name can end the script element around it."""
    return text.replace("<", "\\u003c")
