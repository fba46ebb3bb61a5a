"""Serve the page in which one drives a character, and open it in the browser."""

import argparse
import webbrowser

from mimic.cli.common import say
from mimic.core.errors import InputError
from mimic.exporting.serve import HOST, page_server
from mimic.exporting.web import web_files
from mimic.runs.controller import load_controller


def run(args: argparse.Namespace) -> int:
    """Serve the page until the program is interrupted."""
    names = [name for several in args.controller or ["humanoid"] for name in several.split(",") if name]
    if not names:
        raise InputError("--controller names no controller; leave it out, or choose one such as `humanoid`")
    controllers = [load_controller(name) for name in dict.fromkeys(names)]
    page_server({}, args.port).server_close()  # a port that is taken is reported before the work
    say("preparing the clips ...")
    with page_server(web_files(controllers), args.port) as server:
        address = f"http://{HOST}:{server.server_address[1]}/"
        say(f"{address} shows the page; Ctrl-C ends it")
        if not args.no_open:
            webbrowser.open(address)
        server.serve_forever()
    return 0
