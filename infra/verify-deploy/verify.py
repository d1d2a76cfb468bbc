"""Deploys the stack to stand-ins for AWS on this machine, reads every resource back, and calls
through it. Writes what was verified where to target/verify-deploy.md, and fails where that is
less, or more, than gaps.py says."""

import base64
import hashlib
import json
import pathlib
import subprocess
import sys

import gaps
import report
import smoke
from deployed import BUCKET, Deployed
from standins import MiniStack, Moto, free_port
from template import Template

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = ROOT / "target"
LOGS = TARGET / "verify-deploy"
ARCH = "x86_64"
STACK = "maskline"
DOMAIN = "example.com"

# Such values that every condition of the template holds.
PARAMETERS = {
    "TwilioAccountSid": "AC00000000000000000000000000000000",
    "TwilioAuthToken": "verify-deploy-auth-token",
    "TwilioPhoneNumber": "+14155550100",
    "IpHashSecret": "verify-deploy-ip-hash-secret",
    "JwtSecret": "verify-deploy-jwt-secret-for-this-machine-only",
    # Shorter than its default, for a call that nobody answers.
    "AppRingSeconds": "5",
    "CorsOrigins": "https://app.example.com,https://admin.example.com",
    "DomainName": f"api.{DOMAIN}",
    "SocketDomainName": f"sockets.{DOMAIN}",
    "WebhookConcurrency": "20",
    "Tracing": "Active",
    "AlarmEmail": "oncall@example.com",
    "BudgetDollars": "50",
}


def main():
    LOGS.mkdir(parents=True, exist_ok=True)
    carrier_port = free_port()
    PARAMETERS["TwilioApiBaseUrl"] = f"http://127.0.0.1:{carrier_port}"
    with MiniStack(LOGS / "ministack.log") as server, Moto(LOGS / "moto.log") as other:
        ministack = deploy(server, gaps.MINISTACK)
        checks = [report.check("MiniStack", ministack)]
        moto = deploy(other, gaps.MOTO, ministack)
        checks.append(report.check("moto", moto))
        calls = smoke.calls(ministack, carrier_port, LOGS)
    text = report.text(ministack.template, checks, calls)
    (TARGET / "verify-deploy.md").write_text(text)
    print(text)
    problems = [problem for checked in checks for problem in checked.problems]
    if problems:
        sys.exit("\n".join(problems))


def deploy(server, known_gaps, borrowed=None):
    stack = Deployed(server, prepared(server), known_gaps, borrowed, upload_zips(server))
    stack.create()
    return stack


def prepared(server):
    """The template for that stand-in, which is given what must be there before: a certificate and
    a hosted zone."""
    certificate = server.client("acm").request_certificate(DomainName=f"*.{DOMAIN}")["CertificateArn"]
    zone = server.client("route53").create_hosted_zone(Name=DOMAIN, CallerReference="1")["HostedZone"]["Id"]
    parameters = PARAMETERS | {"CertificateArn": certificate, "HostedZoneId": zone.removeprefix("/hostedzone/")}
    return Template(transformed(parameters), parameters, STACK)


def transformed(parameters):
    """What SAM makes of template.yaml with those parameters."""
    given = LOGS / "parameters.json"
    given.write_text(json.dumps(parameters))
    # SAM has a Python of its own.
    command = [ROOT / ".venv" / "bin" / "python", ROOT / "infra" / "build" / "transform.py", "--arch", ARCH, "--parameters", given]
    made = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    (LOGS / "cloudformation.json").write_text(made)
    return json.loads(made)


def upload_zips(server):
    """Puts every function's zip where the transformed template says it is; their keys, by the
    digest that Lambda shows."""
    s3 = server.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    keys = {}
    for zipped in sorted((TARGET / "lambda").glob("*/bootstrap.zip")):
        data = zipped.read_bytes()
        key = f"functions/{zipped.parent.name}"
        s3.put_object(Bucket=BUCKET, Key=key, Body=data)
        keys[base64.b64encode(hashlib.sha256(data).digest()).decode()] = key
    return keys


if __name__ == "__main__":
    main()
