"""`make forget`: what the tables hold about a person is gone, and everybody else's is not."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
from contextlib import AsyncExitStack

import boto3
import pytest
import requests

import test_asyncapi
from stack import NO_LIMITS, ROOT, Stack

FORGET = ROOT / "infra" / "forget" / "forget.py"
VISITOR, OWNER, OTHER = "+919876500001", "+919811122233", "+919876500002"
# What an owner may well call a car, and what the demo tag is called.
PLATE, BICYCLE = "KA 01 MX 4711", "Red bicycle"
# The local stack's own.
HASH_SECRET = "local-development-ip-hash-secret"
TOKEN_SECRET = "local-development-jwt-secret-for-this-machine-only"
SECONDS = 30


def run(stack, person, apply=False, secret=HASH_SECRET):
    """What the command prints, which names nobody."""
    environment = {"PATH": os.environ["PATH"], "STORE": stack.state["storeUrl"], "IP_HASH_SECRET": secret}
    if apply:
        environment["APPLY"] = "yes"
    done = subprocess.run(
        [sys.executable, FORGET], input=person + "\n", text=True, capture_output=True, env=environment, timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert person not in done.stdout + done.stderr
    return done.stdout


def dump(stack):
    """Every item of every table, by table."""
    client = boto3.client(
        "dynamodb", endpoint_url=stack.state["storeUrl"], region_name="us-east-1",
        aws_access_key_id="local", aws_secret_access_key="local",
    )
    tables = client.list_tables()["TableNames"]
    found = {}
    for table in tables:
        pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        found[table] = sorted(json.dumps(item, sort_keys=True) for page in pages for item in page["Items"])
    return found


def holds(stack, person):
    return sum(f'"{person}"' in item or f"#{person}" in item for items in dump(stack).values() for item in items)


def mentions(stack, words):
    """The visits and calls that hold those words anywhere, beside the tags themselves."""
    found = dump(stack)
    return [item for table in ("BookingsTable", "CallsTable") for item in found[table] if words in item]


def token(user):
    """A token of the host application's for a user (JWS, HS256)."""
    def part(content):
        return base64.urlsafe_b64encode(content).rstrip(b"=")

    words = ({"alg": "HS256"}, {"sub": user, "exp": int(time.time()) + 3600})
    signed = b".".join(part(json.dumps(one).encode()) for one in words)
    return (signed + b"." + part(hmac.digest(TOKEN_SECRET.encode(), signed, hashlib.sha256))).decode()


async def visited(stack, code, owner):
    """Somebody visits a tag and rings its owner, who rejects, rings back, and is rejected."""
    answer = requests.post(f"{stack.http}/t/{code}/visits", timeout=10)
    assert answer.status_code == 201, answer.text
    visit = answer.json()
    calls = test_asyncapi.Calls(stack)
    calls.token = {visit["userId"]: visit["token"], owner: token(owner)}.__getitem__
    about = {"bookingId": visit["bookingId"]}
    async with AsyncExitStack() as sockets:
        page = await calls.device(sockets, visit["userId"])
        app = await calls.device(sockets, owner)
        for caller, receiver in ((page, app), (app, page)):
            await caller.ask("callInitiate", about, "call:ringing")
            await receiver.get("call:incoming")
            await receiver.ask("callReject", about, "call:ended")
            await caller.get("call:rejected")


def as_admin(stack):
    return {"Authorization": f"Bearer {stack.token('admin')}"}


def history(stack, tag):
    answer = requests.get(f"{stack.http}/api/v1/call/{tag}/history", headers=as_admin(stack), timeout=10)
    return answer.json()


def settled(stack, tag, calls):
    """Waits until that many calls of a tag are over, so that no callback comes any more."""
    until = time.monotonic() + SECONDS
    while True:
        found = history(stack, tag)["calls"]
        if len(found) == calls and all(call["endedAt"] for call in found):
            return
        assert time.monotonic() < until, found
        time.sleep(0.1)


@pytest.fixture
def used():
    """A stack with phone calls of two visitors to two owners' tags, visits to them, and in-app calls."""
    with Stack(NO_LIMITS) as stack:
        tag = {"ownerId": "gita", "ownerPhone": OWNER, "label": PLATE, "enabled": True}
        answer = requests.put(f"{stack.http}/api/v1/tags/gitas-van", json=tag, headers=as_admin(stack), timeout=10)
        assert answer.status_code == 201
        for code in ("demo-bike", "gitas-van"):
            for number in (VISITOR, OTHER):
                body = {"visitorPhone": number, "metadata": {"name": "somebody"}}
                answer = requests.post(f"{stack.http}/api/v1/call/{code}/initiate", json=body, timeout=20)
                assert answer.status_code == 201, answer.text
            settled(stack, code, 2)
        asyncio.run(visited(stack, "gitas-van", "gita"))
        owners = {tag["shortCode"]: tag["ownerId"] for tag in stack.state["demo"]["tags"]}
        asyncio.run(visited(stack, "demo-bike", owners["demo-bike"]))
        asyncio.run(test_asyncapi.play(stack))
        yield stack


def test_a_dry_run_changes_nothing(used):
    before = dump(used)
    assert "Would forget" in run(used, VISITOR) and "phone calls" in run(used, VISITOR)
    assert dump(used) == before
    assert "nothing" in run(used, "nobody", apply=True)
    assert dump(used) == before


def test_a_visitor(used):
    others, everything = holds(used, OTHER), history(used, "demo-bike")
    assert holds(used, VISITOR) == 2
    printed = run(used, VISITOR, apply=True)
    assert "2 phone calls" in printed and "1 rate limits" in printed
    assert holds(used, VISITOR) == 0 and holds(used, OTHER) == others == 2
    assert "nothing" in run(used, VISITOR, apply=True)
    # The owner's history is as long as before, and says nothing of the visitor.
    after = history(used, "demo-bike")
    assert after["total"] == everything["total"] == 2
    shown = [(call["visitorPhone"], call["twilioCallSid"], call["metadata"]) for call in after["calls"]]
    assert shown[0] == tuple(everything["calls"][0][name] for name in ("visitorPhone", "twilioCallSid", "metadata"))
    assert shown[1] == ("anonymous", None, {})
    assert after["calls"][1]["duration"] == everything["calls"][1]["duration"]


@pytest.mark.parametrize("person", ["gita", OWNER])
def test_a_tags_owner(used, person):
    others = mentions(used, BICYCLE)
    # A visit, and a call each way.
    assert len(mentions(used, PLATE)) == len(others) == 3
    printed = run(used, person, apply=True)
    assert "2 tags and their copies" in printed and "2 phone calls of deleted tags" in printed
    assert "1 bookings and visits" in printed and "2 in-app calls" in printed
    assert holds(used, person) == 0 and not mentions(used, '"gita"') and not mentions(used, OWNER)
    assert not mentions(used, PLATE) and mentions(used, BICYCLE) == others
    assert "nothing" in run(used, person, apply=True)
    answer = requests.get(f"{used.http}/t/gitas-van", timeout=10)
    assert answer.status_code == 404
    assert history(used, "demo-bike")["total"] == 2
    # The code is free for somebody else.
    tag = {"ownerId": "hari", "ownerPhone": OTHER, "label": "Van", "enabled": True}
    answer = requests.put(f"{used.http}/api/v1/tags/gitas-van", json=tag, headers=as_admin(used), timeout=10)
    assert answer.status_code == 201
    assert history(used, "gitas-van")["total"] == 0


def test_a_party_of_bookings(used):
    def rows(who):
        headers = {"Authorization": f"Bearer {used.token(who)}"}
        answer = requests.get(f"{used.http}/api/calls/history/demo-booking", headers=headers, timeout=10)
        return answer.status_code, answer.json().get("data", {}).get("calls")

    before = rows("ravi")
    assert before[0] == 200 and len(before[1]) == 2
    run(used, "asha", apply=True)
    assert holds(used, "asha") == holds(used, "Asha") == 0
    # The other party keeps the history, and still may be called in other bookings.
    assert rows("ravi") == before
    assert rows("asha")[0] == 403
    assert "nothing" in run(used, "asha", apply=True)


@pytest.mark.parametrize("person", ["", "98765 00001", "0919876500001"])
def test_what_is_nobody(person):
    done = subprocess.run(
        [sys.executable, FORGET], input=person + "\n", text=True, capture_output=True, timeout=60,
        env={"PATH": os.environ["PATH"], "STORE": "http://127.0.0.1:1"},
    )
    assert done.returncode == 1
    assert "PERSON" in done.stderr and (not person or person not in done.stderr)
