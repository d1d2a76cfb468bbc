"""docs/operations.md names what is there: alarms, parameters, outputs, targets, headings."""

import re

import documents
from stack import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text()
TEMPLATE = documents.template()
RESOURCES = TEMPLATE["Resources"]


def test_every_alarm_is_explained_and_no_other():
    explained = re.findall(r"^\| `(\w+Alarm)` \|", PAGE, re.M)
    there = {name for name, resource in RESOURCES.items() if resource["Type"] == "AWS::CloudWatch::Alarm"}
    assert set(explained) == there
    assert len(explained) == len(set(explained)) > 10


def test_every_name_is_one_of_the_templates():
    known = {*TEMPLATE["Parameters"], *TEMPLATE["Outputs"], *RESOURCES}
    # Usage types of the bill, and words of CloudFormation.
    words = {"ApiGatewayMessage", "ApiGatewayMinute", "ApiGatewayHttpRequest", "WriteRequestUnits", "ReadRequestUnits", "DashboardsUsageHour"}
    named = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`", PAGE))
    assert named - words <= known, named - words - known
    assert len(named & known) > 30
    for name in re.findall(r"--logical-resource-id (\w+)", PAGE):
        assert name in RESOURCES


def test_every_secret_has_its_rotation():
    secrets = {name for name, one in TEMPLATE["Parameters"].items() if one.get("NoEcho")}
    rotated = set(re.findall(r"^\| `(\w+)` \| .*→", PAGE, re.M))
    assert {name for name in secrets if not name.endswith("Previous")} == rotated - {"JwtJwksUrl"}
    for name in secrets:
        assert f"`{name}`" in PAGE, name


def test_every_target_and_anchor_is_there():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    used = set(re.findall(r"(?:`|\$ )make ([a-z-]+)", PAGE))
    assert used and used <= targets, used - targets
    headings = re.findall(r"^#+ (.*)$", PAGE, re.M)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for anchor in re.findall(r"\]\(#([\w-]+)\)", PAGE):
        assert anchor in anchors, anchor
