"""One of the two of a booking, without a browser and without the client package: aiortc holds
the call, and the WebSocket API is spoken here as the README tells it.

It calls, or takes the call that comes, plays a tone and measures what it hears. Each thing that
happens is a line of JSON on standard output; the line `end` on standard input hangs up. The token
is in MASKLINE_TOKEN, because arguments are shown to everybody on the machine.
"""

import argparse
import array
import asyncio
import json
import math
import os
import sys
import urllib.request
from fractions import Fraction

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcconfiguration import RTCIceTransportPolicy
from aiortc.sdp import candidate_from_sdp
from av import AudioFrame
from websockets.asyncio.client import connect

RATE = 48_000
PACKET = RATE // 50
TONE = 440
LOUDNESS = 8_000
FULL_SCALE = 32_768


def tell(happening, **more):
    print(json.dumps({"happening": happening, **more}), flush=True)


class Tone(MediaStreamTrack):
    """A sine in place of a microphone."""

    kind = "audio"

    def __init__(self):
        super().__init__()
        self.start = None
        self.sample = 0

    async def recv(self):
        now = asyncio.get_running_loop().time()
        self.start = self.start or now
        await asyncio.sleep(self.start + self.sample / RATE - now)
        turn = 2 * math.pi * TONE / RATE
        samples = range(self.sample, self.sample + PACKET)
        wave = array.array("h", (round(LOUDNESS * math.sin(turn * at)) for at in samples))
        frame = AudioFrame(format="s16", layout="mono", samples=PACKET)
        frame.planes[0].update(wave.tobytes())
        frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
        frame.pts, self.sample = self.sample, self.sample + PACKET
        return frame


async def measure(track):
    """Tells once a second how much has been heard, in the measure of browsers' statistics
    (W3C webrtc-stats, totalAudioEnergy): the square of the level, times seconds."""
    energy, told = 0.0, 0
    seconds = 0.0
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        count = frame.samples * len(frame.layout.channels)
        heard = array.array("h", bytes(frame.planes[0]))[:count]
        mean_square = sum(sample * sample for sample in heard) / count
        energy += mean_square / FULL_SCALE**2 * frame.samples / frame.sample_rate
        seconds += frame.samples / frame.sample_rate
        if seconds >= told + 1:
            told = int(seconds)
            tell("heard", energy=energy, seconds=told)


class Peer:
    """A device of the user, and the call that it is in."""

    def __init__(self, booking, calling, socket, configuration):
        self.booking = booking
        self.calling = calling
        self.socket = socket
        self.call_id = None
        self.version = 0
        self.offer = None
        self.described = False
        self.early = []
        self.listening = None
        self.connection = connection = RTCPeerConnection(configuration)
        connection.addTrack(Tone())
        connection.on("track", self.listen)
        connection.on("connectionstatechange", lambda: tell(connection.connectionState))

    def listen(self, track):
        self.listening = asyncio.create_task(measure(track))

    async def send(self, action, **data):
        about = {"bookingId": self.booking, "callId": self.call_id}
        data = {**{name: value for name, value in about.items() if value}, **data}
        await self.socket.send(json.dumps({"action": action, "id": action, "data": data}))

    async def take(self, event, data):
        """Acts on a frame; whether the call goes on."""
        if event == "error":
            raise RuntimeError(f"{data['action']}: {data['code']}: {data['message']}")
        if event == "joined":
            tell("joined")
            return True
        # Frames overtake each other: what is older than what was seen is ignored.
        if data["version"] < self.version:
            return True
        self.call_id, self.version = data["callId"], data["version"]
        match event:
            case "call:incoming":
                tell("incoming", callerName=data["callerName"])
                await self.send("callAccept")
            case "call:ringing":
                tell("ringing", receiverName=data["receiverName"])
            case "call:accepted":
                tell("accepted", callId=self.call_id)
                # Who called makes the offer.
                if self.offer is None and self.calling:
                    self.offer = await self.described_as(await self.connection.createOffer())
                    await self.send("callOffer", offer=self.offer)
            case "call:offer":
                await self.answer(data["offer"])
            case "call:answer":
                await self.other(data["answer"])
            case "call:ice-candidate":
                given = data["candidate"]
                await self.candidates(given if isinstance(given, list) else [given])
            case "call:ended" | "call:rejected":
                names = ("reason", "duration", "endedBy")
                tell("ended", **{name: data[name] for name in names if name in data})
                return False
        return True

    async def described_as(self, description):
        """Sets a description of ours. It has all our candidates: aiortc gathers first."""
        await self.connection.setLocalDescription(description)
        local = self.connection.localDescription
        return {"type": local.type, "sdp": local.sdp}

    async def answer(self, offer):
        # The caller repeats an offer that it has no answer to.
        if offer != self.offer:
            self.offer = offer
            await self.other(offer)
            self.answered = await self.described_as(await self.connection.createAnswer())
        await self.send("callAnswer", answer=self.answered)

    async def other(self, description):
        """Sets the other side's description, and the candidates that came before it."""
        await self.connection.setRemoteDescription(RTCSessionDescription(**description))
        self.described = True
        early, self.early = self.early, []
        await self.candidates(early)

    async def candidates(self, given):
        if not self.described:
            self.early += given
            return
        for one in given:
            line = (one or {}).get("candidate", "").removeprefix("candidate:")
            # An empty line, or none, says that there are no more for now.
            if line:
                candidate = candidate_from_sdp(line)
                candidate.sdpMid = one.get("sdpMid")
                candidate.sdpMLineIndex = one.get("sdpMLineIndex")
                await self.connection.addIceCandidate(candidate)


def configured(api, token):
    """The ICE servers that Maskline gives this user."""
    request = urllib.request.Request(
        f"{api}/api/calls/ice-servers", headers={"authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        given = json.load(response)["data"]
    servers = [RTCIceServer(**server) for server in given["iceServers"]]
    policy = RTCIceTransportPolicy(given["iceTransportPolicy"])
    return RTCConfiguration(iceServers=servers, iceTransportPolicy=policy)


async def hang_up_when_told(peer):
    """Hangs up at the line `end`, and where no line will come: nobody is there any more."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while (line := await reader.readline()) not in (b"end\n", b""):
        tell("unknown", command=line.decode().strip())
    await peer.send("callEnd")


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["call", "answer"])
    parser.add_argument("--socket", required=True, help="the WebSocket API")
    parser.add_argument("--api", required=True, help="the HTTP API")
    parser.add_argument("--user", required=True, help="the token's subject")
    parser.add_argument("--booking", required=True)
    given = parser.parse_args()
    token = os.environ["MASKLINE_TOKEN"]
    configuration = await asyncio.to_thread(configured, given.api, token)
    async with connect(given.socket, subprotocols=["maskline", token]) as socket:
        peer = Peer(given.booking, given.what == "call", socket, configuration)
        join = {"action": "join", "id": "join", "data": {"userId": given.user}}
        await socket.send(json.dumps(join))
        if peer.calling:
            await peer.send("callInitiate", media={"audio": True})
        commands = asyncio.create_task(hang_up_when_told(peer))
        async for text in socket:
            frame = json.loads(text)
            if not await peer.take(frame["event"], frame["data"]):
                break
        else:
            raise RuntimeError("the server closed the connection")
        commands.cancel()
        await peer.connection.close()
        if peer.listening:
            await peer.listening


if __name__ == "__main__":
    asyncio.run(main())
