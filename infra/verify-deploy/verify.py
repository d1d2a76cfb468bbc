"""Deploys the stack to stand-ins for AWS on this machine, reads every resource back, and calls
through it. Writes what was verified where to target/verify-deploy.md, and fails where that is
less, or more, than gaps.py says."""

import argparse
import json
import pathlib
import subprocess
import sys

import gaps
import report
import smoke
import zips
from deployed import Deployed
from standins import MiniStack, Moto, free_port
from template import Template

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = ROOT / "target"
LOGS = TARGET / "verify-deploy"
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dev", action="store_true", help="deploy the binaries of `make build-dev`, not those of `make zips`")
    built = zips.of_dev_build() if parser.parse_args().dev else zips.of_release()
    LOGS.mkdir(parents=True, exist_ok=True)
    carrier_port = free_port()
    parameters = PARAMETERS | {"TwilioApiBaseUrl": f"http://127.0.0.1:{carrier_port}"}
    with MiniStack(LOGS / "ministack.log") as server, Moto(LOGS / "moto.log") as other:
        ministack = deploy(server, parameters, built, gaps.MINISTACK)
        checks = [report.check("MiniStack", ministack)]
        moto = deploy(other, parameters, built, gaps.MOTO, ministack)
        checks.append(report.check("moto", moto))
        problems = [problem for checked in checks for problem in checked.problems]
        # Calls would only repeat, less plainly, that something is missing.
        calls = [] if problems else smoke.calls(ministack, built, carrier_port, LOGS)
    text = report.text(ministack.template, checks, calls)
    (TARGET / "verify-deploy.md").write_text(text)
    print(text)
    if problems:
        sys.exit("\n".join(problems))


def deploy(server, parameters, built, known_gaps, borrowed=None):
    """The template on a stand-in, which is given what must be there before: the zips, a
    certificate and a hosted zone."""
    keys = zips.upload(built, server.client("s3"))
    certificate = server.client("acm").request_certificate(DomainName=f"*.{DOMAIN}")["CertificateArn"]
    zone = server.client("route53").create_hosted_zone(Name=DOMAIN, CallerReference="1")["HostedZone"]["Id"]
    given = parameters | {"CertificateArn": certificate, "HostedZoneId": zone.removeprefix("/hostedzone/")}
    template = Template(transformed(given, built.arch), given, STACK)
    stack = Deployed(server, template, known_gaps, borrowed, keys)
    stack.create()
    return stack


def transformed(parameters, arch):
    """What SAM makes of template.yaml with those parameters."""
    given = LOGS / "parameters.json"
    given.write_text(json.dumps(parameters))
    # SAM has a Python of its own.
    command = [ROOT / ".venv" / "bin" / "python", ROOT / "infra" / "build" / "transform.py"]
    command += ["--arch", arch, "--parameters", given]
    made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if made.returncode:
        sys.exit(made.stderr)
    (LOGS / "cloudformation.json").write_text(made.stdout)
    return json.loads(made.stdout)


if __name__ == "__main__":
    main()
