"""The command line on a machine without network: ``offline.py ARGUMENTS...``. An attempt to use one is fatal and said.

An audit hook sees what every module does with sockets, at import too, and cannot be taken off again.
"""

import os
import sys
from pathlib import Path

NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.bind")
REFUSED = 77


def refuse(event: str, arguments: tuple[object, ...]) -> None:
    """End the process if it turns to the network; an exception might be caught by whoever tried."""
    if event in NETWORK:
        os.write(2, f"network used: {event}{arguments}\n".encode())
        os._exit(REFUSED)


if __name__ == "__main__":
    sys.addaudithook(refuse)
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    import torch

    torch.set_num_threads(1)
    import run_mimic
    from mimic.runs import controller as skill

    skill.SHIPPED_FOLDER = Path("no controller ships")  # so that there is something to train
    sys.exit(run_mimic.main())
