"""docs/openapi.yaml against template.yaml, and against the running stack."""

import collections
import json
import os
import pathlib
import random
import re
import subprocess
import sys
from urllib.parse import urlencode

import pytest
import requests
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

import documents
import signing

HERE = pathlib.Path(__file__).resolve().parent
DOCUMENT = documents.document("openapi.yaml")
# Cases of each operation, besides the examples and the boundary values.
MAX_EXAMPLES = 30
RUN_SECONDS = 300


def operations():
    return [
        (path, method, item[method], item.get("parameters", []))
        for path, item in DOCUMENT["paths"].items()
        for method in sorted(documents.METHODS & set(item))
    ]


def resolved(node):
    """A node with every `$ref` in it replaced by what it points at."""
    if isinstance(node, dict):
        if "$ref" in node:
            target = DOCUMENT
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            return resolved(target)
        return {key: resolved(value) for key, value in node.items()}
    if isinstance(node, list):
        return [resolved(one) for one in node]
    return node


def test_the_document_is_openapi():
    validate(DOCUMENT)


def test_every_route_is_described_and_no_other():
    described = documents.routes_of_openapi(DOCUMENT)
    served = documents.routes_of_template(documents.template())
    assert described == served
    assert len(served) > 15


def test_every_example_fits_its_schema():
    checked = 0
    for path, method, operation, common in operations():
        operation = resolved(operation)
        media = [
            *operation.get("requestBody", {}).get("content", {}).values(),
            *(one for answer in operation["responses"].values() for one in answer.get("content", {}).values()),
            *({"schema": one["schema"], "example": one["example"]}
              for one in resolved(common) + operation.get("parameters", []) if "example" in one),
        ]
        for one in media:
            if "example" in one:
                Draft202012Validator(one["schema"]).validate(one["example"])
                checked += 1
        body = operation.get("requestBody")
        assert not body or all("example" in one for one in body["content"].values()), f"{method} {path}"
    assert checked > 100


def prepare(stack):
    """What the examples name, owned by the user whose token is sent."""
    def put(path, body):
        answer = requests.put(
            stack.http + path, json=body, timeout=10,
            headers={"Authorization": f"Bearer {stack.token('admin')}"},
        )
        assert answer.ok, answer.text
    tag = {"ownerId": "asha", "ownerPhone": "+919812345678", "label": "Red bicycle", "enabled": True}
    put("/api/v1/tags/demo-bike", tag)
    put("/api/v1/tags/to-delete", tag)
    booking = {
        "userId": "asha", "userName": "Asha", "providerId": "ravi", "providerName": "Ravi",
        "serviceName": "Bicycle repair", "status": "accepted",
    }
    put("/api/v1/bookings/to-delete", booking)


def test_the_stack_does_as_the_document_says(stack):
    """No 5xx, documented statuses, headers and bodies only, bad input refused, tokens asked for."""
    prepare(stack)
    seed = int(os.environ.get("DOCS_SEED") or random.randrange(2**32))
    print(f"DOCS_SEED={seed}")
    report = pathlib.Path(stack.folder.name) / "run.ndjson"
    run = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml",
            "run", "../../docs/openapi.yaml", "--url", stack.http, "--seed", str(seed),
            "--max-examples", str(MAX_EXAMPLES), "--phases", "examples,coverage,fuzzing",
            "--request-timeout", "20", "--continue-on-failure",
            "--report", "ndjson", "--report-ndjson-path", str(report),
        ],
        cwd=HERE, text=True, capture_output=True, timeout=RUN_SECONDS,
        env=os.environ | {"TOKEN_HOST": stack.token("asha"), "TOKEN_ADMIN": stack.token("admin"), "NO_COLOR": "1"},
    )
    print(run.stdout[-20000:], run.stderr[-2000:])
    assert run.returncode == 0, f"again with: make docs-test DOCS_SEED={seed}"
    # A run that met refusals alone would have shown little.
    done = done_by(report)
    idle = [f"{method.upper()} {path}" for path, method, *_ in operations() if not done[f"{method.upper()} {path}"]]
    # The script's name is only known from its page.
    assert idle == ["GET /assets/{file}"]


def done_by(report):
    """How many requests of each operation were answered with 2xx."""
    done = collections.Counter()
    for line in report.read_text().splitlines():
        event = json.loads(line)
        for scenario in event.values():
            if not isinstance(scenario, dict):
                continue
            recorder = scenario.get("recorder") or {}
            for interaction in recorder.get("interactions", {}).values():
                status = (interaction.get("response") or {}).get("status_code", 0)
                done[recorder["label"]] += 200 <= status < 300
    return done


def headers_of(stack, token):
    return {"Authorization": f"Bearer {stack.token(token)}"}


def test_the_pages_script_is_where_the_page_says(stack):
    page = requests.get(f"{stack.http}/t/demo-car", timeout=10).text
    [name] = set(re.findall(r"/assets/([A-Za-z0-9._-]+)", page))
    answer = requests.get(f"{stack.http}/assets/{name}", timeout=10)
    documented = DOCUMENT["paths"]["/assets/{file}"]["get"]["responses"]["200"]
    assert answer.status_code == 200
    assert answer.headers["content-type"] in documented["content"]
    assert answer.headers["cache-control"] == documented["headers"]["Cache-Control"]["schema"]["const"]


def guarded(scheme):
    """The operations that a security scheme guards, as requests with what their examples say."""
    for path, method, operation, common in operations():
        if any(scheme in one for one in operation["security"]):
            operation = resolved(operation)
            url = path
            for parameter in resolved(common):
                url = url.replace(f"{{{parameter['name']}}}", parameter["example"])
            content = operation.get("requestBody", {}).get("content", {})
            body = next((one["example"] for one in content.values()), None)
            yield pytest.param(method.upper(), url, body, id=operation["operationId"])


def code_of(answer):
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize(("method", "path", "body"), [*guarded("hostToken"), *guarded("adminToken")])
def test_no_token_no_answer(stack, method, path, body):
    from_outside = [None, "Bearer none", "Basic YWRtaW46YWRtaW4=", f"Bearer {stack.token('admin')[:-2]}xx"]
    for header in from_outside:
        answer = requests.request(
            method, stack.http + path, json=body, timeout=10, headers={"Authorization": header} if header else {},
        )
        assert code_of(answer) == (401, "unauthorized"), header


@pytest.mark.parametrize(("method", "path", "body"), list(guarded("adminToken")))
def test_what_is_for_admins(stack, method, path, body):
    answer = requests.request(method, stack.http + path, json=body, timeout=10, headers=headers_of(stack, "asha"))
    assert code_of(answer) == (403, "forbidden")


@pytest.mark.parametrize(("method", "path", "body"), list(guarded("twilioSignature")))
def test_only_twilio_calls_webhooks(stack, method, path, body):
    url = stack.http + path
    form = urlencode(body)
    content = {"Content-Type": "application/x-www-form-urlencoded"}
    signed = signing.signature(url, form)
    other = signing.signature(url, form, "another auth token")
    for header, status in [(None, 403), ("", 403), (other, 403), (signed[:-4] + "AAA=", 403)]:
        answer = requests.request(
            method, url, data=form, timeout=10, headers=content | ({signing.HEADER: header} if header is not None else {}),
        )
        assert code_of(answer) == (status, "forbidden"), header
    answer = requests.request(method, url, data=form, timeout=10, headers=content | {signing.HEADER: signed})
    assert answer.status_code != 403
