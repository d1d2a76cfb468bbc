"""Deploys the stack of a stage with `sam deploy`, which asks before it changes anything.

Parameters are given in samconfig.toml, which is in git, and in parameters.STAGE.toml, which is not: it
may hold secrets. One that is in neither keeps the value that the stack has, secrets too; where the stack
has none, it gets the template's default. What CloudFormation would refuse is refused before anything
is built, as far as it can be known: of a stack that exists, nobody is told the secrets."""

import argparse
import json
import pathlib
import subprocess
import sys
import tomllib

import boto3
import botocore.exceptions
from samcli.cli.types import CfnParameterOverridesType
from samcli.yamlhelper import yaml_parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "infra" / "verify-deploy"))
from template import Template, malformed

SAM = pathlib.Path(sys.executable).with_name("sam")
CONFIG = pathlib.Path("samconfig.toml")
DEPLOYED = pathlib.Path("target/deployed-template.yaml")
RUNBOOK = "docs/operations.md"
# CloudFormation updates none of these.
FAILED = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED")


def main():
    asked = arguments()
    stage = settings(asked.stage)
    file = pathlib.Path(f"parameters.{asked.stage}.toml")
    if asked.only_parameters and not file.exists():
        sys.exit(f"there is no {file}: it must give the parameters that are to change")
    stack = ask_for_stack(stage, asked.only_parameters)
    template = DEPLOYED if asked.only_parameters else pathlib.Path("template.yaml")
    document = yaml_parse(template.read_text())
    fixed = overrides(stage)
    given, found = read(file, document["Parameters"]) if file.exists() else ({}, [])
    found += [f"{one} is in samconfig.toml: change it there, and take it out of {file}" for one in given if one in fixed]
    found += problems(document, stage["stack_name"], {} if asked.only_parameters else fixed, given, stack, file)
    if found:
        sys.exit("Nothing was deployed:\n" + "\n".join(f"- {one}" for one in found))
    if not asked.check:
        # SAM would look for its configuration beside the template.
        command = [SAM, "deploy", "--config-file", CONFIG.resolve(), "--config-env", asked.stage]
        # samconfig.toml's parameters count no more once others are given.
        values = [f"file://{file.resolve()}"] if file.exists() else []
        if asked.only_parameters:
            command += ["--template-file", template]
        else:
            values = stage_values(stage) + values
        if values:
            command += ["--parameter-overrides", *values]
        deploy(command, file)


def deploy(command, file):
    result = subprocess.call(command)
    # SAM ends as well where its question is answered with no.
    if not result and file.exists():
        print(
            f"Once it is deployed, keep what {file} says where you keep secrets, and delete it: it would be given"
            " again at the next deployment."
        )
    sys.exit(result)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stage", help="staging, production, or another of samconfig.toml")
    parser.add_argument("--check", action="store_true", help="only check what is given")
    parser.add_argument(
        "--only-parameters", action="store_true", help="change parameters of what is deployed, and nothing else"
    )
    return parser.parse_args()


def settings(stage):
    """What samconfig.toml says of a stage."""
    every = tomllib.loads(CONFIG.read_text())
    stages = {name: one["deploy"]["parameters"] for name, one in every.items() if isinstance(one, dict) and "deploy" in one}
    if stage not in stages:
        sys.exit(f"samconfig.toml knows no stage {stage}: STAGE is one of {', '.join(stages)}")
    return stages[stage]


def stage_values(stage):
    """samconfig.toml's parameters, as the command line takes them."""
    values = stage.get("parameter_overrides", [])
    return [values] if isinstance(values, str) else values


def overrides(stage):
    """The same, by name."""
    return CfnParameterOverridesType().convert(stage_values(stage), None, None)


def ask_for_stack(stage, keep_template):
    """The stack as AWS tells it; with `keep_template`, what was deployed last is kept as `DEPLOYED`."""
    name = stage["stack_name"]
    try:
        session = boto3.Session(region_name=stage.get("region"), profile_name=stage.get("profile"))
        cloudformation = session.client("cloudformation")
        stack = find(cloudformation, name)
        if keep_template and not stack:
            sys.exit(f"there is no stack {name} yet: make deploy")
        if keep_template:
            fetch_template(cloudformation, name)
        return stack
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        sys.exit(f"AWS cannot be asked about the stack: {error}")


def find(cloudformation, name):
    """The stack, or None where there is none, or only its name."""
    try:
        [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except botocore.exceptions.ClientError as error:
        if f"{name} does not exist" in str(error):
            return None
        raise
    if stack["StackStatus"] in FAILED:
        sys.exit(f"the stack {name} is {stack['StackStatus']}: see {RUNBOOK}, When the first deployment fails")
    return None if stack["StackStatus"] == "REVIEW_IN_PROGRESS" else stack


def fetch_template(cloudformation, name):
    """Keeps the template as it was deployed, in which functions are where SAM put them."""
    body = cloudformation.get_template(StackName=name, TemplateStage="Original")["TemplateBody"]
    DEPLOYED.parent.mkdir(exist_ok=True)
    DEPLOYED.write_text(body if isinstance(body, str) else json.dumps(body))


def read(file, parameters):
    """The parameters that a file gives, and what is wrong with how it does. Values are never told."""
    if file.stat().st_mode & 0o077:
        return {}, [f"others may read {file}: chmod 600 {file}"]
    try:
        values = tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return {}, [f"{file} cannot be read: {error}"]
    found = [f"{one} in {file} is no parameter of the template" for one in values if one not in parameters]
    found += [f"{name} in {file} is neither a text nor a whole number" for name, value in values.items() if type(value) not in (str, int)]
    if found:
        return {}, found
    given = {name: str(value) for name, value in values.items()}
    by_sam = CfnParameterOverridesType().convert([f"file://{file.resolve()}"], None, None)
    return given, [
        f"SAM does not take {name} as it is in {file}: it removes quotation marks around a value, and backslashes before them and spaces"
        for name, value in given.items() if name in by_sam and by_sam[name] != value
    ]


def problems(document, name, fixed, given, stack, file):
    """What CloudFormation would refuse of these parameters, or would not do as it was meant."""
    parameters = document["Parameters"]
    found = [f"{one} in samconfig.toml is no parameter of the template" for one in fixed if one not in parameters]
    every = {one: value for one, value in (fixed | given).items() if one in parameters}
    known = {one["ParameterKey"] for one in stack.get("Parameters", [])} if stack else set()
    missing = [one for one in parameters if "Default" not in parameters[one] and one not in every and one not in known]
    found += [f"{one} must be given, in {file}: {parameters[one]['Description']}" for one in missing]
    wrong = malformed(parameters, every)
    found += [f"{one} is not as it must be: {parameters[one]['Description']}" for one in wrong]
    if not stack and not missing and not wrong:
        found += Template(document, every, name).refusals()
    return found


if __name__ == "__main__":
    main()
