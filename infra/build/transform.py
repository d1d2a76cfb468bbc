"""Turns template.yaml into the CloudFormation template that AWS makes of it, with SAM's own
translator, and prints it as JSON; on standard error, how much of CloudFormation's limits it
takes. Without an account: policies are taken by their names.

SAM works some parameters into what it makes, so it is given those that are deployed with."""

import argparse
import json
import os
import pathlib
import re
import sys

from samtranslator.public.translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform
from samcli.yamlhelper import yaml_parse

TEMPLATE = pathlib.Path(__file__).resolve().parents[2] / "template.yaml"
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
LIMITS = {"Resources": 500, "Parameters": 200, "Outputs": 200, "Mappings": 200}
MOST_BYTES = 1024 * 1024


class NoPolicies(ManagedPolicyLoader):
    """Names of AWS's own policies, without asking AWS."""

    def __init__(self):
        super().__init__(None)
        self._policy_map = {}

    def load(self):
        return self._policy_map


def transformed(parameters, arch):
    """The template as CloudFormation gets it, deployed with those parameters besides the
    defaults, for functions built for that architecture."""
    # ARNs differ by region only in their partition.
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    template = yaml_parse(TEMPLATE.read_text())
    template["Globals"]["Function"]["Architectures"] = [arch]
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # What `sam package` puts there.
            resource["Properties"]["CodeUri"] = {"Bucket": "code", "Key": resource["Properties"]["CodeUri"]}
    return transform(template, parameters, NoPolicies())


def shown_secrets(template):
    """Parameters whose names say that they are secret, and that are shown all the same."""
    parameters = template["Parameters"].items()
    secrets = [name for name, _ in parameters if re.search("Secret|Token", name)]
    shown = [name for name in secrets if template["Parameters"][name].get("NoEcho") is not True]
    outputs = json.dumps(template["Outputs"])
    return shown + [name for name in secrets if re.search(rf"\b{name}\b", outputs)]


def arguments():
    parser = argparse.ArgumentParser(description="Turns template.yaml into what CloudFormation gets of it.")
    parser.add_argument("--parameters", type=pathlib.Path, help="a JSON object of values, by parameter")
    parser.add_argument("--arch", default="arm64")
    return parser.parse_args()


def main():
    asked = arguments()
    parameters = json.loads(asked.parameters.read_text()) if asked.parameters else {}
    template = transformed(parameters, asked.arch)
    text = json.dumps(template, indent=1)
    problems = [f"the secret {name} is shown" for name in shown_secrets(template)]
    for section, most in LIMITS.items():
        count = len(template.get(section, {}))
        print(f"{section}: {count} of {most}", file=sys.stderr)
        if count > most:
            problems.append(f"too many {section}")
    for what, size in [("template.yaml", TEMPLATE.stat().st_size), ("transformed", len(json.dumps(template)))]:
        print(f"{what}: {size} of {MOST_BYTES} bytes", file=sys.stderr)
        if size > MOST_BYTES:
            problems.append(f"{what} is too large")
    print(text)
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
