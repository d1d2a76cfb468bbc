#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

const BASE: &str = "http://127.0.0.1:3000";

fn addresses() -> Addresses {
    Addresses {
        http: BASE.into(),
        websocket: "ws://127.0.0.1:3001".into(),
        queues: "http://127.0.0.1:3003".into(),
    }
}

fn local(name: &str) -> Option<String> {
    let mut settings = crate::settings::Settings::default();
    settings.set_defaults(BASE, None);
    settings.get(name).map(str::to_owned)
}

fn snippet(text: &str) -> Result<Plan, Error> {
    Template::parse(text)?.resolve(|_| None, &addresses())
}

fn message(result: Result<Plan, Error>) -> String {
    result.unwrap_err().to_string()
}

fn function(properties: &str) -> String {
    format!(
        "Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      \
         CodeUri: f\n{properties}"
    )
}

#[test]
fn the_real_template_makes_a_plan() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    let template = Template::read(&path).unwrap();
    let without_origins = |name: &str| local(name).filter(|_| name != "CORS_ORIGINS");
    let plan = template.resolve(without_origins, &addresses()).unwrap();
    assert_eq!(plan.cors, None, "unless CORS_ORIGINS names some");

    let plan = template.resolve(local, &addresses()).unwrap();
    let origins = ["http://127.0.0.1:3000", "http://localhost:3000"];
    assert_eq!(plan.cors.unwrap().allow_origins, origins, "the demo apps'");
    let connect = plan.functions.iter().find(|f| f.binary == "connect");
    let connect = connect.unwrap();
    assert_eq!(connect.id, "ConnectFunction");
    assert_eq!(connect.url_paths, ["/api/v1/call/connect"]);
    assert_eq!(plan.url_paths["ConnectUrl"], "/api/v1/call/connect");
    assert_eq!(connect.environment["TAGS_TABLE"], "TagsTable");
    assert_eq!(connect.environment["PUBLIC_BASE_URL"], BASE);
    assert_eq!(connect.environment["RING_TIMEOUT_SECONDS"], "30");
    assert_eq!(
        connect.environment["STATUS_URL"],
        "http://127.0.0.1:3000/api/v1/call/status"
    );

    let history = plan.functions.iter().find(|f| f.binary == "history");
    let history = history.unwrap();
    assert_eq!(history.routes.len(), 1);
    assert_eq!(history.routes[0].method, "GET");
    assert_eq!(history.routes[0].path, "/api/v1/call/{shortCode}/history");
    assert!(history.url_paths.is_empty());

    let tags = plan.tables.iter().find(|t| t.name == "TagsTable").unwrap();
    assert_eq!(tags.ttl_attribute, None);
    assert_eq!(tags.create["KeySchema"][0]["AttributeName"], "pk");
    assert_eq!(tags.create.get("DeletionProtectionEnabled"), None);
    let calls = plan.tables.iter().find(|t| t.name == "CallsTable").unwrap();
    assert_eq!(calls.ttl_attribute.as_deref(), Some("expiresAt"));
}

#[test]
fn globals_and_both_forms_of_every_intrinsic() {
    let text = "
Parameters:
  SomeName: { Type: String, Default: value }
Globals:
  Function:
    Timeout: 7
    Environment:
      Variables: { SHARED: !Ref SomeName, OWN: global }
Resources:
  Things:
    Type: AWS::DynamoDB::Table
    Properties: { BillingMode: PAY_PER_REQUEST }
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/f
      MemorySize: 256
      FunctionUrlConfig: { AuthType: NONE }
      Environment:
        Variables:
          OWN: 5
          LONG_REF: { Ref: Things }
          LONG_SUB: { 'Fn::Sub': '${SomeName}/${!Kept}/${Things.Arn}' }
          LONG_ATT: { 'Fn::GetAtt': [Things, Arn] }
          URL: !GetAtt FUrl.FunctionUrl
      Events:
        Any: { Type: HttpApi, Properties: { Method: '*', Path: '/x/{y}' } }
Outputs:
  Url: { Value: !Sub '${FUrl.FunctionUrl}hook' }
";
    let plan = snippet(text).unwrap();
    let f = &plan.functions[0];
    let arn = "arn:aws:dynamodb:us-east-1:123456789012:table/Things";
    assert_eq!(f.timeout, Duration::from_secs(7));
    assert_eq!(f.memory_mb, 256);
    assert_eq!(f.environment["SHARED"], "value");
    assert_eq!(f.environment["OWN"], "5");
    assert_eq!(f.environment["LONG_REF"], "Things");
    assert_eq!(f.environment["LONG_ATT"], arn);
    assert_eq!(f.environment["LONG_SUB"], format!("value/${{Kept}}/{arn}"));
    assert_eq!(f.environment["URL"], "http://127.0.0.1:3000/");
    assert_eq!(f.routes[0].method, "ANY");
    assert_eq!(f.url_paths, ["/hook"]);
}

fn sockets(properties: &str) -> String {
    let function = function("");
    format!(
        "{function}\n  W:\n    Type: AWS::Serverless::WebSocketApi\n    Properties:\n      \
         RouteSelectionExpression: $request.body.action\n{properties}"
    )
}

fn queue(properties: &str) -> String {
    let function = function(&format!(
        "      Events:\n       Q:\n        Type: SQS\n        Properties:\n         \
         Queue: !GetAtt Q.Arn\n {properties}"
    ));
    format!(
        "{function}\n  Q:\n    Type: AWS::SQS::Queue\n    Properties:\n      VisibilityTimeout: 3"
    )
}

#[test]
fn a_websocket_api_has_a_stage_and_functions_behind_its_routes() {
    let text = "
      Routes:
        $connect: { FunctionArn: !GetAtt F.Arn }
        callInitiate: { FunctionArn: !Sub '${F.Arn}' }";
    let arn = "arn:aws:execute-api:us-east-1:123456789012:local";
    for (stage, reference) in [
        ("", "WDefaultStage"),
        ("\n      StageName: default", "WDefaultStage"),
        ("\n      StageName: live", "WliveStage"),
        ("\n      StageName: !Ref AWS::StackName", "WStage"),
    ] {
        let environment = format!(
            "CodeUri: f
      Environment:
        Variables:
          URL: !Sub ${{W.ApiEndpoint}}/${{{reference}}}
          ARN: !Sub arn:${{AWS::Partition}}:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:${{W}}/x"
        );
        let text = sockets(&format!("{text}{stage}")).replacen("CodeUri: f", &environment, 1);
        let plan = snippet(&text).unwrap();
        let api = plan.websocket.unwrap();
        assert_eq!(api.selector, "action");
        let routes: Vec<_> = api.routes.keys().collect();
        assert_eq!(routes, ["$connect", "callInitiate"]);
        assert_eq!(api.routes["callInitiate"], "F");
        let environment = &plan.functions[0].environment;
        assert_eq!(
            environment["URL"],
            format!("ws://127.0.0.1:3001/{}", api.stage)
        );
        assert_eq!(environment["ARN"], format!("{arn}/x"));
    }
}

#[test]
fn conditions_choose_between_values() {
    let text = "
Parameters:
  CorsOrigins: { Type: String, Default: '' }
Conditions:
  HasCorsOrigins: !Not [!Equals [!Ref CorsOrigins, '']]
Resources:
  A:
    Type: AWS::Serverless::HttpApi
    Properties:
      CorsConfiguration: !If
        - HasCorsOrigins
        - AllowOrigins: !Split [',', !Ref CorsOrigins]
          AllowMethods: [GET, !Ref AWS::NoValue]
          MaxAge: 600
          ExposeHeaders: !Ref AWS::NoValue
        - !Ref AWS::NoValue
";
    assert_eq!(snippet(text).unwrap().cors, None);
    let origins = |_: &str| Some("https://a.example,https://b.example".to_owned());
    let plan = Template::parse(text)
        .unwrap()
        .resolve(origins, &addresses());
    let cors = CorsPlan {
        allow_origins: vec!["https://a.example".into(), "https://b.example".into()],
        allow_methods: vec!["GET".into()],
        max_age: Some(600),
        ..CorsPlan::default()
    };
    assert_eq!(plan.unwrap().cors, Some(cors));
}

#[test]
fn what_is_not_understood_is_named() {
    for (text, expected) in [
        ("Resources:\n  B:\n    Type: AWS::S3::Bucket".to_owned(), "B: the local stack does not know AWS::S3::Bucket"),
        (function("      Events:\n        T: { Type: Schedule }"), "F: Events.T: the local stack does not know Schedule"),
        (function("      Environment: { Variables: { A: !If [a, b, c] } }"), "F: Environment.A: there is no condition a"),
        (function("      Environment: { Variables: { A: !Ref Nothing } }"), "F: Environment.A: !Ref Nothing"),
        (function("      Environment: { Variables: { A: !GetAtt GUrl.FunctionUrl } }"), "F: Environment.A: cannot evaluate !GetAtt GUrl.FunctionUrl"),
        (function("      FunctionUrlConfig: { AuthType: NONE }"), "F: a FunctionUrlConfig and an output"),
        (function("      FunctionUrlConfig: { AuthType: AWS_IAM }"), "F: FunctionUrlConfig"),
        (function("    Condition: Sometimes"), "F: cannot evaluate the condition Sometimes"),
        ("Resources:\n  A:\n    Type: AWS::Serverless::HttpApi\n    Properties: { CorsConfiguration: true }".to_owned(), "A: CorsConfiguration: invalid type: boolean"),
        ("Resources:\n  A:\n    Type: AWS::Serverless::HttpApi\n    Properties: { CorsConfiguration: { AllowOrigins: !Split [',', a] } }".to_owned(), "A: CorsConfiguration.AllowOrigins: where this is an intrinsic, SAM loses"),
        ("Resources:\n  A:\n    Type: AWS::Serverless::HttpApi\n    Properties: { CorsConfiguration: { AllowCredentials: true } }".to_owned(), "A: CorsConfiguration.AllowCredentials: unknown field"),
        (format!("Conditions: {{ C: !Or [] }}\n{}", function("      Environment: { Variables: { A: !If [C, b, c] } }")), "F: Environment.A: Conditions.C: cannot evaluate Fn::Or"),
        (sockets("      Routes: {}"), "W: Routes: there must be at least one"),
        (sockets("      Routes: { 'call:end': { FunctionArn: !GetAtt F.Arn } }"), "W: Routes.call:end: SAM allows letters and digits only"),
        (sockets("      Routes: { $connect: { FunctionArn: !Ref F } }"), "W: Routes.$connect: FunctionArn is not a function"),
        (sockets("      Routes: { $connect: { FunctionArn: x, ApiKeyRequired: true } }"), "W: Properties.Routes.$connect.ApiKeyRequired: unknown field"),
        (sockets("      Auth: {}"), "W: the local stack does not know the property Auth"),
        (sockets("      Routes: { a: { FunctionArn: !GetAtt F.Arn } }").replace("body.action", "body.a.b"), "W: RouteSelectionExpression: only $request.body.FIELD"),
        (function("      Events: { Q: { Type: SQS, Properties: { Queue: x } } }"), "F: Events.Q: Queue: it is not the ARN of a queue"),
        (queue("        BatchSize: 11"), "F: Events.Q: BatchSize"),
        (queue("        MaximumBatchingWindowInSeconds: 1"), "F: Events.Q: the local stack does not wait"),
        (queue("        FunctionResponseTypes: [Else]"), "F: Events.Q: FunctionResponseTypes: Else is unknown"),
        (queue("        FilterCriteria: {}"), "F: Events.Q: Properties.FilterCriteria: unknown field"),
        (queue("").replace("VisibilityTimeout: 3", "VisibilityTimeout: 2"), "F: the VisibilityTimeout of Q is shorter"),
        (queue("").replace("VisibilityTimeout: 3", "FifoQueue: true"), "Q: the local stack does not know the property FifoQueue"),
        ("Globals: { HttpApi: { StageName: x } }\nResources: {}".to_owned(), "Globals: the local stack does not know HttpApi"),
        ("Resources:\n  T:\n    Type: AWS::DynamoDB::Table\n    Properties: { StreamSpecification: {} }".to_owned(), "T: the local stack does not know the property StreamSpecification"),
    ] {
        let error = message(snippet(&text));
        assert!(error.contains(expected), "{error}\nexpected: {expected}");
    }
}

#[test]
fn parameters_keep_their_rules_and_their_secrets() {
    let value = |rules: &str, given: &str| {
        let text = format!("Parameters:\n  SomeName: {{ {rules} }}\nResources: {{}}");
        Template::parse(&text)
            .unwrap()
            .resolve(
                |name| (name == "SOME_NAME").then(|| given.to_owned()),
                &addresses(),
            )
            .map(|plan| plan.parameters["SOME_NAME"].clone())
    };
    for (rules, good, bad) in [
        ("Type: String, AllowedPattern: '[a-z]+'", "abc", "abc1"),
        ("Type: String, AllowedValues: [A, B]", "B", "C"),
        ("Type: String, MinLength: 3, MaxLength: 4", "abc", "abcde"),
        ("Type: Number, MinValue: 5, MaxValue: 6", "5", "7"),
        ("Type: Number", "5", "five"),
    ] {
        assert_eq!(value(rules, good).unwrap(), good);
        let error = value(rules, bad).unwrap_err().to_string();
        assert!(error.starts_with("SOME_NAME is malformed: expected"));
        assert!(!error.contains(&format!("{bad} ")) && !error.ends_with(bad));
    }
    let missing = "Parameters:\n  SomeName: { Type: String }\nResources: {}";
    assert!(message(snippet(missing)).starts_with("SOME_NAME is missing"));
}

fn real() -> (String, std::collections::BTreeSet<crate::usage::Permission>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let granted = Template::parse(&text).unwrap().permissions().unwrap();
    (text, granted)
}

fn differences(
    text: &str,
    used: &std::collections::BTreeSet<crate::usage::Permission>,
) -> Vec<String> {
    let template = Template::parse(text).unwrap();
    template.compare_permissions(used).unwrap()
}

#[test]
fn policies_that_grant_what_is_done_pass() {
    let (text, granted) = real();
    assert!(granted.len() > 100);
    assert_eq!(differences(&text, &granted), Vec::<String>::new());
}

#[test]
fn one_permission_more_or_less_is_found() {
    let (text, used) = real();
    let places: Vec<_> = text.match_indices("Action: [").map(|(at, _)| at).collect();
    let of_functions = text.find("  VirtualNumberFunction:").unwrap();
    let until = text.find("  # Addresses of your own.").unwrap();
    let mut tried = 0;
    for at in places
        .into_iter()
        .filter(|at| (of_functions..until).contains(at))
    {
        let (before, rest) = text.split_at(at);
        let (line, after) = rest.split_once('\n').unwrap();
        let line = line.trim_end_matches(']');

        let more = differences(&format!("{before}{line}, dynamodb:Scan]\n{after}"), &used);
        let idle = |problem: &String| problem.starts_with("granted, but never done: ");
        assert!(more.iter().any(idle), "{line}: {more:?}");

        let kept = line.rsplit_once(", ").map_or("Action: [", |(kept, _)| kept);
        let less = differences(&format!("{before}{kept}]\n{after}"), &used);
        let missing = |problem: &String| problem.starts_with("not granted, but done: ");
        assert!(less.iter().any(missing), "{line}: {less:?}");
        tried += 1;
    }
    assert!(tried > 50, "{tried}");
}

#[test]
fn the_boundary_is_neither_wider_nor_narrower_than_the_policies() {
    let (text, used) = real();
    for (from, to, problem) in [
        (
            "              - dynamodb:Query\n",
            "",
            "not within FunctionBoundary: dynamodb:Query",
        ),
        (
            "              - dynamodb:Query\n",
            "              - dynamodb:Query\n              - dynamodb:Scan\n",
            "FunctionBoundary is wider than needed: dynamodb:Scan",
        ),
        (
            "              - !GetAtt TagsTable.Arn\n",
            "",
            "not within FunctionBoundary: dynamodb:DeleteItem",
        ),
        (
            "            Action: [logs:CreateLogStream, logs:PutLogEvents]\n",
            "            Action: [logs:PutLogEvents]\n",
            "not within FunctionBoundary: logs:CreateLogStream",
        ),
    ] {
        assert!(text.contains(from), "{from}");
        let problems = differences(&text.replacen(from, to, 1), &used);
        assert!(problems[0].starts_with(problem), "{problem}: {problems:?}");
    }
}

#[test]
fn policies_that_say_more_than_they_name_are_refused() {
    let with = |statement: &str| {
        let policy = format!("      Policies: [{{ Statement: [{statement}] }}]");
        let text = function(&policy);
        Template::parse(&text).unwrap().permissions()
    };
    let fine =
        "{ Effect: Allow, Action: ['dynamodb:GetItem'], Resource: 'arn:aws:dynamodb:table/T' }";
    assert_eq!(with(fine).unwrap().len(), 1);
    for (from, to) in [
        ("dynamodb:GetItem", "dynamodb:*"),
        ("arn:aws:dynamodb:table/T", "*"),
        ("arn:aws:dynamodb:table/T", "arn:aws:dynamodb:table/*"),
        ("Allow", "Deny"),
        ("Action", "NotAction"),
    ] {
        assert!(with(&fine.replace(from, to)).is_err(), "{to}");
    }
}
