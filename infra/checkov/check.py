"""Has checkov read the transformed template; its findings must be those that exceptions.yaml gives
reasons for, each of them and no other."""

import fnmatch
import json
import os
import pathlib
import subprocess
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "target" / "cloudformation.json"
EXCEPTIONS = pathlib.Path(__file__).with_name("exceptions.yaml")


def findings():
    """What checkov finds, as (check, resource), with what the check is called; and how many checks passed."""
    command = [pathlib.Path(sys.executable).with_name("checkov"), "--framework", "cloudformation"]
    # Nothing is asked of its makers' service.
    command += ["--file", TEMPLATE, "--output", "json", "--skip-download", "--quiet"]
    done = subprocess.run(command, env=os.environ | {"LOG_LEVEL": "ERROR"}, stdout=subprocess.PIPE, text=True)
    try:
        said = json.loads(done.stdout)
        summary, failed = said["summary"], said["results"]["failed_checks"]
    except (ValueError, KeyError, TypeError):
        sys.exit(f"checkov did not check the template:\n{done.stdout}")
    if summary["parsing_errors"] or not summary["passed"]:
        sys.exit(f"checkov could not read the template: {summary}")
    return {(one["check_id"], one["resource"]): one["check_name"] for one in failed}, summary["passed"]


def compare(found, exceptions):
    """What is found without an exception, and exceptions for what is not found."""
    problems = []
    for (check, resource), name in sorted(found.items()):
        if not any(excepts(one, check, resource) for one in exceptions):
            problems.append(f"{check} ({name}): {resource}")
    for one in exceptions:
        for pattern in one["resources"]:
            if not any(check == one["check"] and fnmatch.fnmatchcase(resource, pattern) for check, resource in found):
                problems.append(f"{one['check']} is not found at {pattern} any more: take that out of {EXCEPTIONS.name}")
    return problems


def excepts(exception, check, resource):
    return check == exception["check"] and any(fnmatch.fnmatchcase(resource, one) for one in exception["resources"])


def main():
    exceptions = yaml.safe_load(EXCEPTIONS.read_text())
    for one in exceptions:
        if set(one) != {"check", "resources", "reason"} or not one["reason"].strip():
            sys.exit(f"an exception has a check, resources and a reason: {one}")
    found, passed = findings()
    problems = compare(found, exceptions)
    if problems:
        sys.exit("\n".join(problems))
    print(f"checkov: {passed} checks passed, {len(found)} findings, each excepted with a reason")


if __name__ == "__main__":
    main()
