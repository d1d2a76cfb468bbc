import unittest

from check import compare

FOUND = {("CKV_1", "AWS::SNS::Topic.One"): "that topics are so", ("CKV_1", "AWS::SNS::Topic.Two"): "that topics are so"}


def exception(*resources, check="CKV_1"):
    return {"check": check, "resources": list(resources), "reason": "it is so"}


class CompareTest(unittest.TestCase):
    def test_every_finding_needs_an_exception(self):
        self.assertEqual(compare(FOUND, [exception("AWS::SNS::Topic.*")]), [])
        [problem] = compare(FOUND, [exception("AWS::SNS::Topic.One")])
        self.assertIn("AWS::SNS::Topic.Two", problem)
        self.assertEqual(len(compare(FOUND, [])), 2)

    def test_every_exception_needs_a_finding(self):
        [problem] = compare(FOUND, [exception("AWS::SNS::Topic.*", "AWS::SNS::Topic.Three")])
        self.assertIn("AWS::SNS::Topic.Three", problem)
        [problem] = compare({}, [exception("AWS::SNS::Topic.*", check="CKV_2")])
        self.assertIn("CKV_2", problem)


if __name__ == "__main__":
    unittest.main()
