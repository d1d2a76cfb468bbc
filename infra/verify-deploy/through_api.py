"""What a stand-in's CloudFormation leaves out, made through its API of the same template: each
function takes the deployment and the logical id of a resource."""

import json

import readback
from template import ACCOUNT


def routes(deployed, name):
    """An HTTP API's routes and its CORS, of the OpenAPI document in its `Body`."""
    gateway = deployed.client("apigatewayv2")
    api_id = deployed.ids[name]
    body = readback.comparable(deployed.wanted(name))["Body"]
    cors = {"CorsConfiguration": body["cors"]} if body["cors"] else {}
    gateway.update_api(ApiId=api_id, Name=body["title"], **cors)
    for key, one in body["routes"].items():
        made = gateway.create_integration(
            ApiId=api_id, IntegrationType=one["type"], IntegrationUri=one["uri"],
            IntegrationMethod=one["method"], PayloadFormatVersion=one["payload"],
        )
        gateway.create_route(ApiId=api_id, RouteKey=key, Target="integrations/" + made["IntegrationId"])


def route_settings(deployed, name):
    wanted = deployed.wanted(name)
    # CloudFormation takes numbers as text, the API does not.
    settings = {key: int(value) for key, value in wanted["DefaultRouteSettings"].items()}
    gateway = deployed.client("apigatewayv2")
    gateway.update_stage(ApiId=wanted["ApiId"], StageName=wanted["StageName"], DefaultRouteSettings=settings)


def budget(deployed, name):
    wanted = deployed.wanted(name)
    # CloudFormation names a budget that has no name.
    deployed.ids[name] = f"{deployed.template.stack_name}-{name}"
    limit = {key: str(value) for key, value in wanted["Budget"]["BudgetLimit"].items()}
    deployed.client("budgets").create_budget(
        AccountId=ACCOUNT,
        Budget=wanted["Budget"] | {"BudgetName": deployed.ids[name], "BudgetLimit": limit},
        NotificationsWithSubscribers=wanted["NotificationsWithSubscribers"],
    )


def alarm(deployed, name):
    deployed.ids[name] = f"{deployed.template.stack_name}-{name}"
    wanted = deployed.wanted(name)
    threshold = {"Threshold": float(wanted["Threshold"])}
    deployed.client("cloudwatch").put_metric_alarm(AlarmName=deployed.ids[name], **wanted | threshold)


def metric_filter(deployed, name):
    deployed.ids[name] = f"{deployed.template.stack_name}-{name}"
    wanted = deployed.wanted(name)
    deployed.client("logs").put_metric_filter(
        logGroupName=wanted["LogGroupName"],
        filterName=deployed.ids[name],
        filterPattern=wanted["FilterPattern"],
        metricTransformations=[
            {key[0].lower() + key[1:]: value for key, value in one.items()} for one in wanted["MetricTransformations"]
        ],
    )


def subscription(deployed, name):
    deployed.ids[name] = deployed.client("sns").subscribe(**deployed.wanted(name))["SubscriptionArn"]


def topic_policy(deployed, name):
    wanted = deployed.wanted(name)
    document = json.dumps(wanted["PolicyDocument"])
    for arn in wanted["Topics"]:
        deployed.client("sns").set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=document)
    deployed.ids[name] = f"{deployed.template.stack_name}-{name}"


def time_to_live(deployed, name):
    specification = deployed.wanted(name)["TimeToLiveSpecification"]
    deployed.client("dynamodb").update_time_to_live(
        TableName=deployed.ids[name], TimeToLiveSpecification=specification
    )


def recovery(deployed, name):
    specification = deployed.wanted(name)["PointInTimeRecoverySpecification"]
    deployed.client("dynamodb").update_continuous_backups(
        TableName=deployed.ids[name], PointInTimeRecoverySpecification=specification
    )


def boundary(deployed, name):
    arn = deployed.wanted(name)["PermissionsBoundary"]
    deployed.client("iam").put_role_permissions_boundary(RoleName=deployed.ids[name], PermissionsBoundary=arn)


def managed_policies(deployed, name):
    for arn in deployed.wanted(name)["ManagedPolicyArns"]:
        deployed.client("iam").attach_role_policy(RoleName=deployed.ids[name], PolicyArn=arn)


def concurrency(deployed, name):
    reserved = int(deployed.wanted(name)["ReservedConcurrentExecutions"])
    deployed.client("lambda").put_function_concurrency(
        FunctionName=deployed.ids[name], ReservedConcurrentExecutions=reserved
    )


def recursive_loop(deployed, name):
    allowed = deployed.wanted(name)["RecursiveLoop"]
    deployed.client("lambda").put_function_recursion_config(FunctionName=deployed.ids[name], RecursiveLoop=allowed)


def function_tags(deployed, name):
    functions = deployed.client("lambda")
    arn = functions.get_function_configuration(FunctionName=deployed.ids[name])["FunctionArn"]
    functions.tag_resource(Resource=arn, Tags={one["Key"]: one["Value"] for one in deployed.wanted(name)["Tags"]})
