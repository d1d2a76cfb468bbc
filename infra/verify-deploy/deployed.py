"""The stack on a stand-in: created through CloudFormation, what that leaves out through the API,
and read back."""

import json

import botocore.exceptions

import gaps
import readback
from template import names_used
from zips import BUCKET

TEMPLATE_KEY = "template.json"
SECONDS_TO_CREATE = 300


class Deployed:
    """The resources that a stand-in has of a template."""

    def __init__(self, server, template, known_gaps, borrowed, code):
        self.server = server
        self.template = template
        self.gaps = known_gaps
        # Another stand-in's deployment, where references to what was left out lead.
        self.borrowed = borrowed
        # Keys of zips, by their digests.
        self.code = code
        self.clients = {}
        self.ids = {}
        self.outputs = {}
        self.read = {}

    def client(self, service):
        if service not in self.clients:
            self.clients[service] = self.server.client(service)
        return self.clients[service]

    def known(self):
        """What its CloudFormation takes, by logical id."""
        every = self.template.resources().items()
        return {name: one for name, one in every if not gaps.of(self.gaps, name, one["Type"], gaps.WHOLE)}

    def create(self):
        name = self.template.stack_name
        cloudformation = self.client("cloudformation")
        given = self.template.given.items()
        cloudformation.create_stack(
            StackName=name,
            TemplateURL=self.upload_template(),
            Parameters=[{"ParameterKey": key, "ParameterValue": str(value)} for key, value in given],
            Capabilities=["CAPABILITY_IAM"],
        )
        self.await_stack(cloudformation, name)
        for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=name):
            for one in page["StackResourceSummaries"]:
                self.ids[one["LogicalResourceId"]] = one["PhysicalResourceId"]
        [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
        self.outputs = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}

    def upload_template(self):
        document = self.template.document | {"Resources": self.known()}
        if self.borrowed:
            document = self.lend(document)
        # Too long to be sent with the request, as on AWS.
        self.client("s3").put_object(Bucket=BUCKET, Key=TEMPLATE_KEY, Body=json.dumps(document))
        return self.server.s3_url(BUCKET, TEMPLATE_KEY)

    def await_stack(self, cloudformation, name):
        waiter = cloudformation.get_waiter("stack_create_complete")
        try:
            waiter.wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": SECONDS_TO_CREATE})
        except botocore.exceptions.WaiterError as error:
            events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
            failed = [one for one in events if "FAILED" in one["ResourceStatus"]]
            reasons = [f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason')}" for one in failed]
            raise RuntimeError("the stack was not created:\n" + "\n".join(reasons)) from error

    def lend(self, document):
        """The document with what refers to resources that are left out replaced by what they are elsewhere."""
        gone = set(self.template.resources()) - set(self.known())
        text = json.dumps(document)
        for name, attribute in {use for use in names_used(document) if use[0] in gone}:
            value = self.borrowed.attribute(name, attribute) if attribute else self.borrowed.reference(name)
            written = json.dumps({"Fn::GetAtt": [name, attribute]} if attribute else {"Ref": name})
            text = text.replace(written, json.dumps(value))
            text = text.replace("${" + ".".join(filter(None, (name, attribute))) + "}", value)
        return json.loads(text)

    def reference(self, name):
        if name in self.ids:
            return self.ids[name]
        if self.borrowed:
            return self.borrowed.reference(name)
        raise LookupError(f"{name} was not created")

    def attribute(self, name, attribute):
        if name not in self.ids and self.borrowed:
            return self.borrowed.attribute(name, attribute)
        _, attributes = self.read_back(name)
        return attributes[attribute]

    def wanted(self, name):
        return self.template.properties(name, self)

    def read_back(self, name):
        """A resource's properties and attributes as the stand-in tells them now."""
        if name not in self.read:
            kind = self.template.document["Resources"][name]["Type"]
            reader = readback.READERS.get(kind)
            if not reader:
                raise LookupError(f"readback.py cannot read {kind}")
            self.read[name] = reader(self, self.ids[name], self.wanted(name))
        return self.read[name]

    def code_of(self, sha256):
        """Where the zip with that digest was put, as a template names it."""
        key = self.code.get(sha256)
        return key and {"S3Bucket": BUCKET, "S3Key": key}

    def differences(self, name):
        """Each property of a resource, and why it is not as the template has it: None where it is."""
        if name not in self.ids:
            return {gaps.WHOLE: "not created"}
        self.read.pop(name, None)
        try:
            found, _ = self.read_back(name)
        except (botocore.exceptions.ClientError, LookupError) as error:
            return {gaps.WHOLE: f"cannot be read: {error}"}
        result = {}
        for key, value in readback.comparable(self.wanted(name)).items():
            if key not in found:
                result[key] = "not told"
            elif readback.agrees(value, found[key]):
                result[key] = None
            else:
                result[key] = f"{json.dumps(found[key], default=str)} instead of {json.dumps(value)}"
        return result or {"(that it is there)": None}

    def output_differences(self):
        """The outputs that are not what the template makes of the resources, with why."""
        wanted = self.template.outputs(self)
        names = sorted(set(wanted) | set(self.outputs))
        told = {name: (self.outputs.get(name), wanted.get(name)) for name in names}
        return {name: f"{found} instead of {value}" for name, (found, value) in told.items() if found != value}
