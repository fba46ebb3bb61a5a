"""Parses an untrusted file as standard JSON, within limits of size.

Python's own parser accepts NaN and Infinity, keeps the last of two equal keys, and raises many kinds of errors. Here all
of them are a ClipError. Numbers become floats and may still be infinite (1e999), which the reader of a format refuses.
"""

import json
from typing import Any, NoReturn

from mimic.core.errors import ClipError

MAX_BYTES = 64_000_000
MAX_VALUES = 3_000_000  # a parsed value costs up to 64 bytes: this and the next are limits on memory
MAX_KEYS = 10_000
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def parse_json(data: bytes, where: str, max_keys: int = MAX_KEYS, encoding: str = "ascii") -> Any:
    """Parse the JSON in ``data``; ``where`` begins every error. Raises ClipError, with the line where there is one."""
    if len(data) > MAX_BYTES:
        raise ClipError(f"{where}: larger than {MAX_BYTES} bytes, the most a clip may have")
    if data.count(b",") >= MAX_VALUES or data.count(b":") > max_keys:
        raise ClipError(f"{where}: more than {MAX_VALUES} values or {max_keys} keys, the most a clip may have")
    try:
        text = data.removeprefix(_BYTE_ORDER_MARK).decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ClipError(f"{where}: line {line}: not plain text (byte {data[error.start]:#04x})") from None

    def refuse_constant(token: str) -> NoReturn:
        raise ClipError(f"{where}: line {_line_of(text, token)}: {token} is not a number")

    def refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping = dict(pairs)
        if len(mapping) < len(pairs):
            keys = [key for key, _ in pairs]
            key = next(key for key in keys if keys.count(key) > 1)
            line = _line_of(text, json.dumps(key), last=True)
            raise ClipError(f"{where}: line {line}: key {describe(key)} appears twice")
        return mapping

    try:
        return json.loads(text, parse_int=float, parse_constant=refuse_constant, object_pairs_hook=refuse_duplicates)
    except json.JSONDecodeError as error:
        raise ClipError(f"{where}: line {error.lineno}: {error.msg} (column {error.colno})") from None
    except RecursionError:
        raise ClipError(f"{where}: brackets are nested too deeply to be read") from None


def describe(value: Any) -> str:
    """Describe a parsed value in a few printable characters, for an error message."""
    if isinstance(value, (dict, list)):
        return {dict: "an object", list: "a list"}[type(value)]
    return ascii(value)[:40]


def _line_of(text: str, token: str, last: bool = False) -> int:
    return text.count("\n", 0, max(0, text.rfind(token) if last else text.find(token))) + 1
