import types
import unittest

import report
from gaps import WHOLE, Gap
from readback import agrees, comparable

PROPERTIES = {"Size": 5, "Colour": "red"}


class Deployed:
    """A stand-in with one resource that has what `found` says."""

    def __init__(self, found, gaps):
        self.found = found
        self.gaps = gaps
        resource = {"Type": "AWS::Some::Thing", "Properties": PROPERTIES}
        self.template = types.SimpleNamespace(resources=lambda: {"One": resource})

    def wanted(self, _):
        return PROPERTIES

    def output_differences(self):
        return {}

    def differences(self, _):
        if self.found is None:
            return {WHOLE: "not created"}
        return {name: None if self.found.get(name) == value else "differs" for name, value in PROPERTIES.items()}


def make_red(deployed, _):
    deployed.found = (deployed.found or {"Size": 5}) | {"Colour": "red"}


def check(found, *gaps):
    deployed = Deployed(found, list(gaps))
    checked = report.check("a stand-in", deployed)
    return checked, report.unverified(deployed.template, [checked])


class ReportTest(unittest.TestCase):
    def test_what_is_as_it_should_be_is_verified(self):
        checked, left = check({"Size": 5, "Colour": "red"})
        self.assertEqual(checked.verified["One"], {"Size": "CloudFormation", "Colour": "CloudFormation"})
        self.assertEqual((checked.problems, left), ([], {}))

    def test_a_new_gap_is_a_problem(self):
        checked, left = check({"Size": 5})
        self.assertEqual(len(checked.problems), 1)
        self.assertIn("Colour of One", checked.problems[0])
        self.assertEqual(left, {"One": ["Colour"]})
        self.assertEqual(len(check(None)[0].problems), 1)

    def test_a_known_gap_is_none_and_stays_unverified(self):
        checked, left = check({"Size": 5}, Gap("AWS::Some::Thing", "Colour", "it is blind"))
        self.assertEqual((checked.problems, left), ([], {"One": ["Colour"]}))
        checked, left = check(None, Gap("One", WHOLE, "it has none"))
        self.assertEqual((checked.problems, left), ([], {"One": [WHOLE]}))

    def test_a_gap_that_is_not_there_any_more_is_a_problem(self):
        checked, _ = check({"Size": 5, "Colour": "red"}, Gap("AWS::Some::Thing", "Colour", "it was blind"))
        self.assertEqual(len(checked.problems), 1)
        self.assertIn("take that out", checked.problems[0])

    def test_what_is_made_through_the_api_is_read_back(self):
        gap = Gap("AWS::Some::Thing", "Colour", "it is blind", make_red)
        checked, left = check({"Size": 5}, gap)
        self.assertEqual(checked.verified["One"], {"Size": "CloudFormation", "Colour": "API"})
        self.assertEqual((checked.problems, left), ([], {}))
        checked, _ = check(None, Gap("AWS::Some::Thing", WHOLE, "it knows none", make_red))
        self.assertEqual(checked.verified["One"], {"Size": "API", "Colour": "API"})
        in_vain = Gap("AWS::Some::Thing", "Colour", "it is blind", lambda deployed, name: None)
        self.assertEqual(len(check({"Size": 5}, in_vain)[0].problems), 1)


class AgreementTest(unittest.TestCase):
    def test_takes_defaults_order_and_text_for_numbers(self):
        self.assertTrue(agrees({"A": "5", "B": [1, {"C": True}]}, {"A": 5, "B": [{"C": "true", "D": 1}, 1], "E": 2}))

    def test_finds_what_differs(self):
        for wanted, found in [
            ({"A": 1}, {}), ({"A": 1}, {"A": 2}), ({}, None), ([1], [1, 1]), ([1, 1], [1, 2]), ("red", "blue"), (True, False),
        ]:
            self.assertFalse(agrees(wanted, found), (wanted, found))

    def test_makes_routes_of_a_document(self):
        integration = {"type": "aws_proxy", "uri": "arn", "httpMethod": "POST", "payloadFormatVersion": "2.0"}
        document = {"info": {"title": "t"}, "paths": {"/a": {"get": {"x-amazon-apigateway-integration": integration}}}}
        made = comparable({"Body": document})["Body"]
        route = {"type": "AWS_PROXY", "uri": "arn", "method": "POST", "payload": "2.0"}
        self.assertEqual(made, {"routes": {"GET /a": route}, "title": "t", "cors": None})


if __name__ == "__main__":
    unittest.main()
