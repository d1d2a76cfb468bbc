"""Deletes or anonymises what Maskline's tables hold about one person.

The person is a user id of the host application or a phone number in E.164, read from PERSON or
from standard input, so that it appears in no process list. Without APPLY=yes nothing is changed.
What is printed are counts: neither the person nor anybody else. STACK is a stack on AWS; STORE is a
local store's address instead, and STORE_ACCOUNT the access key id to ask it with.

| item | the person is | what happens |
|---|---|---|
| a tag, with its copies | its owner | deleted, and with it every call of its line, which no tag shows any more |
| a phone call of another tag | its visitor, or an owner from before | number, metadata and Twilio's call id replaced |
| a booking or visit | a party | id and name replaced by a made-up one; the other party keeps it |
| an in-app call | a party | id and name replaced by the same |
| a visit with its calls | the tag's owner | besides, the tag's label taken out of the service and the visitor's name |
| connections, and the pointer to the newest call | the user | deleted |
| a rate-limit counter | the number | deleted, where IP_HASH_SECRET is given; else it goes by itself |

Calls are replaced rather than deleted because a history's pages are counted from the numbers of
its calls. Every write holds only if the item still names the person; what comes in meanwhile is
found by running it again, until it says that nothing is left.
"""

import collections
import hashlib
import hmac
import json
import os
import pathlib
import re
import secrets
import sys

import boto3
from botocore.exceptions import ClientError

PURPOSES = ("Tags", "Bookings", "Calls", "Connections", "RateLimits")
E164 = re.compile(r"\+[1-9][0-9]{5,14}")
STATE_FILE = pathlib.Path(__file__).resolve().parents[2] / "target" / "maskline-local.json"
# Whose tables a store of one's own holds, unless STORE_ACCOUNT says otherwise.
LOCAL_ACCOUNT = "123456789012"
# What stands for an owner's number: the domain's form of a number, and nobody's.
NO_NUMBER = "+10000000000"
# What stands for a visitor's number, as for callers who withhold theirs.
NO_VISITOR = "anonymous"
NOBODY = "Deleted user"
# What visits and visitors are called, and what their names are where a tag's label is not told.
VISIT, VISITOR = "visit:", "visitor:"
NO_LABEL, NO_LABEL_VISITOR = "Tag", "Visitor at your tag"


class Tables:
    """The five tables by their purpose."""

    def __init__(self, client, names, apply):
        self.client, self.names, self.apply = client, names, apply
        self.counts = collections.Counter()

    def scan(self, purpose):
        pages = self.client.get_paginator("scan").paginate(TableName=self.names[purpose], ConsistentRead=True)
        for page in pages:
            yield from page["Items"]

    def query(self, purpose, name, value):
        pages = self.client.get_paginator("query").paginate(
            TableName=self.names[purpose], ConsistentRead=True, KeyConditionExpression="#key = :value",
            ExpressionAttributeNames={"#key": name}, ExpressionAttributeValues={":value": {"S": value}},
        )
        for page in pages:
            yield from page["Items"]

    def delete(self, what, purpose, key, item, still=None):
        """Deletes an item; where `still` is given, only while that attribute is as it was read."""
        condition = {}
        if still:
            condition = {
                "ConditionExpression": "#still = :still",
                "ExpressionAttributeNames": {"#still": still},
                "ExpressionAttributeValues": {":still": item[still]},
            }
        self._write(what, self.client.delete_item, purpose, item, key, condition)

    def change(self, what, purpose, key, item, person, found, new, gone=()):
        """Sets the attributes at paths, if the one at `found` still names the person."""
        names, values = {}, {":person": {"S": person}}

        def path(text):
            parts = []
            for part in text.split("."):
                names[f"#{part}"] = part
                parts.append(f"#{part}")
            return ".".join(parts)

        sets = []
        for index, (where, value) in enumerate(new.items()):
            values[f":v{index}"] = {"S": value}
            sets.append(f"{path(where)} = :v{index}")
        update = "SET " + ", ".join(sets)
        if gone:
            update += " REMOVE " + ", ".join(path(one) for one in gone)
        self._write(what, self.client.update_item, purpose, item, key, {
            "UpdateExpression": update,
            "ConditionExpression": f"{path(found)} = :person",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        })

    def _write(self, what, request, purpose, item, key, how):
        if self.apply:
            try:
                request(TableName=self.names[purpose], Key={name: item[name] for name in key}, **how)
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                    raise
                self.counts["changed meanwhile: run it again"] += 1
                return
        self.counts[what] += 1


def text(item, name):
    return item.get(name, {}).get("S")


def forget(tables, person, hash_secret=None):
    """Forgets a person; gives how many items of each kind that concerned."""
    stand_in = f"forgotten-{secrets.token_hex(8)}"
    is_number = E164.fullmatch(person) is not None
    dead_lines, dead_tags = forget_tags(tables, person)
    visits = forget_bookings(tables, person, stand_in, dead_tags)
    for item in tables.scan("Calls"):
        forget_phone_call(tables, item, person, dead_lines)
        forget_app_call(tables, item, person, stand_in, visits)
    for item in tables.query("Connections", "pk", f"user#{person}"):
        connection = text(item, "sk")
        if connection.startswith("conn#"):
            twin = {"pk": {"S": connection}, "sk": {"S": "conn"}}
            tables.delete("connections", "Connections", ["pk", "sk"], twin)
        tables.delete("connections", "Connections", ["pk", "sk"], item)
    if is_number and hash_secret:
        digest = hmac.new(hash_secret.encode(), f"number:{person}".encode(), hashlib.sha256).hexdigest()
        for item in tables.query("RateLimits", "pk", f"number#{digest[:32]}"):
            tables.delete("rate limits", "RateLimits", ["pk"], item)
    return tables.counts


def forget_tags(tables, person):
    """Deletes the person's tags; gives the lines of their calls, and each tag's code with its owner's id."""
    lines, tags = set(), set()
    for item in tables.scan("Tags"):
        if person in (text(item, "ownerId"), text(item, "ownerPhone")):
            lines.add(text(item, "line"))
            tags.add((text(item, "code").lower(), text(item, "ownerId")))
            tables.delete("tags and their copies", "Tags", ["pk"], item, still="version")
    return lines, tags


def forget_bookings(tables, person, stand_in, dead_tags):
    """Replaces the person in bookings and visits; gives the owners, by the visits to their tags."""
    visits = {}
    for item in tables.scan("Bookings"):
        booking, provider = text(item, "pk"), text(item, "providerId")
        new = {}
        if booking.startswith(VISIT) and (provider == person or (text(item, "tag").lower(), provider) in dead_tags):
            visits[booking] = provider
            new = {"userName": NO_LABEL_VISITOR, "serviceName": NO_LABEL}
        for role in ("user", "provider"):
            party = text(item, f"{role}Id")
            if party == person or party == visits.get(booking):
                new |= {f"{role}Id": stand_in, f"{role}Name": NOBODY}
                tables.change("bookings and visits", "Bookings", ["pk"], item, party, f"{role}Id", new)
    return visits


def forget_phone_call(tables, item, person, dead_lines):
    key = ["line", "seq"]
    if text(item, "line") in dead_lines:
        tables.delete("phone calls of deleted tags", "Calls", key, item)
        return
    if text(item, "visitor") == person:
        new = {"visitor": NO_VISITOR, "metadata": "{}", "origin": f"once:{secrets.token_hex(8)}"}
        tables.change("phone calls", "Calls", key, item, person, "visitor", new, gone=["twilioCallSid"])
    if text(item, "ownerPhone") == person:
        tables.change("phone calls", "Calls", key, item, person, "ownerPhone", {"ownerPhone": NO_NUMBER})


def forget_app_call(tables, item, person, stand_in, visits):
    booking = text(item, "booking")
    if booking is None:
        return
    for side, other in (("caller", "receiver"), ("receiver", "caller")):
        user = text(item[side]["M"], "user")
        if user != person and user != visits.get(booking):
            continue
        new = {f"{side}.user": stand_in, f"{side}.name": NOBODY}
        if booking.startswith(VISIT) and not user.startswith(VISITOR):
            new |= {f"{other}.name": NO_LABEL_VISITOR, "serviceName": NO_LABEL}
        if text(item.get("end", {}).get("M", {}), "by") == user:
            new["end.by"] = stand_in
        tables.change("in-app calls", "Calls", ["line", "seq"], item, user, f"{side}.user", new)


def of_stack(stack):
    """The tables of a stack on AWS, with the credentials and region that the AWS CLI would use."""
    resources = boto3.client("cloudformation").get_paginator("list_stack_resources")
    found = {
        one["LogicalResourceId"]: one["PhysicalResourceId"]
        for page in resources.paginate(StackName=stack)
        for one in page["StackResourceSummaries"]
    }
    return boto3.client("dynamodb"), {purpose: found[f"{purpose}Table"] for purpose in PURPOSES}


def of_local_stack(endpoint, account):
    """The tables of the stack on this machine, whose store takes the account for a key id and any secret."""
    client = boto3.client(
        "dynamodb", endpoint_url=endpoint, region_name="us-east-1",
        aws_access_key_id=account, aws_secret_access_key="local",
    )
    return client, {purpose: f"{purpose}Table" for purpose in PURPOSES}


def fail(problem):
    print(f"forget: {problem}", file=sys.stderr)
    raise SystemExit(1)


def main():
    person = os.environ.get("PERSON") or input("User id, or phone number in E.164: " if sys.stdin.isatty() else "")
    person = person.strip()
    if not person:
        fail("PERSON is missing: a user id, or a phone number in E.164")
    if re.fullmatch(r"\+?[0-9 ().-]{6,}", person) and not E164.fullmatch(person):
        fail("PERSON looks like a phone number and is not in E.164: + and the country code come first")
    apply = os.environ.get("APPLY") == "yes"
    stack, store = os.environ.get("STACK"), os.environ.get("STORE")
    account = os.environ.get("STORE_ACCOUNT", LOCAL_ACCOUNT)
    if not stack and not store:
        if not STATE_FILE.exists():
            fail("STACK, a stack on AWS, or STORE, a local store's address, is missing; no local stack runs")
        state = json.loads(STATE_FILE.read_text())
        store, account = state["storeUrl"], state["storeAccount"]
    client, names = of_stack(stack) if stack else of_local_stack(store, account)
    counts = forget(Tables(client, names, apply), person, os.environ.get("IP_HASH_SECRET"))
    print(f"{'Forgot' if apply else 'Would forget (APPLY=yes does it)'}, in {stack or 'the local store'}:")
    for what, count in sorted(counts.items()):
        print(f"  {count:6} {what}")
    if not counts:
        print("  nothing")


if __name__ == "__main__":
    main()
