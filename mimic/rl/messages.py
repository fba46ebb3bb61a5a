"""Named tensors and a JSON object as messages over a socket: their length, then the bytes of safetensors.

Nothing that is received is executed, and the caller limits the length.
"""

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from mimic.core.errors import InputError

_LENGTH = struct.Struct("<Q")
_NOTE = "_note"  # the tensor that holds the JSON object

Message = tuple[dict[str, Tensor], dict[str, Any]]


class MessageError(InputError):
    """Raised for bytes that are not a message, or for a message that is too long."""


def send(connection: socket.socket, tensors: Mapping[str, Tensor], note: Mapping[str, Any]) -> None:
    """Send ``tensors`` and the JSON object ``note``. Raises OSError if the other side is gone."""
    text = torch.frombuffer(bytearray(json.dumps(note).encode()), dtype=torch.uint8)
    data = save({**{name: tensor.contiguous() for name, tensor in tensors.items()}, _NOTE: text})
    connection.sendall(_LENGTH.pack(len(data)) + data)


def receive(connection: socket.socket, most: int) -> Message | None:
    """Receive a message of at most ``most`` bytes; None if the other side has closed the connection.

    Raises MessageError, or OSError.
    """
    head = _read(connection, _LENGTH.size)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > most:
        raise MessageError(f"a message of {length} bytes; at most {most} are read")
    data = _read(connection, length)
    if data is None:
        return None
    try:
        tensors = load(data)
        note = json.loads(bytes(tensors.pop(_NOTE).tolist()))
    except (SafetensorError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise MessageError(f"not a message of mimic ({' '.join(str(error).split())[:80]})") from None
    if not isinstance(note, dict):
        raise MessageError("not a message of mimic: its JSON is no object")
    return tensors, note


def _read(connection: socket.socket, count: int) -> bytes | None:
    """Read exactly ``count`` bytes; None if the connection ends before."""
    parts, missing = [], count
    while missing:
        part = connection.recv(min(missing, 1 << 20))
        if not part:
            return None
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
