"""docs/scale.md is what its script makes of the figures that are kept."""

import json
import sys

import pytest

import documents
from stack import ROOT

sys.path.insert(0, str(ROOT / "infra" / "scale"))
import scale

FIGURES = json.loads(scale.FIGURES.read_text())


def test_the_page_is_the_scripts():
    assert scale.PAGE.read_text() == scale.page(FIGURES), "make scale"


def step(function, through, **units):
    return {"function": function, "through": through, "requests": 2, "readUnits": 0.5, "writeUnits": 1.0, **units}


def bench():
    bill = {"requests": 1.0, "compute": 0.25}
    phone = [step("connect", "functionUrl"), step("history", "httpApi")]
    app = [step("ws-connect", "socket", framesIn=0, framesOut=0), step("ws-relay", "socket", framesIn=1, framesOut=1)]
    return {
        "machine": "a machine", "measuredAt": "2026-11-21 15:22 UTC",
        "calls": [
            {"kind": "phone", "what": "the shared number", "steps": phone, "call": bill, "beside": bill},
            {"kind": "phone", "what": "a number of the tag's own", "steps": phone, "call": bill, "beside": bill},
            {"kind": "app", "what": "an in-app call", "steps": app, "call": bill, "beside": bill},
        ],
    }


def test_figures_are_those_of_the_bench():
    figures = scale.figures_of(bench())
    assert figures["source"] == "make bench, a machine, 2026-11"
    assert figures["kinds"]["phone"] == {
        "invocations": 1, "storeRequests": 2, "writeUnits": 1, "readUnits": 0.5, "framesIn": 0, "framesOut": 0,
        "connections": 0, "computeDollars": 0.25, "dollars": 1.25,
    }
    assert figures["kinds"]["app"] == {
        "invocations": 2, "storeRequests": 4, "writeUnits": 2, "readUnits": 1, "framesIn": 1, "framesOut": 1,
        "connections": 1, "computeDollars": 0.5, "dollars": 2.5,
    }
    old = bench()
    del old["calls"][2]
    with pytest.raises(scale.OldBench):
        scale.figures_of(old)


def test_what_breaks_moves_with_the_figures():
    found = scale.limits(FIGURES["kinds"])
    heavier = json.loads(json.dumps(FIGURES["kinds"]))
    heavier["app"]["framesOut"] *= 10
    requests = [at for at, _, what, _ in found if "10,000 requests" in what]
    assert [at for at, _, what, _ in scale.limits(heavier) if "10,000 requests" in what] < requests
    assert found == sorted(found)
    assert len(scale.first(found, 0, 100)) == 1 and not scale.first(found, 0, 60)


def test_watching_is_counted_in_the_template():
    # 18 alarms, some of several metrics, a dashboard, and the metrics themselves.
    assert 3 + 18 * 0.1 + 22 * 0.3 < scale.watching() < 25
    sums = scale.teams(FIGURES["kinds"])
    assert [line.count("|") for line in sums] == [5] * len(sums)


def test_no_key_is_paid_for_by_the_request():
    # https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_SSESpecification.html: without it,
    # a table is encrypted under a key of DynamoDB's own; with it, KMS charges for requests, which no figure has.
    tables = [one for one in documents.template()["Resources"].values() if one["Type"] == "AWS::DynamoDB::Table"]
    assert len(tables) == 5
    assert not [one for one in tables if "SSESpecification" in one["Properties"]]
