"""Accepts actors for a learner: a listening socket, and one thread for each actor that reads its messages."""

import contextlib
import hmac
import queue
import secrets
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from mimic.core.errors import InputError
from mimic.rl.actor import MOST_BYTES
from mimic.rl.messages import Message, MessageError, receive, send

_GREETING_BYTES = 4096
_GREETING_S = 10.0


@dataclass
class Connection:
    """A connected actor; ``inbox`` yields its messages in order, then None when it is gone."""

    socket: socket.socket
    address: str
    inbox: "queue.Queue[Message | None]" = field(default_factory=queue.Queue)

    def send(self, tensors: Mapping[str, Tensor], note: Mapping[str, Any]) -> bool:
        """Send a message; False if the actor is gone."""
        try:
            send(self.socket, tensors, note)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close the connection; the actor then ends."""
        with contextlib.suppress(OSError):  # where it is gone already
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class ActorServer:
    """Listens for actors.

    Attributes:
        host, port: where it listens.
        token: what an actor must know to be accepted.
        arrived: connections that were accepted, for the caller to take.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0, token: str = "") -> None:
        """Listen at ``host``:``port``; port 0 takes a free one. Raises InputError if that is not possible."""
        self.token = token or secrets.token_hex(16)
        self.arrived: queue.Queue[Connection] = queue.Queue()
        try:
            self._listener = socket.create_server((host, port))
        except OSError as error:
            raise InputError(f"cannot listen for actors at {host}:{port} ({error.strerror})") from None
        self.host, self.port = self._listener.getsockname()[:2]
        threading.Thread(target=self._accept, name="accept actors", daemon=True).start()

    def close(self) -> None:
        """Accept no more actors."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, address = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=(connection, address), daemon=True).start()

    def _serve(self, connection: socket.socket, address: tuple[Any, ...]) -> None:
        """Check the actor's token, then put its messages into its inbox until it is gone."""
        actor = Connection(connection, f"{address[0]}:{address[1]}")
        connection.settimeout(_GREETING_S)
        try:
            greeting = receive(connection, _GREETING_BYTES)
            if greeting is None or not hmac.compare_digest(str(greeting[1].get("token")).encode(), self.token.encode()):
                connection.close()
                return
            connection.settimeout(None)
            self.arrived.put(actor)
            while (message := receive(connection, MOST_BYTES)) is not None:
                actor.inbox.put(message)
        except (OSError, MessageError):
            pass  # the same as one that is gone
        actor.inbox.put(None)
        connection.close()
