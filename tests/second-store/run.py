"""Runs a command against MiniStack's DynamoDB instead of the embedded store.

The command finds it in AWS_ENDPOINT_URL_DYNAMODB: a free port that only this machine reaches.
MiniStack ends with the command, whose exit status is this program's. Lines in which tests say
what they leave out on this store are repeated at the end.
"""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.request

LOG = pathlib.Path(__file__).resolve().parents[2] / "target" / "second-store.log"
SECONDS_TO_START = 30
# As tests/src/store.rs writes it.
NOT_ASSERTED = "not asserted:"


@contextlib.contextmanager
def ministack():
    """A running MiniStack's address."""
    # Of ours only what a program needs to start: no AWS account's own keys, no settings of MiniStack's.
    ours = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment = ours | {"SERVICES": "dynamodb", "LOG_LEVEL": "WARNING"}
    with socket.create_server(("127.0.0.1", 0)) as listener, LOG.open("w") as log:
        # The socket is handed over open: by its number, the port could be taken before it is used.
        server = subprocess.Popen(
            [sys.executable, "-m", "hypercorn", "ministack.app:app", "--bind", f"fd://{listener.fileno()}",
             "--keep-alive", "75"],
            pass_fds=[listener.fileno()],
            env=environment,
            stdout=log, stderr=log,
        )
        try:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            wait_until_ready(server, url)
            yield url
            if server.poll() is not None:
                raise SystemExit(f"MiniStack ended before the command did: see {LOG}")
        finally:
            server.terminate()
            server.wait()


def wait_until_ready(server, url):
    deadline = time.monotonic() + SECONDS_TO_START
    while server.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"{url}/_ministack/health", timeout=1):
                return
        time.sleep(0.05)
    raise SystemExit(f"MiniStack does not start: see {LOG}")


def run(command, url):
    """The command's exit status, and what its tests say they have not asserted."""
    environment = {**os.environ, "AWS_ENDPOINT_URL_DYNAMODB": url}
    left_out = []
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            if line.startswith(NOT_ASSERTED):
                left_out.append(line.rstrip())
    return process.returncode, left_out


def main():
    command = sys.argv[1:]
    if not command:
        raise SystemExit("usage: run.py COMMAND [ARGUMENT…]")
    LOG.parent.mkdir(exist_ok=True)
    with ministack() as url:
        started = time.monotonic()
        status, left_out = run(command, url)
        print(f"On MiniStack's DynamoDB: exit status {status} after {time.monotonic() - started:.0f} s")
        print(f"What tests left out there: {len(left_out) or 'nothing'}", *left_out, sep="\n  ", flush=True)
    raise SystemExit(status)


if __name__ == "__main__":
    main()
