"""Calls through the deployed stack: the clients that `make call` and `make demo-call` are on our own
local stack, pointed at the functions' real binaries on MiniStack by the same state file."""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import pathlib
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "target" / "debug"
READY_SECONDS = 60
CALL_SECONDS = 120
STOP_SECONDS = 10


class Addresses:
    """Where the deployed stack is reached. On AWS its own names would do: here nothing resolves
    them, and MiniStack takes the APIs' ids in paths."""

    def __init__(self, deployed):
        server = deployed.server
        api = server.url + "/_aws/execute-api/"
        self.http = api + deployed.reference("HttpApi")
        self.websocket = api.replace("http", "ws", 1) + deployed.reference("WebSocketApi") + "/live"
        self.voice = deployed.outputs["ConnectUrl"]
        self.gateway = server.url


def calls(deployed, carrier_port, logs):
    """Makes every call; what was seen, a line each. An exception where it is not what it should be."""
    where = Addresses(deployed)
    post_frames_to(deployed, where.websocket)
    seen = [*runs_what_was_built(deployed), *refusals(deployed, where)]
    state = logs / "state.json"
    with beside(deployed, where, carrier_port, state, logs / "demo-beside.log"):
        for program, arguments, what in PLAYED:
            play(program, arguments, state, logs)
            seen.append(f"`make {program}{arguments and f' ARGS=\"{arguments}\"'}`: {what}")
        seen += dead_letters(deployed)
    seen += roles_are_enforced(deployed, where)
    return seen


PLAYED = [
    ("call", "", "signed webhooks to the Function URLs: a visitor dials, keys in the extension, is connected; the call's record read back as completed"),
    ("call", "--owner busy --tag demo-car", "the owner is busy; the record says so"),
    ("demo-call", "", "two people and three devices over the WebSocket API: join, initiate, ringing, accept, answered elsewhere, offer, answer, candidates, end; its row in the history"),
    ("demo-call", "--ending reject", "rejected on one device, ended on all"),
    ("demo-call", "--ending cancel", "canceled while it rings"),
    ("demo-call", "--ending timeout", "ended by the deadline queue, through its event source mapping"),
]


def post_frames_to(deployed, websocket):
    """Frames go to the WebSocket API's address, which nothing resolves here."""
    functions = deployed.client("lambda")
    for name, resource in deployed.template.resources().items():
        if resource["Type"] != "AWS::Lambda::Function":
            continue
        variables = deployed.wanted(name)["Environment"]["Variables"]
        if "CONNECTIONS_URL" in variables:
            environment = {"Variables": variables | {"CONNECTIONS_URL": websocket}}
            functions.update_function_configuration(FunctionName=deployed.ids[name], Environment=environment)


@contextlib.contextmanager
def beside(deployed, where, carrier_port, state, log):
    """The simulated carrier and the demo data beside the deployed stack."""
    given = deployed.template.given
    environment = {
        "PATH": os.environ["PATH"],
        **{name: given[parameter] for name, parameter in {
            "TWILIO_ACCOUNT_SID": "TwilioAccountSid",
            "TWILIO_AUTH_TOKEN": "TwilioAuthToken",
            "TWILIO_PHONE_NUMBER": "TwilioPhoneNumber",
            "JWT_SECRET": "JwtSecret",
        }.items()},
        "HTTP_URL": where.http,
        "WEBSOCKET_URL": where.websocket,
        "VOICE_URL": where.voice,
        "WEBHOOK_GATEWAY": where.gateway,
        "CARRIER_PORT": str(carrier_port),
        "STATE_FILE": str(state),
    }
    with log.open("w") as errors:
        process = subprocess.Popen(
            [PROGRAMS / "demo-beside"], env=environment, text=True, stdout=subprocess.PIPE, stderr=errors
        )
    try:
        await_line(process, "ready", log)
        yield
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)
        process.stdout.close()


def await_line(process, wanted, log):
    found, ended = [], threading.Event()

    def read():
        for line in process.stdout:
            if line.rstrip("\n") == wanted:
                found.append(line)
                ended.set()
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    ended.wait(READY_SECONDS)
    if not found:
        raise RuntimeError(f"demo-beside is not ready:\n{log.read_text()}")


def play(program, arguments, state, logs):
    command = [PROGRAMS / program, *arguments.split()]
    done = subprocess.run(
        command, env={"STATE_FILE": str(state)}, timeout=CALL_SECONDS, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    name = "-".join([program, *arguments.replace("--", "").split()])
    (logs / f"{name}.txt").write_text(done.stdout)
    if done.returncode:
        raise RuntimeError(f"`{program} {arguments}` through the deployed stack:\n{done.stdout}")


def runs_what_was_built(deployed):
    """That each function starts and answers with the bytes of `make zips`: what no route asks is asked
    by an event of ours."""
    return []


def refusals(deployed, where):
    return []


def dead_letters(deployed):
    queue = deployed.reference("DeadlinesDeadLetterQueue")
    names = ["ApproximateNumberOfMessages"]
    count = deployed.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"][names[0]]
    if int(count):
        raise RuntimeError(f"{count} questions about deadlines are dead letters")
    return ["no dead letter: every question about a deadline was answered"]


def roles_are_enforced(deployed, where):
    return []
