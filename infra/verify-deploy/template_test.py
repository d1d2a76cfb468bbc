import unittest

from template import Template, malformed, names_used


class Created:
    """Resources that exist by saying so."""

    def reference(self, name):
        return f"<{name}>"

    def attribute(self, name, attribute):
        return f"<{name}.{attribute}>"


def template(properties, given=None):
    document = {
        "Parameters": {"Name": {"Default": ""}, "Count": {"Default": 3}},
        "Conditions": {
            "HasName": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Name"}, ""]}]},
            "HasThree": {"Fn::And": [{"Condition": "HasName"}, {"Fn::Equals": [{"Ref": "Count"}, "3"]}]},
        },
        "Resources": {"One": {"Type": "T", "Properties": properties}, "Named": {"Type": "T", "Condition": "HasName"}},
    }
    return Template(document, given or {}, "a-stack")


def resolved(properties, given=None):
    return template(properties, given).properties("One", Created())


class TemplateTest(unittest.TestCase):
    def test_resolves_references(self):
        value = {"A": {"Ref": "Count"}, "B": {"Ref": "Named"}, "C": {"Fn::GetAtt": ["Named", "Arn"]}}
        self.assertEqual(resolved(value), {"A": 3, "B": "<Named>", "C": "<Named.Arn>"})

    def test_substitutes(self):
        value = {"A": {"Fn::Sub": "${AWS::Region}/${Named}/${Named.Arn}/${AWS::StackName}"}}
        self.assertEqual(resolved(value), {"A": "us-east-1/<Named>/<Named.Arn>/a-stack"})
        own = {"A": {"Fn::Sub": ["${X}-${Count}", {"X": {"Ref": "Named"}}]}}
        self.assertEqual(resolved(own), {"A": "<Named>-3"})

    def test_chooses_by_conditions(self):
        value = {"A": {"Fn::If": ["HasThree", 1, {"Ref": "AWS::NoValue"}]}, "B": [{"Fn::If": ["HasName", 1, 2]}]}
        self.assertEqual(resolved(value), {"B": [2]})
        self.assertEqual(resolved(value, {"Name": "n"}), {"A": 1, "B": [1]})
        self.assertEqual(set(template({}).resources()), {"One"})
        self.assertEqual(set(template({}, {"Name": "n"}).resources()), {"One", "Named"})

    def test_tells_why_nothing_is_deployed(self):
        def refusals(**given):
            one = template({}, given)
            one.document["Parameters"]["Name"]["AllowedPattern"] = "^(n|m)?$"
            one.document["Rules"] = {
                "Plain": {"Assertions": [{"Assert": {"Fn::Equals": [{"Ref": "Name"}, "n"]}, "AssertDescription": "n, please"}]},
                "OfThree": {
                    "RuleCondition": {"Fn::Equals": [{"Ref": "Count"}, "3"]},
                    "Assertions": [{"Assert": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Name"}, ""]}]}, "AssertDescription": "3 needs a name"}],
                },
            }
            return one.refusals()

        self.assertEqual(refusals(Name="n"), [])
        self.assertEqual(refusals(), ["n, please", "3 needs a name"])
        self.assertEqual(refusals(Count=4), ["n, please"])
        self.assertEqual(refusals(Name="no"), ["Name", "n, please"])

    def test_tells_what_is_malformed(self):
        number = {"Type": "Number", "MinValue": 1, "MaxValue": 3}
        parameters = {"Any": {}, "Text": {"AllowedPattern": "^a*$"}, "One": {"AllowedValues": [1, "b"]}, "Number": number}
        for name, taken, refused in [
            ("Any", ["", "a"], []), ("Text", ["", "aa"], ["b"]), ("One", ["1", 1, "b"], ["", "2"]),
            ("Number", ["1", 3], ["", "x", 0, "4", "2.5", "1_0", " 2", "inf"]),
        ]:
            for value in taken + refused:
                self.assertEqual(malformed(parameters, {name: value}), [name] if value in refused else [], (name, value))

    def test_tells_the_outputs_that_there_are(self):
        one = template({}, {"Name": "n"})
        one.document["Outputs"] = {"A": {"Value": {"Ref": "One"}}, "B": {"Value": 1, "Condition": "HasName"}}
        self.assertEqual(one.outputs(Created()), {"A": "<One>", "B": 1})
        one.values["Name"] = ""
        self.assertEqual(one.outputs(Created()), {"A": "<One>"})

    def test_joins_and_splits(self):
        value = {"A": {"Fn::Join": ["/", ["a", {"Ref": "Count"}]]}, "B": {"Fn::Split": [",", "a,b"]}}
        self.assertEqual(resolved(value), {"A": "a/3", "B": ["a", "b"]})

    def test_says_what_it_cannot_do(self):
        with self.assertRaisesRegex(NotImplementedError, "Fn::Cidr"):
            resolved({"A": {"Fn::Cidr": []}})
        with self.assertRaisesRegex(KeyError, "Missing"):
            Template({"Parameters": {"Missing": {}}, "Resources": {}}, {}, "a-stack")

    def test_finds_the_names_in_use(self):
        text = {"Fn::Sub": ["${Z.Url}-${V}", {"V": {"Ref": "W"}}]}
        value = {"A": {"Ref": "X"}, "B": [{"Fn::GetAtt": ["Y", "Arn"]}], "C": text}
        self.assertEqual(set(names_used(value)), {("X", None), ("Y", "Arn"), ("Z", "Url"), ("V", None), ("W", None)})


if __name__ == "__main__":
    unittest.main()
