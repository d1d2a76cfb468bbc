"""What template.yaml has to keep to: the README's table of settings, and what Lambda stops."""

import re

import documents
from stack import ROOT

TEMPLATE = documents.template()
PARAMETERS = TEMPLATE["Parameters"]
FUNCTIONS = {name: one for name, one in TEMPLATE["Resources"].items() if one["Type"] == "AWS::Serverless::Function"}
README = (ROOT / "README.md").read_text()
# The first parameters are settings of the functions, the others say how it is run.
FIRST_OF_RUNNING = "DomainName"
# Defaults that are told in words.
IN_WORDS = {
    "": [""],
    "any": [""],
    "none": [""],
    "none; locally the demo apps' pages": [""],
    "nobody is told": [""],
    "the Function URLs themselves; locally the HTTP address": [""],
    "`relay` with `TURN_URLS`, else `all`": [""],
    "Twilio's": ["https://api.twilio.com"],
    "Cloudflare's public server": ["stun:stun.cloudflare.com:3478"],
}


def table():
    """The README's settings, by the names of their parameters: the default and the meaning."""
    section = re.search(r"^## Configuration$(.*?)^## ", README, re.M | re.S)[1]
    rows = re.findall(r"^\| (`[^|]*) \| ([^|]*)\| ([^|]*) \|$", section, re.M)
    found = {}
    for names, default, meaning in rows:
        for name in re.findall(r"`([A-Z_]+)`", names):
            found[name.title().replace("_", "")] = (default.strip(), meaning)
    return found


def settings():
    names = list(PARAMETERS)
    return {name: PARAMETERS[name] for name in names[: names.index(FIRST_OF_RUNNING)]}


def test_the_settings_are_those_of_the_template():
    assert set(table()) == set(settings())


def test_defaults_are_those_of_the_template():
    for name, (told, _) in table().items():
        default = str(settings()[name].get("Default", ""))
        literal = re.fullmatch(r"`([^`]*)`", told)
        assert default in ([literal[1]] if literal else IN_WORDS[told]), f"{name}: {default!r} in the template, {told!r} in the README"


def test_ranges_are_those_of_the_template():
    told = {name: re.search(r"(\d+) to (\d+)", meaning) for name, (_, meaning) in table().items()}
    ranges = {name: (int(found[1]), int(found[2])) for name, found in told.items() if found}
    assert len(ranges) == 4
    for name, limits in ranges.items():
        assert (settings()[name]["MinValue"], settings()[name]["MaxValue"]) == limits, name


def test_the_example_shows_those_defaults():
    """Of a setting with a default, .env.example shows the default, or that it is none."""
    text = (ROOT / ".env.example").read_text().partition("# The local stack only.")[0]
    shown = {name.title().replace("_", ""): value for name, value in re.findall(r"^# ([A-Z_]+)=(.*)$", text, re.M)}
    assert set(shown) == set(settings())
    for name, value in shown.items():
        default = str(settings()[name].get("Default", ""))
        assert default in ("", value), f"{name}: {default!r} in the template, {value!r} in .env.example"


def test_a_function_that_invokes_itself_is_let():
    """Lambda stops a function that its own messages have invoked sixteen times.
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html"""
    loops = []
    for name, function in FUNCTIONS.items():
        properties = function["Properties"]
        sources = [one["Properties"]["Queue"] for one in properties.get("Events", {}).values() if one["Type"] == "SQS"]
        statements = [one for policy in properties.get("Policies", []) for one in policy["Statement"]]
        sent = [one["Resource"] for one in statements if "sqs:SendMessage" in one["Action"]]
        if any(one in sent for one in sources):
            loops.append(name)
    assert loops == [name for name, one in FUNCTIONS.items() if one["Properties"].get("RecursiveLoop") == "Allow"]
    assert loops
