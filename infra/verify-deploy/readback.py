"""What a stand-in says a resource is, in the words of its template: for each type, a function
that gives properties and the attributes that `Fn::GetAtt` asks for.

A property that a stand-in does not tell is left out, never made up."""

import json

import botocore.exceptions

from template import ACCOUNT


def only(items, what):
    items = list(items)
    if len(items) != 1:
        raise LookupError(f"{len(items)} of {what}")
    return items[0]


def present(properties):
    """Without what the stand-in did not tell."""
    return {name: value for name, value in properties.items() if value is not None}


def tags(pairs):
    """Those that the template gives; CloudFormation adds its own."""
    return [{"Key": key, "Value": value} for key, value in pairs.items() if not key.startswith("aws:")]


def table(created, name, _):
    dynamodb = created.client("dynamodb")
    found = dynamodb.describe_table(TableName=name)["Table"]
    lifetime = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    recovery = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
    properties = {
        "AttributeDefinitions": found["AttributeDefinitions"],
        "KeySchema": found["KeySchema"],
        "BillingMode": found.get("BillingModeSummary", {}).get("BillingMode"),
        "DeletionProtectionEnabled": found.get("DeletionProtectionEnabled"),
        "TimeToLiveSpecification": {
            "AttributeName": lifetime.get("AttributeName"),
            "Enabled": lifetime["TimeToLiveStatus"] == "ENABLED",
        },
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": recovery == "ENABLED"},
    }
    return present(properties), {"Arn": found["TableArn"]}


def queue(created, url, _):
    found = created.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    redrive = found.get("RedrivePolicy")
    properties = {
        name: found.get(name) for name in ("VisibilityTimeout", "MessageRetentionPeriod", "SqsManagedSseEnabled")
    } | {"RedrivePolicy": redrive and json.loads(redrive)}
    return present(properties), {"Arn": found["QueueArn"], "QueueName": url.rsplit("/", 1)[1]}


def log_group(created, name, _):
    groups = created.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    found = only((group for group in groups if group["logGroupName"] == name), name)
    # With the `:*` that CloudFormation's attribute has.
    arn = found["arn"] if found["arn"].endswith(":*") else found["arn"] + ":*"
    return present({"RetentionInDays": found.get("retentionInDays")}), {"Arn": arn}


def metric_filter(created, name, wanted):
    logs = created.client("logs")
    # The filter's id is its name; some stand-ins put the group before it.
    name = name.split("|")[-1]
    filters = logs.describe_metric_filters(logGroupName=wanted["LogGroupName"])["metricFilters"]
    found = only((one for one in filters if one["filterName"] == name), name)
    properties = {
        "LogGroupName": found.get("logGroupName"),
        "FilterPattern": found["filterPattern"],
        "MetricTransformations": [
            {key[0].upper() + key[1:]: value for key, value in one.items()}
            for one in found["metricTransformations"]
        ],
    }
    return present(properties), {}


def role(created, name, _):
    iam = created.client("iam")
    found = iam.get_role(RoleName=name)["Role"]
    names = iam.list_role_policies(RoleName=name)["PolicyNames"]
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    policies = [
        {"PolicyName": policy, "PolicyDocument": iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]}
        for policy in names
    ]
    properties = {
        "AssumeRolePolicyDocument": found["AssumeRolePolicyDocument"],
        "Policies": policies,
        "ManagedPolicyArns": [policy["PolicyArn"] for policy in attached],
        "PermissionsBoundary": found.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
        "Tags": tags({one["Key"]: one["Value"] for one in iam.list_role_tags(RoleName=name)["Tags"]}),
    }
    return present(properties), {"Arn": found["Arn"]}


def managed_policy(created, arn, _):
    iam = created.client("iam")
    found = iam.get_policy(PolicyArn=arn)["Policy"]
    version = iam.get_policy_version(PolicyArn=arn, VersionId=found["DefaultVersionId"])["PolicyVersion"]
    return present({"Description": found.get("Description"), "PolicyDocument": version["Document"]}), {}


def function(created, name, wanted):
    functions = created.client("lambda")
    found = functions.get_function(FunctionName=name)
    configuration = found["Configuration"]
    reserved = found.get("Concurrency", {}).get("ReservedConcurrentExecutions")
    same = ("Architectures", "Environment", "Handler", "LoggingConfig", "MemorySize", "Role", "Runtime", "Timeout")
    properties = {key: configuration.get(key) for key in same} | {
        "TracingConfig": configuration.get("TracingConfig"),
        # By what Lambda shows of the bytes: the zip that these were built as.
        "Code": created.code_of(configuration["CodeSha256"]),
        "ReservedConcurrentExecutions": reserved,
        "Tags": tags(found.get("Tags", {})),
    }
    if "RecursiveLoop" in wanted:
        properties["RecursiveLoop"] = recursive_loop(functions, name)
    return present(properties), {"Arn": configuration["FunctionArn"]}


def recursive_loop(functions, name):
    try:
        return functions.get_function_recursion_config(FunctionName=name)["RecursiveLoop"]
    except botocore.exceptions.ClientError:
        return None


def function_url(created, name, wanted):
    found = created.client("lambda").get_function_url_config(FunctionName=wanted["TargetFunctionArn"])
    properties = {"AuthType": found["AuthType"], "TargetFunctionArn": found["FunctionArn"].split(":")[6]}
    return properties, {"FunctionUrl": found["FunctionUrl"]}


def permission(created, _, wanted):
    policy = created.client("lambda").get_policy(FunctionName=wanted["FunctionName"])["Policy"]
    found = [granted(statement, wanted["FunctionName"]) for statement in json.loads(policy)["Statement"]]
    # A statement's name is CloudFormation's own, so the permission is the one most like it.
    return max(found, key=lambda one: sum(one.get(name) == value for name, value in wanted.items())), {}


def granted(statement, name):
    """A statement of a function's policy as the permission that it came from; the function is
    called by `name`, an ARN or its end."""
    conditions = {key.lower(): value for group in statement.get("Condition", {}).values() for key, value in group.items()}
    principal = statement["Principal"]
    by_url = conditions.get("lambda:invokedviafunctionurl")
    properties = {
        "Action": statement["Action"],
        "Principal": principal.get("Service", principal.get("AWS")) if isinstance(principal, dict) else principal,
        "FunctionName": name if statement["Resource"].endswith(name) else statement["Resource"],
        "SourceArn": conditions.get("aws:sourcearn"),
        "FunctionUrlAuthType": conditions.get("lambda:functionurlauthtype"),
        "InvokedViaFunctionUrl": None if by_url is None else str(by_url).lower() == "true",
    }
    return present(properties)


def event_source(created, uuid, _):
    found = created.client("lambda").get_event_source_mapping(UUID=uuid)
    properties = {name: found.get(name) for name in ("BatchSize", "EventSourceArn", "FunctionResponseTypes")}
    return present(properties | {"FunctionName": found["FunctionArn"].split(":")[6]}), {}


def api(created, api_id, wanted):
    gateway = created.client("apigatewayv2")
    found = gateway.get_api(ApiId=api_id)
    properties = {name: found.get(name) for name in ("Name", "ProtocolType", "RouteSelectionExpression", "Tags")}
    if "Body" in wanted:
        properties["Body"] = routes(gateway, api_id) | {"title": found["Name"], "cors": found.get("CorsConfiguration")}
    return present(properties), {"ApiId": api_id, "ApiEndpoint": found["ApiEndpoint"]}


def routes(gateway, api_id):
    integrations = {one["IntegrationId"]: one for one in gateway.get_integrations(ApiId=api_id)["Items"]}
    found = {}
    for one in gateway.get_routes(ApiId=api_id)["Items"]:
        integration = integrations[one["Target"].removeprefix("integrations/")]
        found[one["RouteKey"]] = {
            "type": integration["IntegrationType"],
            "uri": integration["IntegrationUri"],
            "method": integration.get("IntegrationMethod"),
            "payload": integration.get("PayloadFormatVersion"),
        }
    return {"routes": found}


def body(document):
    """What API Gateway makes of an OpenAPI document, in the form of `routes`."""
    found = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            integration = operation["x-amazon-apigateway-integration"]
            found[f"{method.upper()} {path}"] = {
                "type": integration["type"].upper(),
                "uri": integration["uri"],
                "method": integration["httpMethod"],
                "payload": integration["payloadFormatVersion"],
            }
    cors = document.get("x-amazon-apigateway-cors")
    cors = cors and {key[0].upper() + key[1:]: value for key, value in cors.items()}
    return {"routes": found, "title": document["info"]["title"], "cors": cors}


def stage(created, name, wanted):
    gateway = created.client("apigatewayv2")
    found = gateway.get_stage(ApiId=wanted["ApiId"], StageName=wanted["StageName"])
    names = ("AutoDeploy", "DefaultRouteSettings", "StageName", "Tags", "AccessLogSettings")
    return present({key: found.get(key) for key in names} | {"ApiId": wanted["ApiId"]}), {}


def route(created, _, wanted):
    every = created.client("apigatewayv2").get_routes(ApiId=wanted["ApiId"])["Items"]
    found = only((one for one in every if one["RouteKey"] == wanted["RouteKey"]), wanted["RouteKey"])
    return present({name: found.get(name) for name in ("RouteKey", "Target")} | {"ApiId": wanted["ApiId"]}), {}


def integration(created, integration_id, wanted):
    gateway = created.client("apigatewayv2")
    found = gateway.get_integration(ApiId=wanted["ApiId"], IntegrationId=integration_id)
    names = ("IntegrationType", "IntegrationUri")
    return present({name: found.get(name) for name in names} | {"ApiId": wanted["ApiId"]}), {}


def domain(created, name, _):
    found = created.client("apigatewayv2").get_domain_name(DomainName=name)
    configurations = found["DomainNameConfigurations"]
    shown = [{key: one.get(key) for key in ("CertificateArn", "EndpointType", "SecurityPolicy")} for one in configurations]
    attributes = {
        "RegionalDomainName": configurations[0]["ApiGatewayDomainName"],
        "RegionalHostedZoneId": configurations[0].get("HostedZoneId"),
    }
    return {"DomainName": found["DomainName"], "DomainNameConfigurations": shown}, attributes


def mapping(created, mapping_id, wanted):
    gateway = created.client("apigatewayv2")
    found = gateway.get_api_mapping(ApiMappingId=mapping_id, DomainName=wanted["DomainName"])
    return {name: found[name] for name in ("ApiId", "Stage")} | {"DomainName": wanted["DomainName"]}, {}


def record(created, _, wanted):
    route53 = created.client("route53")
    every = route53.list_resource_record_sets(HostedZoneId=wanted["HostedZoneId"])["ResourceRecordSets"]
    named = (one for one in every if one["Name"].rstrip(".") == wanted["Name"] and one["Type"] == wanted["Type"])
    found = only(named, wanted["Name"])
    target = found["AliasTarget"]
    properties = {
        "HostedZoneId": wanted["HostedZoneId"],
        "Name": found["Name"].rstrip("."),
        "Type": found["Type"],
        "AliasTarget": {"DNSName": target["DNSName"].rstrip("."), "HostedZoneId": target["HostedZoneId"]},
    }
    return properties, {}


def topic(created, arn, _):
    found = created.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]
    return present({"KmsMasterKeyId": found.get("KmsMasterKeyId")}), {"TopicArn": found["TopicArn"]}


def topic_policy(created, _, wanted):
    sns = created.client("sns")
    policies = [sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"] for arn in wanted["Topics"]]
    return {"Topics": wanted["Topics"], "PolicyDocument": json.loads(only(set(policies), "policies"))}, {}


def subscription(created, _, wanted):
    every = created.client("sns").list_subscriptions_by_topic(TopicArn=wanted["TopicArn"])["Subscriptions"]
    found = only(every, "subscriptions")
    return {name: found[name] for name in ("TopicArn", "Protocol", "Endpoint")}, {}


def alarm(created, name, wanted):
    found = only(created.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"], name)
    return {key: found[key] for key in wanted if key in found}, {}


def dashboard(created, name, _):
    found = created.client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"]
    return {"DashboardBody": json.loads(found)}, {}


def budget(created, name, _):
    budgets = created.client("budgets")
    found = budgets.describe_budget(AccountId=ACCOUNT, BudgetName=name)["Budget"]
    subscribed = []
    for one in budgets.describe_notifications_for_budget(AccountId=ACCOUNT, BudgetName=name)["Notifications"]:
        people = budgets.describe_subscribers_for_notification(AccountId=ACCOUNT, BudgetName=name, Notification=one)
        subscribed.append({"Notification": one, "Subscribers": people["Subscribers"]})
    return {"Budget": found, "NotificationsWithSubscribers": subscribed}, {}


READERS = {
    "AWS::ApiGatewayV2::Api": api,
    "AWS::ApiGatewayV2::ApiMapping": mapping,
    "AWS::ApiGatewayV2::DomainName": domain,
    "AWS::ApiGatewayV2::Integration": integration,
    "AWS::ApiGatewayV2::Route": route,
    "AWS::ApiGatewayV2::Stage": stage,
    "AWS::Budgets::Budget": budget,
    "AWS::CloudWatch::Alarm": alarm,
    "AWS::CloudWatch::Dashboard": dashboard,
    "AWS::DynamoDB::Table": table,
    "AWS::IAM::ManagedPolicy": managed_policy,
    "AWS::IAM::Role": role,
    "AWS::Lambda::EventSourceMapping": event_source,
    "AWS::Lambda::Function": function,
    "AWS::Lambda::Permission": permission,
    "AWS::Lambda::Url": function_url,
    "AWS::Logs::LogGroup": log_group,
    "AWS::Logs::MetricFilter": metric_filter,
    "AWS::Route53::RecordSet": record,
    "AWS::SNS::Subscription": subscription,
    "AWS::SNS::Topic": topic,
    "AWS::SNS::TopicPolicy": topic_policy,
    "AWS::SQS::Queue": queue,
}


def comparable(properties):
    """Texts of JSON as JSON, and an OpenAPI document as what is made of it."""
    shown = dict(properties)
    if "Body" in shown:
        shown["Body"] = body(shown["Body"])
    if isinstance(shown.get("DashboardBody"), str):
        shown["DashboardBody"] = json.loads(shown["DashboardBody"])
    return shown


def agrees(wanted, found):
    """Whether what is wanted was found. Objects may have more, which are defaults; lists may
    be in another order; CloudFormation takes "5" for 5."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            name in found and agrees(value, found[name]) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        if not isinstance(found, list) or len(wanted) != len(found):
            return False
        left = list(found)
        for item in wanted:
            match = next((one for one in left if agrees(item, one)), None)
            if match is None:
                return False
            left.remove(match)
        return True
    return plain(wanted) == plain(found)


def plain(value):
    if isinstance(value, bool):
        return str(value).lower()
    try:
        return float(value)
    except (TypeError, ValueError):
        return value
