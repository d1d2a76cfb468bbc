"""The transformed template with every intrinsic function in it worked out, apart from the
stand-ins' own ways of doing so: what a resource must be."""

import re

ACCOUNT = "000000000000"
REGION = "us-east-1"
NOTHING = object()


class Template:
    """A transformed template, and the values of its parameters.

    `reference(logical_id)` and `attribute(logical_id, name)` say what `Ref` and `Fn::GetAtt`
    of a resource are where it was created."""

    def __init__(self, document, given, stack_name):
        self.document = document
        self.given = given
        self.stack_name = stack_name
        self.values = {
            "AWS::AccountId": ACCOUNT,
            "AWS::Partition": "aws",
            "AWS::Region": REGION,
            "AWS::StackName": stack_name,
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::NoValue": NOTHING,
        }
        for name, parameter in document["Parameters"].items():
            value = given.get(name, parameter.get("Default"))
            if value is None:
                raise KeyError(f"the parameter {name} has no default: parameters.py must give it")
            self.values[name] = value

    def refusals(self):
        """Why CloudFormation deploys nothing with these parameters: those that are malformed, by name,
        and what the rules say."""
        parameters = self.document["Parameters"]
        return malformed(parameters, {name: self.values[name] for name in parameters}) + [
            one["AssertDescription"]
            for rule in self.document.get("Rules", {}).values()
            if self.resolve(rule.get("RuleCondition", True), None)
            for one in rule["Assertions"]
            if not self.resolve(one["Assert"], None)
        ]

    def resources(self):
        """What is created with these parameters, by logical id."""
        every = self.document["Resources"].items()
        return {name: one for name, one in every if self.holds(one.get("Condition"))}

    def outputs(self, created):
        """What the stack tells, by name."""
        every = self.document.get("Outputs", {}).items()
        return {name: self.resolve(one["Value"], created) for name, one in every if self.holds(one.get("Condition"))}

    def holds(self, condition):
        if condition is None:
            return True
        return self.resolve(self.document["Conditions"][condition], None)

    def properties(self, logical_id, created):
        """A resource's properties as they must have come out."""
        return self.resolve(self.document["Resources"][logical_id].get("Properties", {}), created)

    def resolve(self, value, created):
        if isinstance(value, list):
            items = [self.resolve(item, created) for item in value]
            return [item for item in items if item is not NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(name, argument)] = value.items()
            if name == "Ref":
                return self.reference(argument, created)
            if name == "Condition" and isinstance(argument, str):
                return self.holds(argument)
            if name.startswith("Fn::"):
                return self.function(name, argument, created)
        items = {key: self.resolve(item, created) for key, item in value.items()}
        return {key: item for key, item in items.items() if item is not NOTHING}

    def reference(self, name, created):
        return self.values[name] if name in self.values else created.reference(name)

    def function(self, name, argument, created):
        if name == "Fn::If":
            condition, yes, no = argument
            return self.resolve(yes if self.holds(condition) else no, created)
        if name == "Fn::GetAtt":
            return created.attribute(*argument)
        if name == "Fn::Sub":
            return self.substitute(argument, created)
        resolved = self.resolve(argument, created)
        if name == "Fn::Join":
            return resolved[0].join(map(str, resolved[1]))
        if name == "Fn::Split":
            return resolved[1].split(resolved[0])
        if name == "Fn::Equals":
            return str(resolved[0]) == str(resolved[1])
        if name == "Fn::Not":
            return not resolved[0]
        if name == "Fn::And":
            return all(resolved)
        if name == "Fn::Or":
            return any(resolved)
        raise NotImplementedError(f"{name} is not worked out here yet")

    def substitute(self, argument, created):
        text, own = argument if isinstance(argument, list) else (argument, {})

        def value(match):
            name = match[1]
            if name in own:
                return str(self.resolve(own[name], created))
            if "." in name:
                return str(created.attribute(*name.split(".", 1)))
            return str(self.reference(name, created))

        return re.sub(r"\$\{([A-Za-z0-9_.:]+)\}", value, text)


def malformed(parameters, values):
    """The names of the values that CloudFormation does not take for those parameters."""
    return [name for name, value in values.items() if not fits(parameters[name], str(value))]


def fits(parameter, value):
    if value not in map(str, parameter.get("AllowedValues", [value])):
        return False
    if parameter.get("Type") == "Number":
        # Each of ours counts whole things.
        number = int(value) if re.fullmatch("[0-9]{1,9}", value) else None
        return number is not None and parameter.get("MinValue", number) <= number <= parameter.get("MaxValue", number)
    return re.fullmatch(parameter.get("AllowedPattern", ".*"), value) is not None


def names_used(value):
    """The resources and parameters that a part of a template refers to, as (name, attribute or None)."""
    if isinstance(value, list):
        return [use for item in value for use in names_used(item)]
    if not isinstance(value, dict):
        return []
    if len(value) == 1:
        [(name, argument)] = value.items()
        if name == "Ref":
            return [(argument, None)]
        if name == "Fn::GetAtt":
            return [tuple(argument)]
        if name == "Fn::Sub":
            text, own = argument if isinstance(argument, list) else (argument, {})
            found = [name.partition(".") for name in re.findall(r"\$\{([A-Za-z0-9_.:]+)\}", text)]
            return [(name, attribute or None) for name, _, attribute in found] + names_used(own)
    return [use for item in value.values() for use in names_used(item)]
