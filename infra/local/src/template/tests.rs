#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

const BASE: &str = "http://127.0.0.1:3000";

fn local(name: &str) -> Option<String> {
    let mut settings = crate::settings::Settings::default();
    settings.set_defaults(BASE, None);
    settings.get(name).map(str::to_owned)
}

fn snippet(text: &str) -> Result<Plan, Error> {
    Template::parse(text)?.resolve(|_| None, BASE)
}

fn message(result: Result<Plan, Error>) -> String {
    result.unwrap_err().to_string()
}

fn function(properties: &str) -> String {
    format!(
        "Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Metadata:\n      \
         BuildProperties: {{ Binary: f }}\n    Properties:\n      CodeUri: .\n{properties}"
    )
}

#[test]
fn the_real_template_makes_a_plan() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    let plan = Template::read(&path).unwrap().resolve(local, BASE).unwrap();

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
    assert_eq!(tags.ttl_attribute.as_deref(), Some("expiresAt"));
    assert_eq!(tags.create["KeySchema"][0]["AttributeName"], "pk");
    assert_eq!(tags.create.get("SSESpecification"), None);
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
    Metadata: { BuildProperties: { Binary: f } }
    Properties:
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

#[test]
fn what_is_not_understood_is_named() {
    for (text, expected) in [
        ("Resources:\n  Q:\n    Type: AWS::SQS::Queue".to_owned(), "Q: the local stack does not know AWS::SQS::Queue"),
        (function("      Events:\n        T: { Type: Schedule }"), "F: Events.T: the local stack does not know Schedule"),
        (function("      Environment: { Variables: { A: !If [a, b, c] } }"), "F: Environment.A: cannot evaluate Fn::If"),
        (function("      Environment: { Variables: { A: !Ref Nothing } }"), "F: Environment.A: !Ref Nothing"),
        (function("      Environment: { Variables: { A: !GetAtt GUrl.FunctionUrl } }"), "F: Environment.A: cannot evaluate !GetAtt GUrl.FunctionUrl"),
        (function("      FunctionUrlConfig: { AuthType: NONE }"), "F: a FunctionUrlConfig and an output"),
        (function("      FunctionUrlConfig: { AuthType: AWS_IAM }"), "F: FunctionUrlConfig"),
        (function("    Condition: Sometimes"), "F: cannot evaluate the condition Sometimes"),
        ("Resources:\n  A:\n    Type: AWS::Serverless::HttpApi\n    Properties: { CorsConfiguration: true }".to_owned(), "A: the local stack does not know the property CorsConfiguration"),
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
            .resolve(|name| (name == "SOME_NAME").then(|| given.to_owned()), BASE)
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
