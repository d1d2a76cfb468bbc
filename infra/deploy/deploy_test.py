"""What is refused of a stage's parameters, with the template's own."""

import pathlib
import re
import tempfile
import tomllib
import unittest

import boto3
from botocore.stub import Stubber
from samcli.yamlhelper import yaml_parse

import deploy
from parameters import REFUSED, REQUIRED

TEMPLATE = yaml_parse((deploy.ROOT / "template.yaml").read_text())
EXAMPLE = (deploy.ROOT / "parameters.example.toml").read_text()
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/0123-4567"
FILE = pathlib.Path("parameters.staging.toml")


def problems(given, fixed=None, known=None):
    stack = known and {"Parameters": [{"ParameterKey": one} for one in known]}
    return deploy.problems(TEMPLATE, "maskline", fixed or {}, given, stack, FILE)


class ProblemsTest(unittest.TestCase):
    def test_a_first_deployment_needs_what_has_no_default(self):
        self.assertEqual(problems(REQUIRED), [])
        named = [one.split()[0] for one in problems({})]
        self.assertEqual(named, ["TwilioAccountSid", "TwilioAuthToken", "TwilioPhoneNumber", "IpHashSecret"])

    def test_a_first_deployment_keeps_to_the_rules(self):
        for changed, why in REFUSED:
            with self.subTest(why=why):
                found = problems(REQUIRED | changed)
                self.assertEqual(len(found), 1)
                self.assertIn(why, found[0])

    def test_later_only_what_is_new_is_needed(self):
        known = set(REQUIRED)
        self.assertEqual(problems({}, known=known), [])
        self.assertEqual(problems({"JwtSecretPrevious": ""}, known=known), [])
        [found] = problems({}, known=known - {"IpHashSecret"})
        self.assertIn("IpHashSecret must be given", found)

    def test_a_name_must_be_the_templates(self):
        self.assertEqual(problems({}, {"Stage": "x"}, REQUIRED), ["Stage in samconfig.toml is no parameter of the template"])

    def test_a_malformed_value_is_named_and_not_shown(self):
        for name, value in [
            ("JwtSecret", "too-short"), ("TwilioPhoneNumber", "14155550100"), ("DataProtection", "maybe"),
            ("AppRingSeconds", "601"), ("AppRingSeconds", "soon"), ("LogRetentionDays", "2"),
        ]:
            with self.subTest(name=name, value=value):
                wanted = f"{name} is not as it must be: {TEMPLATE['Parameters'][name]['Description']}"
                self.assertEqual(problems({name: value}, known=REQUIRED), [wanted])


class ReadTest(unittest.TestCase):
    def read(self, text, mode=0o600):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / FILE
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
            file.chmod(mode)
            return deploy.read(file, "ABCD")

    def test_values_are_taken_as_they_are(self):
        given, found = self.read('A = "x y=z,\'w"\nB = ""\nC = 5\n# D = "d"\n')
        self.assertEqual((given, found), ({"A": "x y=z,'w", "B": "", "C": "5"}, []))
        self.assertEqual(self.read("# nothing"), ({}, []))

    def test_what_sam_would_change_is_refused(self):
        for written in (r"'\"quoted\"'", "'\"quoted\"'", r"'back\ slash'", r"'back\"slash'"):
            _, found = self.read(f"A = {written}")
            self.assertEqual(len(found), 1, written)
            self.assertIn("SAM does not take A", found[0])

    def test_what_is_no_text_is_refused(self):
        for text in ("A = true", "A = 1.5", "[A]\nB = 1", 'A = ["b"]'):
            self.assertEqual(len(self.read(text)[1]), 1, text)
        for text in ("A = my-secret", b"A = 'my-secret\xff'", "my-secert = 'my-secret'", "'$include' = 'my-secret'"):
            _, [found] = self.read(text)
            self.assertNotIn("my-secret", found)

    def test_a_file_that_others_may_read_is_refused(self):
        for mode in (0o644, 0o640, 0o604):
            _, [found] = self.read('A = "a"', mode)
            self.assertIn("chmod 600", found)


class StackTest(unittest.TestCase):
    def find(self, status):
        cloudformation = boto3.client(
            "cloudformation", region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="k"
        )
        with Stubber(cloudformation) as stub:
            if status:
                stack = {"StackName": "s", "StackStatus": status, "CreationTime": 0}
                stub.add_response("describe_stacks", {"Stacks": [stack]})
            else:
                stub.add_client_error("describe_stacks", "ValidationError", "Stack with id s does not exist")
            return deploy.find(cloudformation, "s")

    def test_a_stack_that_has_nothing_yet_is_none(self):
        self.assertIsNone(self.find(None))
        self.assertIsNone(self.find("REVIEW_IN_PROGRESS"))
        self.assertEqual(self.find("UPDATE_ROLLBACK_COMPLETE")["StackName"], "s")

    def test_a_stack_whose_creation_failed_is_refused(self):
        for status in deploy.FAILED:
            with self.assertRaisesRegex(SystemExit, f"{status}.*When the first deployment fails"):
                self.find(status)
        self.assertTrue("\n### When the first deployment fails\n" in (deploy.ROOT / deploy.RUNBOOK).read_text())


class ExampleTest(unittest.TestCase):
    def test_it_asks_for_what_is_needed(self):
        self.assertEqual(set(tomllib.loads(EXAMPLE)), set(REQUIRED))
        self.assertEqual(len(problems(tomllib.loads(EXAMPLE))), len(REQUIRED) - 1)

    def test_its_names_are_parameters(self):
        named = re.findall(r"^(?:# )?(\w+) = ", EXAMPLE, re.M)
        self.assertEqual([one for one in named if one not in TEMPLATE["Parameters"]], [])
        self.assertEqual(problems(REQUIRED | dict(re.findall(r'^# (\w+) = "(.*[^"])"$', EXAMPLE, re.M)) | {
            "TurnSecret": "s", "PushWebhookSecret": "0123456789abcdef", "CertificateArn": CERTIFICATE,
        }), [])


if __name__ == "__main__":
    unittest.main()
