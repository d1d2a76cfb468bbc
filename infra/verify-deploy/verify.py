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
from parameters import REQUIRED, misjudged
from standins import MiniStack, Moto, free_port
from template import Template

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = ROOT / "target"
LOGS = TARGET / "verify-deploy"
DOMAIN = "example.com"

# With these besides, every condition of the template holds.
EVERYTHING = REQUIRED | {
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
    parser.add_argument("--dev", action="store_true", help="deploy what `make build-dev` built, not what `make zips` did")
    built = zips.of_dev_build() if parser.parse_args().dev else zips.of_release()
    LOGS.mkdir(parents=True, exist_ok=True)
    carrier_port = free_port()
    everything = EVERYTHING | {"TwilioApiBaseUrl": f"http://127.0.0.1:{carrier_port}"}
    with MiniStack(LOGS / "ministack.log") as server, Moto(LOGS / "moto.log") as other:
        keys = zips.upload(built, server.client("s3"))
        least = deploy(server, "maskline-least", REQUIRED, built, gaps.MINISTACK, None, keys)
        ministack = deploy(server, "maskline", everything | beforehand(server), built, gaps.MINISTACK, None, keys)
        checks = [report.check("MiniStack", ministack)]
        keys = zips.upload(built, other.client("s3"))
        moto = deploy(other, "maskline", everything | beforehand(other), built, gaps.MOTO, ministack, keys)
        checks.append(report.check("moto", moto))
        problems = untried(ministack.template) + misjudged(least.template.document)
        for checked in [report.check("MiniStack, with the required parameters only", least), *checks]:
            problems += checked.problems
        # Calls would only repeat, less plainly, that something is missing.
        calls = [] if problems else smoke.calls(ministack, built, carrier_port, LOGS)
    text = report.text(ministack.template, checks, len(least.template.resources()), calls)
    (TARGET / "verify-deploy.md").write_text(text)
    print(text)
    if problems:
        sys.exit("\n".join(problems))


def untried(template):
    """Conditions that keep something from being tried."""
    unmet = [name for name in template.document["Conditions"] if not template.holds(name)]
    return [f"the condition {name} does not hold: EVERYTHING must make it" for name in unmet]


def deploy(server, name, parameters, built, known_gaps, borrowed, keys):
    """The template on a stand-in, under that name."""
    template = Template(transformed(parameters, built.arch), parameters, name)
    stack = Deployed(server, template, known_gaps, borrowed, keys)
    stack.create()
    return stack


def beforehand(server):
    """What must be there before the stack: a certificate and a hosted zone, as parameters."""
    certificate = server.client("acm").request_certificate(DomainName=f"*.{DOMAIN}")["CertificateArn"]
    zone = server.client("route53").create_hosted_zone(Name=DOMAIN, CallerReference="1")["HostedZone"]["Id"]
    return {"CertificateArn": certificate, "HostedZoneId": zone.removeprefix("/hostedzone/")}


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
