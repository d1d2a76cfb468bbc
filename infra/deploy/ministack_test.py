"""`sam deploy` as `make deploy` and `make parameters` run it, with the template's own parameters, against
MiniStack's CloudFormation."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "infra" / "verify-deploy"))
from parameters import REQUIRED
from standins import KEY, REGION, MiniStack

PYTHON = ROOT / ".venv" / "bin" / "python"
STACK = "maskline-staging"
# Where SAM puts what it deploys. It makes this stack itself, by its own transform, which MiniStack has not.
BUCKET_STACK = "aws-sam-cli-managed-default"


def template():
    """The template's parameters and rules, with one resource that shows every value. Without the others:
    verify.py creates those."""
    transform = [PYTHON, "-B", ROOT / "infra" / "build" / "transform.py"]
    made = json.loads(subprocess.run(transform, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout)
    shown = {"Fn::Join": ["\n", [{"Fn::Sub": f"{name}=${{{name}}}"} for name in made["Parameters"]]]}
    resource = {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "shown", "Type": "String", "Value": shown}}
    kept = {key: made[key] for key in ("AWSTemplateFormatVersion", "Parameters", "Rules")}
    return kept | {"Resources": {"Shown": resource}}


class MiniStackTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="maskline-deploy-"))
        cls.folder = pathlib.Path(folder)
        cls.server = cls.enterClassContext(MiniStack(cls.folder / "ministack.log"))
        cls.template = template()
        bucket = {"Bucket": {"Type": "AWS::S3::Bucket"}}
        cloudformation = cls.server.client("cloudformation")
        cloudformation.create_stack(
            StackName=BUCKET_STACK, Tags=[{"Key": "ManagedStackSource", "Value": "AwsSamCli"}],
            TemplateBody=json.dumps({"Resources": bucket, "Outputs": {"SourceBucket": {"Value": {"Ref": "Bucket"}}}}),
        )
        cloudformation.get_waiter("stack_create_complete").wait(StackName=BUCKET_STACK, WaiterConfig={"Delay": 1})

    def setUp(self):
        self.project = self.folder / self._testMethodName
        (self.project / ".aws-sam" / "build").mkdir(parents=True)
        shutil.copy(ROOT / "samconfig.toml", self.project)
        self.write(self.template)

    def tearDown(self):
        self.server.client("cloudformation").delete_stack(StackName=STACK)

    def write(self, document):
        for path in ("template.yaml", ".aws-sam/build/template.yaml"):
            (self.project / path).write_text(json.dumps(document))

    def deploy(self, *options, **given):
        """Runs it with what the file gives, which there is only if something is given."""
        file = self.project / "parameters.staging.toml"
        file.unlink(missing_ok=True)
        if given:
            file.touch(mode=0o600)
            file.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in given.items()))
        ours = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        environment = ours | {
            "AWS_ENDPOINT_URL": self.server.url, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": KEY,
            "AWS_DEFAULT_REGION": REGION, "SAM_CLI_TELEMETRY": "0", "SAM_CLI_POLL_DELAY": "0.5",
        }
        done = subprocess.run(
            [PYTHON, "-B", ROOT / "infra" / "deploy" / "deploy.py", "staging", *options], cwd=self.project,
            env=environment, input="y\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
        )
        for name, value in given.items():
            if value and self.template["Parameters"].get(name, {}).get("NoEcho"):
                self.assertNotIn(value, done.stdout)
        return done

    def deployed(self, *options, **given):
        """The stack's values after a deployment."""
        done = self.deploy(*options, **given)
        self.assertEqual(done.returncode, 0, done.stdout)
        return self.values()

    def values(self):
        shown = self.server.client("ssm").get_parameter(Name="shown")["Parameter"]["Value"]
        return dict(line.split("=", 1) for line in shown.split("\n"))

    def stacks(self):
        found = self.server.client("cloudformation").describe_stacks()["Stacks"]
        return [one["StackName"] for one in found if one["StackStatus"] != "DELETE_COMPLETE"]

    def test_values_come_from_the_file_then_from_the_stack(self):
        secrets = {"TurnUrls": "turn:turn.example.com", "TurnSecret": 'a"secret\\with=signs', "IpHashSecret": "a secret with spaces, of 32 bytes"}
        first = self.deployed(**(REQUIRED | secrets), CorsOrigins="https://a.example.com,https://b.example.com")
        defaults = {name: str(one.get("Default", "")) for name, one in self.template["Parameters"].items()}
        of_stage = {"DataProtection": "off", "LogRetentionDays": "7", "AlarmCallsPerHour": "100"}
        wanted = defaults | of_stage | REQUIRED | secrets | {"CorsOrigins": "https://a.example.com,https://b.example.com"}
        self.assertEqual(first, wanted)

        # A secret is changed, with the old one beside it, and taken away later; nothing else is given.
        rotated = {"JwtSecret": "another-secret-of-at-least-32-bytes", "JwtSecretPrevious": REQUIRED["JwtSecret"]}
        self.assertEqual(self.deployed("--only-parameters", **rotated), wanted | rotated)
        self.assertEqual(self.deployed("--only-parameters", JwtSecretPrevious=""), wanted | rotated | {"JwtSecretPrevious": ""})
        self.assertEqual(self.deployed("--only-parameters", LimitCallsPerCaller="1/60")["LimitCallsPerCaller"], "1/60")

        # A release that has a parameter more and another default, without a file; and back again.
        newer = json.loads(json.dumps(self.template))
        newer["Parameters"]["Added"] = {"Type": "String", "Default": "new"}
        newer["Parameters"]["AppRingSeconds"]["Default"] = 50
        newer["Resources"]["Shown"]["Properties"]["Value"]["Fn::Join"][1].append({"Fn::Sub": "Added=${Added}"})
        self.write(newer)
        kept = wanted | rotated | {"JwtSecretPrevious": "", "LimitCallsPerCaller": "1/60"}
        self.assertEqual(self.deployed(), kept | {"Added": "new"})
        self.write(self.template)
        self.assertEqual(self.deployed(), kept)

    def test_only_parameters_change_what_is_deployed(self):
        self.deployed(**REQUIRED)
        changed = json.loads(json.dumps(self.template))
        changed["Resources"]["Shown"]["Properties"]["Value"] = "not built yet"
        self.write(changed)
        self.assertEqual(self.deployed("--only-parameters", AppRingSeconds="30")["AppRingSeconds"], "30")

    def test_nothing_is_made_where_something_is_missing(self):
        done = self.deploy("--check")
        self.assertNotEqual(done.returncode, 0)
        for name in ("TwilioAccountSid", "TwilioAuthToken", "TwilioPhoneNumber", "IpHashSecret"):
            self.assertIn(f"{name} must be given, in parameters.staging.toml", done.stdout)
        without = {name: value for name, value in REQUIRED.items() if name != "JwtSecret"}
        done = self.deploy(**without)
        self.assertIn("JwtSecret or JwtJwksUrl must be given", done.stdout)
        done = self.deploy(**REQUIRED, LogRetentionDays="14")
        self.assertIn("LogRetentionDays is in samconfig.toml", done.stdout)
        done = self.deploy("--only-parameters", **REQUIRED)
        self.assertIn("there is no stack maskline-staging yet", done.stdout)
        self.assertEqual(self.stacks(), [BUCKET_STACK])


if __name__ == "__main__":
    unittest.main()
