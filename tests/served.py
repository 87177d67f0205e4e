"""For tests: a command `grantproof` for scripts, which forked copies of this process carry out. A process of its own
takes seconds to import what this one has imported.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import cfnlint.api  # noqa: F401 - for the copies, each of which lints

from grantproof import cli

#: Hands over its arguments, folder, environment and standard streams, and ends as the copy does.
_CLIENT = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    asked = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(server, [len(asked).to_bytes(4, "big")], [0, 1, 2])
    server.sendall(asked)
    sys.exit(int(server.recv(4)))
"""


@contextmanager
def command(folder: Path) -> Iterator[Path]:
    """The command in a folder of its own, for the PATH."""
    address = str(folder / "served")
    file = folder / "bin" / "grantproof"
    file.parent.mkdir()
    file.write_text(_CLIENT.format(python=sys.executable, address=address), encoding="utf-8")
    file.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        server = os.fork()
        if not server:
            _serve(listening)
    try:
        yield file
    finally:
        os.kill(server, signal.SIGTERM)
        os.waitpid(server, 0)


def _serve(listening: socket.socket) -> NoReturn:
    """In a copy of this process: one copy more for each call, one after the other."""
    while True:
        client, _ = listening.accept()
        child = os.fork()
        if not child:
            _carry_out(client)
        _, status = os.waitpid(child, 0)
        client.sendall(b"%d" % os.waitstatus_to_exitcode(status))
        client.close()


def _carry_out(client: socket.socket) -> NoReturn:
    status = 70  # as sysexits.h has it: an error of ours
    try:
        size, streams, _, _ = socket.recv_fds(client, 4, 3)
        asked = client.makefile("rb").read(int.from_bytes(size, "big"))
        arguments, folder, environment = json.loads(asked)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, "r" if n == 0 else "w", closefd=False) for n in range(3))
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        status = cli.main(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    except SystemExit as left:  # how argparse says that a command is wrong
        status = int(left.code or 0)
    except BaseException:  # noqa: BLE001 - the copy says what it is, and ends
        traceback.print_exc()
    os._exit(status)
