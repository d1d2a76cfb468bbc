"""What the stand-ins do not do of the template, each with its reason. A gap that is not here fails
the run, and so does one that is here and is not there any more.

What can be made good through the stand-in's API says by which function of `through_api`."""

from dataclasses import dataclass

import through_api

WHOLE = "(all)"


@dataclass(frozen=True)
class Gap:
    """Resources of a type, or of that logical id, that do not get one property, or do not exist."""

    of: str
    property: str
    why: str
    make: object = None


METRIC_MATH = "its CloudFormation refuses alarms of several metrics, and its API loses the metrics"
DROPPED = "its CloudFormation takes the property and drops it"

MINISTACK = [
    Gap("AWS::ApiGatewayV2::Api", "Body", "its CloudFormation does not read OpenAPI documents", through_api.routes),
    Gap("AWS::ApiGatewayV2::Stage", "DefaultRouteSettings", DROPPED, through_api.route_settings),
    Gap("AWS::Budgets::Budget", WHOLE, "its CloudFormation does not know the type", through_api.budget),
    Gap("CallsPerHourAlarm", WHOLE, METRIC_MATH),
    Gap("LateDeadlinesAlarm", WHOLE, METRIC_MATH),
    Gap("SocketErrorsAlarm", WHOLE, METRIC_MATH),
    Gap("SocketMessagesAlarm", WHOLE, METRIC_MATH),
    Gap("TableErrorsAlarm", WHOLE, METRIC_MATH),
    Gap("TableThrottlesAlarm", WHOLE, METRIC_MATH),
    Gap("WebhookErrorsAlarm", WHOLE, METRIC_MATH),
    Gap("AWS::DynamoDB::Table", "PointInTimeRecoverySpecification", DROPPED, through_api.recovery),
    Gap("AWS::DynamoDB::Table", "TimeToLiveSpecification", DROPPED, through_api.time_to_live),
    Gap("AWS::IAM::Role", "PermissionsBoundary", DROPPED, through_api.boundary),
    Gap("AWS::Lambda::Function", "RecursiveLoop", DROPPED, through_api.recursive_loop),
    Gap("AWS::Lambda::Function", "ReservedConcurrentExecutions", DROPPED, through_api.concurrency),
]

UNKNOWN = "moto's CloudFormation does not know the type"
NO_VERSION = "its CloudFormation keeps a document as Python's text of it, and its API wants a Version, which IAM does not"

MOTO = [
    Gap("AWS::ApiGatewayV2::Api", WHOLE, UNKNOWN),
    Gap("AWS::ApiGatewayV2::ApiMapping", WHOLE, UNKNOWN),
    Gap("AWS::ApiGatewayV2::DomainName", WHOLE, UNKNOWN),
    Gap("AWS::ApiGatewayV2::Integration", WHOLE, UNKNOWN),
    Gap("AWS::ApiGatewayV2::Route", WHOLE, UNKNOWN),
    Gap("AWS::ApiGatewayV2::Stage", WHOLE, UNKNOWN),
    Gap("AWS::Budgets::Budget", WHOLE, UNKNOWN),
    Gap("AWS::CloudWatch::Alarm", WHOLE, UNKNOWN, through_api.alarm),
    Gap("AWS::DynamoDB::Table", "PointInTimeRecoverySpecification", DROPPED, through_api.recovery),
    Gap("AWS::DynamoDB::Table", "TimeToLiveSpecification", DROPPED, through_api.time_to_live),
    Gap("AWS::IAM::ManagedPolicy", "PolicyDocument", "a log group's Arn ends without `:*` there"),
    Gap("AWS::IAM::Role", "ManagedPolicyArns", DROPPED, through_api.managed_policies),
    Gap("AWS::IAM::Role", "Policies", NO_VERSION),
    Gap("AWS::Lambda::Function", "LoggingConfig", "it does not tell"),
    Gap("AWS::Lambda::Function", "RecursiveLoop", "it does not tell"),
    Gap("AWS::Lambda::Function", "Tags", DROPPED, through_api.function_tags),
    Gap("AWS::Lambda::Function", "TracingConfig", "it says PassThrough whatever was given"),
    Gap("AWS::Lambda::Permission", "FunctionUrlAuthType", DROPPED),
    Gap("AWS::Lambda::Permission", "InvokedViaFunctionUrl", DROPPED),
    Gap("AWS::Lambda::Url", WHOLE, UNKNOWN),
    Gap("AWS::Logs::MetricFilter", WHOLE, UNKNOWN, through_api.metric_filter),
    Gap("AWS::SNS::Subscription", WHOLE, UNKNOWN, through_api.subscription),
    Gap("AWS::SNS::TopicPolicy", WHOLE, UNKNOWN, through_api.topic_policy),
]


def of(known, name, kind, prop):
    """The gap that is known of a resource's property, or None."""
    return next((gap for gap in known if gap.property == prop and gap.of in (name, kind)), None)
