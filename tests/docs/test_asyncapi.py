"""docs/asyncapi.yaml against template.yaml, and against the frames of calls that are played."""

import asyncio
import collections
import json
from contextlib import AsyncExitStack

import pytest
from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

import documents
from stack import ROOT

DOCUMENT = documents.document("asyncapi.yaml")
MESSAGES = DOCUMENT["components"]["messages"]
SCHEMA_OF_ASYNCAPI = ROOT / "tests/docs/node_modules/@asyncapi/specs/schemas/3.0.0-without-$id.json"
FRAME_SECONDS = 20
BOOKING = "demo-booking"
SDP = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
CANDIDATE = {"candidate": "candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host", "sdpMid": "0"}


def named(message):
    """What tells a frame from others: its action or its event."""
    properties = message["payload"]["properties"]
    return (properties.get("action") or properties["event"])["const"]


def check(frame):
    """That a frame is one of the document's, and fits it; gives its name there."""
    name = frame.get("action") or frame["event"]
    found = [key for key, message in MESSAGES.items() if named(message) == name]
    assert len(found) == 1, f"the document has {len(found)} messages for {name}"
    schema = {"components": DOCUMENT["components"], **MESSAGES[found[0]]["payload"]}
    Draft7Validator(schema).validate(frame)
    return found[0]


def test_the_document_is_asyncapi():
    Draft7Validator(json.loads(SCHEMA_OF_ASYNCAPI.read_text())).validate(DOCUMENT)


def test_every_route_is_described_and_no_other():
    served = documents.route_keys_of_template(documents.template())
    assert documents.route_keys_of_asyncapi(DOCUMENT) == served
    assert all(message["x-route"] == named(message) for message in MESSAGES.values() if "x-route" in message)


def test_every_message_is_in_the_channel_and_in_an_operation():
    channel = DOCUMENT["channels"]["live"]["messages"]
    assert set(channel) == set(MESSAGES)
    used = set()
    for operation in DOCUMENT["operations"].values():
        for one in operation["messages"] + operation.get("reply", {}).get("messages", []):
            used.add(one["$ref"].removeprefix("#/channels/live/messages/"))
    assert used == set(MESSAGES)


def test_every_example_fits_its_schema():
    for name, message in MESSAGES.items():
        assert [check(one["payload"]) for one in message["examples"]] == [name]


@pytest.mark.parametrize("spoiled", [
    {"event": "call:accepted", "data": {"bookingId": "b", "callId": "b.1", "version": 1}},
    {"event": "call:accepted", "data": {"bookingId": "b", "callId": "b.1", "version": 1, "receiverId": "r", "phone": "1"}},
    {"event": "call:ended", "data": {"bookingId": "b", "callId": "b.1", "version": 1, "duration": 1, "endedBy": "a", "reason": "bored"}},
    {"event": "pong", "data": {}, "extra": 1},
    {"action": "callEnd", "data": {}},
    {"action": "join"},
])
def test_the_schemas_refuse(spoiled):
    with pytest.raises(ValidationError):
        check(spoiled)


class Device:
    """A device of a user. Every frame it sends and gets is checked and counted."""

    def __init__(self, socket, seen):
        self.socket, self.seen, self.sent = socket, seen, 0

    async def send(self, action, data=None, fits=True):
        self.sent += 1
        frame = {"action": action, "id": self.sent}
        if data is not None:
            frame["data"] = data
        if fits:
            self.seen[check(frame)] += 1
        await self.socket.send(json.dumps(frame))
        return self.sent

    async def next(self):
        frame = json.loads(await asyncio.wait_for(self.socket.recv(), FRAME_SECONDS))
        self.seen[check(frame)] += 1
        return frame

    async def get(self, event):
        """The next frame, which must be that."""
        frame = await self.next()
        assert frame["event"] == event, frame
        return frame

    async def ask(self, action, data, event, fits=True):
        """Sends a frame, and gets the answer to it."""
        sent = await self.send(action, data, fits)
        frame = await self.get(event)
        assert frame["id"] == sent, frame
        return frame


class Calls:
    """Opens devices on the stack, and notes what frames were seen."""

    def __init__(self, stack):
        self.url, self.token, self.seen = stack.state["websocketUrl"], stack.token, collections.Counter()

    async def device(self, stack_of, user):
        socket = await stack_of.enter_async_context(
            connect(self.url, subprotocols=["maskline", self.token(user)])
        )
        assert socket.subprotocol == "maskline"
        device = Device(socket, self.seen)
        await device.ask("join", {"userId": user}, "joined")
        return device


async def answered(caller, receiver):
    """A call from one to the other that is answered."""
    about = {"bookingId": BOOKING}
    ringing = await caller.ask("callInitiate", {**about, "media": {"audio": True}}, "call:ringing")
    await receiver.get("call:incoming")
    about["callId"] = ringing["data"]["callId"]
    await receiver.ask("callAccept", about, "call:accepted")
    await caller.get("call:accepted")
    return about


async def play(stack):
    calls = Calls(stack)
    async with AsyncExitStack() as sockets:
        asha = await calls.device(sockets, "asha")
        ravi = await calls.device(sockets, "ravi")
        await asha.ask("ping", None, "pong")

        about = await answered(asha, ravi)
        await asha.send("callOffer", {**about, "offer": {"type": "offer", "sdp": SDP}})
        await ravi.get("call:offer")
        await ravi.send("callAnswer", {**about, "answer": {"type": "answer", "sdp": SDP}})
        await asha.get("call:answer")
        for candidate in (CANDIDATE, [CANDIDATE, CANDIDATE]):
            await ravi.send("callIceCandidate", {**about, "candidate": candidate})
            got = await asha.get("call:ice-candidate")
            assert got["data"]["candidate"] == candidate
        # A further device learns that the call is on another.
        tablet = await calls.device(sockets, "ravi")
        elsewhere = await tablet.get("call:ended")
        assert elsewhere["data"]["reason"] == "answered_elsewhere"
        await asha.ask("callEnd", about, "call:ended")
        ended = await ravi.get("call:ended")
        assert ended["data"]["endedBy"] == "asha"
        await tablet.socket.close()

        about = {"bookingId": BOOKING}
        await ravi.ask("callInitiate", about, "call:ringing")
        await asha.get("call:incoming")
        await asha.ask("callReject", {**about, "reason": "busy"}, "call:ended")
        rejected = await ravi.get("call:rejected")
        assert rejected["data"]["reason"] == "busy"

        # Nobody of that booking's other party is online.
        gone = await asha.ask("callInitiate", {"bookingId": "demo-lesson"}, "call:ended")
        assert gone["data"]["reason"] == "unavailable"

        for action, data, fits, code in [
            ("callEnd", {"bookingId": "none"}, True, "not_found"),
            ("callAccept", {"bookingId": "demo-wheel"}, True, "not_found"),
            ("callInitiate", {"bookingId": "demo-tune-up"}, True, "conflict"),
            ("callInitiate", {"bookingId": "demo-wheel"}, True, "forbidden"),
            ("join", {"userId": "ravi"}, True, "forbidden"),
            ("callEnd", {}, False, "bad_request"),
            ("callOffer", {"bookingId": BOOKING}, False, "bad_request"),
            ("callInitiate", {"bookingId": 7}, False, "bad_request"),
        ]:
            error = await asha.ask(action, data, "error", fits)
            assert (error["data"]["code"], error["data"]["action"]) == (code, action), error
        # Unknown actions, and what is no frame at all.
        await asha.socket.send(json.dumps({"action": "dance", "id": "x"}))
        assert (await asha.get("error"))["id"] == "x"
        await asha.socket.send("no json")
        await asha.get("error")
    return calls.seen


def test_every_frame_of_a_played_call_fits(stack):
    seen = asyncio.run(play(stack))
    unseen = set(MESSAGES) - set(seen)
    assert not unseen, f"no such frame was seen: {unseen}"


async def refused(url, **options):
    try:
        async with connect(url, **options):
            return None
    except InvalidStatus as error:
        return error.response.status_code


def test_no_valid_token_no_connection(stack):
    url, token = stack.state["websocketUrl"], stack.token("asha")
    assert asyncio.run(refused(url)) == 401
    assert asyncio.run(refused(f"{url}/?token=none")) == 401
    assert asyncio.run(refused(f"{url}/?token={token}")) is None
    assert asyncio.run(refused(f"{url}/?token={token}", origin="https://evil.example")) == 403
