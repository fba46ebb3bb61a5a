"""Actors of a training run: processes here, or on other machines, that simulate for the process that learns."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mimic.core import program
from mimic.core.errors import InputError
from mimic.core.files import make_folder
from mimic.rl.actor import act
from mimic.rl.actor_group import ActorGroup
from mimic.rl.actor_server import ActorServer
from mimic.rl.messages import receive, send
from mimic.rl.threads import usable_cores
from mimic.runs.run_config import RunConfig, run_from, run_to_dict
from mimic.runs.side_by_side import last_line, start_command
from mimic.runs.task import Place

TOKEN = "MIMIC_ACTOR_TOKEN"  # environment variable with the secret that an actor and its learner share
_MOST_RESTARTS = 100  # of actors of this machine in one run
_WELCOME_BYTES = 1 << 20
_CONNECT_S = 60.0


@dataclass(frozen=True)
class ActorPlan:
    """How many actors a run has, and where they are.

    Attributes:
        count: number of actors; they share the run's environments equally.
        listen: address at which the learner waits for actors of other machines; None: it starts them on this machine.
    """

    count: int
    listen: tuple[str, int] | None = None


@contextmanager
def actor_group(
    run: RunConfig, plan: ActorPlan, out: Path, threads: int, say: Callable[[str], None]
) -> Iterator[ActorGroup]:
    """The run's environments, simulated by actors, which end when the context does.

    Args:
        run: the run to train.
        plan: the actors.
        out: the run's folder; ``actor0.log`` and so on in it hold what the actors of this machine print.
        threads: simulation threads of an actor of this machine; 0 means an equal share of the cores.
        say: receives a line for each actor that joins or is lost.

    Raises:
        InputError: the environments cannot be divided, or the address is taken.
    """
    host, port = plan.listen or ("127.0.0.1", 0)
    server = ActorServer(host, port, os.environ.get(TOKEN, ""))
    local = None if plan.listen else _LocalActors(server, plan.count, out, threads)
    one = run.task.make_env(Place(1, run.seed, 1, run.engine, "cpu"))
    group = ActorGroup(
        one,
        run.num_envs,
        plan.count,
        server,
        {"run": run_to_dict(run), "steps": run.algorithm.rollout.steps},
        tend=local.tend if local else lambda: None,
        say=say,
    )
    try:
        if local:
            local.start()
        else:
            say(f"waiting for {plan.count} actors; start each with {TOKEN}={server.token} and the command")
            say(f"  {program.command(f'actor {socket.gethostname()}:{server.port}')}")
        yield group
    finally:
        group.close()
        if local:
            local.close()


def join_as_actor(address: tuple[str, int], threads: int) -> None:
    """Simulate for the learner at ``address`` (host, port) until it closes the connection.

    Raises InputError if there is no learner, or it does not accept this process.
    """
    where = f"{address[0]}:{address[1]}"
    if not (token := os.environ.get(TOKEN)):
        raise InputError(f"set {TOKEN} to the secret that the learner printed")
    try:
        with socket.create_connection(address, timeout=_CONNECT_S) as connection:
            send(connection, {}, {"token": token})
            connection.settimeout(None)
            welcome = receive(connection, _WELCOME_BYTES)
            if welcome is None:
                raise InputError(f"{where}: did not let this actor in: {TOKEN} differs, or no actor is missing")
            note = welcome[1]
            place, places, run = int(note["place"]), int(note["places"]), run_from(note["run"], where)
            run.task.check()
            each = run.num_envs // places
            env = run.task.make_env(Place(each, run.seed, threads, run.engine, "cpu", place * each))
            act(connection, env, int(note["steps"]), place, places)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{where}: not a learner of this version ({error})") from None
    except ConnectionResetError:
        return  # the learner is gone
    except OSError as error:
        raise InputError(f"{where}: no learner answers ({error.strerror or error})") from None


class _LocalActors:
    """Actors that run on this machine; one that is killed is started again."""

    def __init__(self, server: ActorServer, count: int, out: Path, threads: int) -> None:
        self._server, self._out, self._count = server, out, count
        self._threads = threads or max(1, usable_cores() // count)
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._restarts = 0

    def start(self) -> None:
        """Start all actors."""
        make_folder(self._out)
        for number in range(self._count):
            self._start(number)

    def tend(self) -> None:
        """Start an actor again that has ended. Raises InputError if it ended because of bad input, or too often."""
        for number, process in self._processes.items():
            code = process.poll()
            if code is None:
                continue
            if code == InputError.exit_code:
                raise InputError(f"an actor could not begin: {last_line(self._log(number))}")
            self._restarts += 1
            if self._restarts > _MOST_RESTARTS:
                raise InputError(f"actors of this machine ended {self._restarts} times; see {self._log(number)}")
            self._start(number)

    def close(self) -> None:
        """End all actors."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait()

    def _start(self, number: int) -> None:
        words = ("actor", f"{self._server.host}:{self._server.port}", "--threads", str(self._threads))
        self._processes[number] = start_command(words, self._log(number), {TOKEN: self._server.token})

    def _log(self, number: int) -> Path:
        return self._out / f"actor{number}.log"
