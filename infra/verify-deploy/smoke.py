"""Calls through the deployed stack: the clients that `make call` and `make demo-call` are on our own
local stack, pointed at the functions' real binaries on MiniStack by the same state file."""

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import re
import subprocess
import threading
import time
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


def calls(deployed, built, carrier_port, logs):
    """Makes every call; what was seen, a line each. An exception where it is not what it should be."""
    where = Addresses(deployed)
    post_frames_to(deployed, where.websocket)
    seen = [*every_function_starts(deployed, built), *refusals(deployed, where)]
    state = logs / "state.json"
    with beside(deployed, where, carrier_port, state, logs / "demo-beside.log"):
        for program, arguments, text, what in PLAYED:
            play(program, arguments, text, state, logs)
            seen.append(f"`{' '.join([program, *arguments.split()])}`: {what}")
        seen += asked_for_call(where, json.loads(state.read_text())["demo"]["tags"][0])
        seen += dead_letters(deployed)
        seen += log_lines(deployed, json.loads(state.read_text()))
    seen += roles_are_enforced(deployed, where)
    return seen


# Program, arguments, what its output must hold, what that shows. MiniStack agrees to no
# subprotocol, so apps' tokens go in the URL.
PLAYED = [
    (
        "call", "", '"status": "completed"',
        "signed webhooks to the Function URLs: a visitor dials, keys in the extension, is connected to the owner; "
        "the call is in the tag's history",
    ),
    ("call", "--owner busy --tag demo-car", '"status": "busy"', "the owner is busy"),
    (
        "demo-call", "--token-in-url", '"call_status": "completed"',
        "two people, three devices over the WebSocket API: join, initiate, ringing, accept, answered elsewhere, "
        "offer, answer, candidates, end; the call is in the booking's history",
    ),
    ("demo-call", "--token-in-url --ending reject", '"call_status": "rejected"', "rejected on one device, ended on all"),
    ("demo-call", "--token-in-url --ending cancel", '"call_status": "missed"', "canceled while it rings"),
    (
        "demo-call", "--token-in-url --ending timeout", '"call_status": "missed"',
        "nobody answers: ended by the deadline queue and its event source mapping",
    ),
]


def post_frames_to(deployed, websocket):
    """Frames go to the WebSocket API's address, which nothing resolves here."""
    functions = deployed.client("lambda")
    for name in of_type(deployed, "AWS::Lambda::Function"):
        variables = deployed.read_back(name)[0]["Environment"]["Variables"]
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


def play(program, arguments, text, state, logs):
    command = [PROGRAMS / program, *arguments.split()]
    done = subprocess.run(
        command, env={"STATE_FILE": str(state)}, timeout=CALL_SECONDS, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    name = "-".join([program, *arguments.replace("--", "").split()])
    (logs / f"{name}.txt").write_text(done.stdout)
    if done.returncode or text not in done.stdout:
        raise RuntimeError(f"`{program} {arguments}` through the deployed stack, without {text}:\n{done.stdout}")


def asked_for_call(where, tag):
    """A visitor asks to be rung, and is: by the carrier, which then asks the Function URLs."""
    path = f"{where.http}/api/v1/call/{tag['shortCode']}/"
    body = json.dumps({"visitorPhone": "+919876500001"}).encode()
    status, answer = ask(path + "initiate", body, {"content-type": "application/json"})
    expect("a visitor who asks to be rung", (status, answer), 201, "callSid")
    sid = json.loads(answer)["callSid"]
    until = time.monotonic() + CALL_SECONDS
    while True:
        _, history = ask(path + "history", headers={"authorization": f"Bearer {tag['ownerToken']}"})
        call = next(one for one in json.loads(history)["calls"] if one["twilioCallSid"] == sid)
        if call["status"] == "completed":
            return ["a visitor asks to be rung: the carrier's REST API is asked, both are rung and talk"]
        if time.monotonic() > until:
            raise RuntimeError(f"the call that was asked for is {call['status']}")
        time.sleep(0.2)


def every_function_starts(deployed, built):
    """Each function is given its event of `events/`: the bytes that were built start there, and answer.
    The events are signed for another stack, so that some are refused."""
    functions = deployed.client("lambda")
    for binary, name in of_binaries(deployed).items():
        event = (ROOT / "events" / f"{binary}.json").read_bytes()
        answer = functions.invoke(FunctionName=deployed.ids[name], Payload=event)
        body = json.loads(answer["Payload"].read())
        if "FunctionError" in answer or body.get("statusCode", 200) >= 500:
            raise RuntimeError(f"{name} does not answer its event: {body}")
    return [f"each of the {len(built.zips)} functions starts and answers its event ({built.what})"]


def of_type(deployed, kind):
    return [name for name, one in deployed.template.resources().items() if one["Type"] == kind]


def of_binaries(deployed):
    """The functions' logical ids, by what their binaries are called."""
    functions = of_type(deployed, "AWS::Lambda::Function")
    return {deployed.wanted(name)["Code"]["S3Key"].rsplit("/", 1)[1]: name for name in functions}


def refusals(deployed, where):
    """What must not get in does not."""
    form = {
        "CallSid": "CA" + "0" * 32, "From": "+14155550123",
        "To": deployed.template.given["TwilioPhoneNumber"],
        "AccountSid": deployed.template.given["TwilioAccountSid"],
    }
    token = deployed.template.given["TwilioAuthToken"]
    signed = webhook(where, form, signature(token, where.voice, form))
    expect("a webhook signed for its Function URL", signed, 200, "<Gather")
    other = where.voice.replace("https://", "http://")
    for what, forged in [
        ("a webhook signed for another URL", signature(token, other, form)),
        ("a webhook signed with another token", signature("other", where.voice, form)),
    ]:
        expect(what, webhook(where, form, forged), 403, "forbidden")
    tag = "/api/v1/tags/nobody"
    expect("a request without a token", ask(where.http + tag), 401, "unauthorized")
    expect("a path of no route", ask(where.http + "/api/v1/nothing"), 404, "")
    status = open_socket(where.websocket)
    if status not in (401, 403):
        raise RuntimeError(f"a socket without a token is answered with {status}")
    return ["forged webhooks, requests and sockets without a token, and unknown paths are refused"]


def open_socket(url):
    """The status that a WebSocket handshake is answered with; MiniStack's own where it is refused."""
    url = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(url.netloc, timeout=CALL_SECONDS)
    key = base64.b64encode(os.urandom(16)).decode()
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
    try:
        connection.request("GET", url.path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def signature(token, url, form):
    """Twilio's, over the URL that it calls and the form."""
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def webhook(where, form, signed):
    """A webhook to the Function URL, by way of what stands in for its name."""
    url = urllib.parse.urlsplit(where.voice)
    headers = {"host": url.netloc, "x-twilio-signature": signed, "content-type": "application/x-www-form-urlencoded"}
    return ask(where.gateway + url.path, urllib.parse.urlencode(form).encode(), headers)


def ask(url, body=None, headers=None):
    request = urllib.request.Request(url, data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=CALL_SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def expect(what, answer, status, text):
    if answer[0] != status or text not in answer[1]:
        raise RuntimeError(f"{what}: {answer[0]} {answer[1]} instead of {status} {text}")


def dead_letters(deployed):
    queue = deployed.reference("DeadlinesDeadLetterQueue")
    names = ["ApproximateNumberOfMessages"]
    count = deployed.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"][names[0]]
    if int(count):
        raise RuntimeError(f"{count} questions about deadlines are dead letters")
    return ["no dead letter: every question about a deadline was answered"]


# Functions that these calls must have gone through, by every way in; of what is frequent, such as
# relaying, no line is written.
CALLED = {
    "connect", "status", "dial-status", "initiate", "history", "call-history", "tag-put", "booking-put",
    "ws-call-initiate", "ws-call-accept", "ws-call-reject", "ws-call-end", "deadlines",
}
COUNTED = {"CallsStarted", "CallsConnected", "CallsEnded", "RingTime", "CarrierLatency"}


def log_lines(deployed, state):
    """The functions' lines are in the stack's own log group, with the metrics that its alarms and its
    dashboard read, and tell nobody's number or secret."""
    pages = deployed.client("logs").get_paginator("filter_log_events").paginate(logGroupName=deployed.ids["LogGroup"])
    lines = [event["message"] for page in pages for event in page["events"]]
    answered = [line for line in map(own_line, lines) if line.get("message") == "answered"]
    went_well = {line["function"] for line in answered if line.get("status") in (200, 201) or line.get("code") == "ok"}
    if CALLED - went_well:
        raise RuntimeError(f"no call went through {', '.join(sorted(CALLED - went_well))}")
    counted = {name for line in answered for name in metrics(line, f"Maskline/{deployed.template.stack_name}")}
    if COUNTED - counted:
        raise RuntimeError(f"no line counts {', '.join(sorted(COUNTED - counted))}")
    parameters = deployed.template.document["Parameters"].items()
    secrets = [deployed.template.values[name] for name, one in parameters if one.get("NoEcho")]
    for told in [*filter(None, secrets), *re.findall(r"eyJ[\w.-]+", json.dumps(state))]:
        if any(told in line for line in lines):
            raise RuntimeError("a log line holds a secret or a token")
    if any(re.search(r"\+[1-9][0-9]{9,14}", line) for line in lines):
        raise RuntimeError("a log line holds a number")
    return [
        f"{len(lines)} log lines in the stack's log group, without a number, a token or a secret, with the metrics "
        + ", ".join(sorted(counted))
    ]


def metrics(line, namespace):
    """The metrics that a line holds for CloudWatch, in that namespace."""
    groups = line.get("_aws", {}).get("CloudWatchMetrics", [])
    return [one["Name"] for group in groups if group["Namespace"] == namespace for one in group["Metrics"]]


def own_line(line):
    """A line of a function's own, as JSON; Lambda's are none."""
    return json.loads(line) if line.startswith("{") else {}


def roles_are_enforced(deployed, where):
    """All of this went through with roles and boundary as they are. With less, it does not."""
    iam = deployed.client("iam")
    role, url = deployed.ids["VirtualNumberFunctionRole"], where.http + "/api/v1/call/virtual-number?tag=demo-car"
    expect("a request to a function with its policy", ask(url), 200, "virtualNumber")
    logs_only = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=logs_only)
    expect("a request to a function with a narrower boundary", ask(url), 503, "unavailable")
    iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=deployed.reference("FunctionBoundary"))
    expect("a request to a function with its own boundary", ask(url), 200, "virtualNumber")
    [policy] = iam.list_role_policies(RoleName=role)["PolicyNames"]
    iam.delete_role_policy(RoleName=role, PolicyName=policy)
    expect("a request to a function without its policy", ask(url), 503, "unavailable")
    return ["the functions are held to their roles and to their boundary: with less of either, a request fails"]
