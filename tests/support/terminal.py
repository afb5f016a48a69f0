"""Shell scripts run as if typed into a terminal, with `alignfreeze` on the PATH, and what they print.

`alignfreeze` is a small program here: it hands its arguments, folder, environment and open files to a process that has
imported everything, which forks for it. Starting Python with torch anew for each command would take two seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from tests.support.processes import ROOT, TIMEOUT

PROGRAM = """\
#!{python} -IS
import json, os, signal, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
socket.send_fds(server, [json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()], [0, 1, 2])
there = int.from_bytes(server.recv(4), "big")
for each in (signal.SIGINT, signal.SIGTERM):
    signal.signal(each, lambda number, frame: os.kill(there, number))
code = server.recv(1)
os._exit(code[0] if code else 137)
"""


@contextmanager
def terminal(folder: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    """A folder for the PATH of scripts, with `alignfreeze` in it, whose process is started in this environment."""
    folder.mkdir()
    address = folder / "socket"
    program = folder / "alignfreeze"
    program.write_text(PROGRAM.format(python=sys.executable, address=str(address)), encoding="utf-8")
    program.chmod(0o755)
    command = [sys.executable, "-m", __name__, str(address)]
    started = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert started.stdin is not None
    assert started.stdout is not None
    try:
        assert started.stdout.readline() == b"ready\n"
        yield folder
    finally:
        started.stdin.close()  # which ends it
        started.wait(TIMEOUT)
        started.stdout.close()


def typed(script: Path, place: Path, program: Path, environment: Mapping[str, str]) -> str:
    """Run a bash script in a folder: its lines as on a terminal, each command followed by what it printed.

    A command that fails ends it, and so the test.
    """
    paths = [str(program), str(Path(sys.executable).parent), os.environ["PATH"]]
    ran = subprocess.run(
        ["bash", "-ve", str(script.resolve())],
        cwd=place,
        env={**environment, "PATH": os.pathsep.join(paths), "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
    )
    assert ran.returncode == 0, ran.stdout
    return prompted(ran.stdout, script.read_text(encoding="utf-8"))


def prompted(output: str, script: str) -> str:
    """What `bash -v` printed, with a prompt before each line of the script: `$`, or `>` where a command goes on."""
    lines, prompt, until = script.splitlines(), "$ ", ""
    shown = []
    for line in output.splitlines():
        if not lines or line != lines[0]:
            shown.append(line)
            continue
        lines.pop(0)
        shown.append(line if not line or (line.startswith("#") and not until) else prompt + line)
        begun = re.search(r"<<'(\w+)'", line)
        until = begun[1] if begun else "" if line == until else until
        prompt = "> " if until or line.endswith("\\") else "$ "
    return "\n".join(shown) + "\n"


def _serve(address: str) -> None:
    """Fork for every program that asks, until stdin ends."""
    from alignfreeze_cli.cli import app
    from alignfreeze_cli.steps import STEPS

    for step in STEPS.values():
        step.load()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while listening in select.select([listening, sys.stdin], [], [])[0]:
        caller, _ = listening.accept()
        said, files, _, _ = socket.recv_fds(caller, 1 << 20, 3)
        if not os.fork():
            listening.close()
            _run(app.main, caller, said, files)
        for each in (caller.detach(), *files):
            os.close(each)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass  # those that have ended


def _run(main: Callable[[], None], caller: socket.socket, said: bytes, files: Sequence[int]) -> NoReturn:
    """In a forked process: run the command line as it was called, and tell its exit code."""
    code: object = 70
    try:
        for number, each in enumerate(files):
            os.dup2(each, number)
            os.close(each)
        for number, name in enumerate(("stdin", "stdout", "stderr")):  # what was known of the old files is forgotten
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))
        sys.argv[1:], folder, environment = json.loads(said)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        caller.send(os.getpid().to_bytes(4, "big"))
        main()
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        assert isinstance(code, int)
        caller.send(bytes([code]))
        os._exit(code)


if __name__ == "__main__":
    _serve(sys.argv[1])
