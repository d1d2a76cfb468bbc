"""The local stack, started on free ports for a test."""

import json
import os
import pathlib
import socket
import subprocess
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / "target" / "debug" / "maskline-local"
READY_SECONDS = 60
STOP_SECONDS = 10

# So high that no test meets them.
NO_LIMITS = {
    f"LIMIT_{name}": "100000000/60"
    for name in (
        "INITIATE_PER_IP",
        "INITIATE_PER_VISITOR",
        "INITIATE_PER_TAG",
        "CALLS_PER_CALLER",
        "WRONG_EXTENSIONS",
        "NOTICES_PER_TAG",
    )
}


def free_ports(count):
    """That many ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class Stack:
    """`maskline-local`, from its `ready` to the end of the `with`."""

    def __init__(self, settings=None, ports=None):
        self.settings = settings or {}
        self.ports = ports or free_ports(4)
        self.is_ready = False

    def __enter__(self):
        if not BINARY.exists():
            raise AssertionError(f"{BINARY} is not there: make build-dev")
        self.folder = tempfile.TemporaryDirectory(prefix="maskline-")
        state = pathlib.Path(self.folder.name) / "state.json"
        self.log_path = pathlib.Path(self.folder.name) / "log"
        (pathlib.Path(self.folder.name) / "template.yaml").symlink_to(ROOT / "template.yaml")
        names = ("HTTP_PORT", "WS_PORT", "CARRIER_PORT", "STORE_PORT")
        environment = {
            "PATH": os.environ["PATH"],
            "STATE_FILE": str(state),
            **dict(zip(names, map(str, self.ports))),
            **self.settings,
        }
        with self.log_path.open("w") as log:
            # In a folder of its own, so that no .env of ours is read.
            self.process = subprocess.Popen(
                [BINARY], cwd=self.folder.name, env=environment, text=True,
                stdout=subprocess.PIPE, stderr=log,
            )
        try:
            self._await_ready()
            self.state = json.loads(state.read_text())
        except BaseException:
            self.__exit__()
            raise
        return self

    def _await_ready(self):
        settled = threading.Event()

        def read():
            for line in self.process.stdout:
                if line.rstrip("\n") == "ready":
                    self.is_ready = True
                    settled.set()
            settled.set()

        # Reads on after `ready`, so that the stack never waits for a full pipe.
        threading.Thread(target=read, daemon=True).start()
        settled.wait(READY_SECONDS)
        if not self.is_ready:
            raise AssertionError(f"the stack is not ready:\n{self.log_path.read_text()}")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()

    @property
    def http(self):
        return self.state["httpUrl"]

    def token(self, who):
        """A demo token: of `admin`, `owner-1`, `owner-2`, `asha` or `ravi`."""
        demo = self.state["demo"]
        tokens = {"admin": demo["adminToken"]}
        tokens |= {tag["ownerId"]: tag["ownerToken"] for tag in demo["tags"]}
        tokens |= {party["id"]: party["token"] for party in (demo["booking"]["user"], demo["booking"]["provider"])}
        return tokens[who]
