"""The stand-ins for AWS, each a server on this machine for as long as a `with` lasts."""

import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import boto3
from botocore.config import Config

from template import REGION

BIN = pathlib.Path(sys.executable).parent
START_SECONDS = 60
STOP_SECONDS = 20
# Both take any key; MiniStack takes this one for the account's own, which may do everything.
KEY = "test"


def free_port():
    """A port that nobody listens on, and that no outgoing connection is given before it is used."""
    given = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
    first, last = map(int, given.split())
    ports = [port for port in range(10000, 65536) if not first <= port <= last]
    random.shuffle(ports)
    for port in ports:
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("every port is taken, or given to outgoing connections")


class Server:
    """A program that serves HTTP; its output goes to `log`."""

    def __init__(self, log):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="maskline-verify-")
        keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": KEY, "AWS_DEFAULT_REGION": REGION}
        # Of ours only what a program needs to start: no AWS account's own keys.
        ours = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        environment = ours | keys | {"TMPDIR": self.folder.name} | self.environment()
        with self.log.open("w") as log:
            # A group of its own, because it starts processes too.
            self.process = subprocess.Popen(
                self.command(), env=environment, cwd=self.folder.name,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )
        try:
            self.await_answer()
        except BaseException:
            self.__exit__()
            raise
        return self

    def await_answer(self):
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                urllib.request.urlopen(self.url + self.health, timeout=2).close()
                return
            except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
                if self.process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"{self.name} does not start: {error}; see {self.log}") from error
            time.sleep(0.1)

    def __exit__(self, *_):
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                break
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue
        self.folder.cleanup()

    def client(self, service):
        return boto3.client(
            service, endpoint_url=self.url, region_name=REGION, aws_access_key_id=KEY, aws_secret_access_key=KEY,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=300),
        )


class MiniStack(Server):
    """MiniStack, which runs the functions' binaries and holds them to their roles."""

    name = "MiniStack"
    health = "/_ministack/health"

    def command(self):
        return [BIN / "ministack"]

    def s3_url(self, bucket, key):
        return f"{self.url}/{bucket}/{key}"

    def environment(self):
        folder = pathlib.Path(self.folder.name)
        return {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_HOST": "localhost",
            "MINISTACK_REGION": REGION,
            # Requests must be signed, and a function may do what its role and its boundary let it.
            "AUTH": "true",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "STATE_DIR": str(folder / "state"),
            "S3_DATA_DIR": str(folder / "s3"),
            # The functions inherit these.
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ENDPOINT_URL_DYNAMODB": self.url,
            "AWS_ENDPOINT_URL_SQS": self.url,
        }


class Moto(Server):
    """moto, which knows resources but runs nothing."""

    name = "moto"
    health = "/moto-api/"

    def command(self):
        return [BIN / "moto_server", "--host", "127.0.0.1", "--port", str(self.port)]

    def s3_url(self, bucket, key):
        """It only looks for the bucket in the name of the host."""
        return f"https://{bucket}.s3.amazonaws.com/{key}"

    def environment(self):
        return {"MOTO_ACCOUNT_ID": "000000000000", "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}
