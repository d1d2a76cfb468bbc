"""template.yaml and the API documents, as data."""

import yaml

from stack import ROOT

METHODS = {"get", "put", "post", "delete", "patch", "head", "options", "trace"}


class _Template(yaml.SafeLoader):
    """Reads CloudFormation's `!Ref X` as `{"Ref": "X"}`."""


def _intrinsic(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    return {suffix: loader.construct_mapping(node, deep=True)}


_Template.add_multi_constructor("!", _intrinsic)


def template():
    return yaml.load((ROOT / "template.yaml").read_text(), _Template)


def document(name):
    return yaml.safe_load((ROOT / "docs" / name).read_text())


def routes_of_template(template):
    """`METHOD path` of every HTTP API route and of every Function URL, whose path stands in an output."""
    found = set()
    resources = template["Resources"]
    for resource in resources.values():
        for event in resource.get("Properties", {}).get("Events", {}).values():
            if event["Type"] == "HttpApi":
                properties = event["Properties"]
                found.add(f"{properties['Method'].upper()} {properties['Path']}")
    with_url = {
        name for name, resource in resources.items()
        if "FunctionUrlConfig" in resource.get("Properties", {})
    }
    for output in template["Outputs"].values():
        value = output["Value"]
        text = value.get("Sub", "") if isinstance(value, dict) else ""
        for name in sorted(with_url):
            start = f"${{{name}Url.FunctionUrl}}"
            if text.startswith(start):
                found.add(f"POST /{text.removeprefix(start)}")
                with_url.discard(name)
    assert not with_url, f"no output tells the path of {with_url}"
    return found


def routes_of_openapi(openapi):
    return {
        f"{method.upper()} {path}"
        for path, item in openapi["paths"].items()
        for method in item
        if method in METHODS
    }


def route_keys_of_template(template):
    apis = [
        resource for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Serverless::WebSocketApi"
    ]
    assert len(apis) == 1
    return set(apis[0]["Properties"]["Routes"])


def route_keys_of_asyncapi(asyncapi):
    """Every action that a client may send, and the three routes that API Gateway names itself."""
    actions = {
        message["x-route"]
        for message in asyncapi["components"]["messages"].values()
        if "x-route" in message
    }
    connection = asyncapi["channels"]["live"]["x-routes"]
    return actions | set(connection)
