//! The stack around a function that does as it is told.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod queue;
mod websocket;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use jsonwebtoken::{DecodingKey, Validation, decode};
use maskline_local::store::Store;
use maskline_local::{Error, InvokeError, Options, Stack, demo};
use serde_json::{Value, json};

const TEMPLATE: &str = "
Parameters:
  RefuseIfExists: { Type: String, Default: '' }
Resources:
  Api: { Type: AWS::Serverless::HttpApi }
  Things:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
      TimeToLiveSpecification: { AttributeName: expiresAt, Enabled: true }
  Fake:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/fake-function
      Timeout: 1
      FunctionUrlConfig: { AuthType: NONE }
      Environment:
        Variables: { REFUSE_IF_EXISTS: !Ref RefuseIfExists, TABLE: !Ref Things }
      Events:
        One: { Type: HttpApi, Properties: { Method: GET, Path: '/things/{code}' } }
        Two: { Type: HttpApi, Properties: { Method: GET, Path: /things/own } }
        Put: { Type: HttpApi, Properties: { Method: PUT, Path: '/things/{code}' } }
        Tag: { Type: HttpApi, Properties: { Method: PUT, Path: '/api/v1/tags/{shortCode}' } }
        Booking: { Type: HttpApi, Properties: { Method: PUT, Path: '/api/v1/bookings/{bookingId}' } }
Outputs:
  ConnectUrl: { Value: !Sub '${FakeUrl.FunctionUrl}hook' }
";

/// A directory of its own for one test, with the template in it.
fn directory(test: &str, template: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("template.yaml"), template).unwrap();
    directory
}

fn functions_dir() -> PathBuf {
    let executable = std::env::current_exe().unwrap();
    let examples = executable
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples");
    assert!(
        examples.join("fake-function").is_file(),
        "build the example first: cargo build -p maskline-local --examples"
    );
    examples
}

fn options(test: &str) -> Options {
    options_with(test, TEMPLATE)
}

fn options_with(test: &str, template: &str) -> Options {
    // The embedded store, whatever the environment names.
    let mut options = Options::ephemeral().with("AWS_ENDPOINT_URL_DYNAMODB", "");
    options.template = directory(test, template).join("template.yaml");
    options.functions_dir = Some(functions_dir());
    options
}

async fn start(test: &str) -> Stack {
    Stack::start(options(test)).await.unwrap()
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

fn kill(signal: &str, pid: u32) {
    let status = Command::new("kill")
        .args([signal, &pid.to_string()])
        .status();
    assert!(status.unwrap().success());
}

fn runs(pid: u32) -> bool {
    // A dead process stays listed until its parent has asked for its status.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// How long a test waits for what never comes.
const PATIENCE: Duration = Duration::from_secs(30);

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn requests_become_events_and_answers_become_responses() {
    let stack = start("requests").await;
    let carrier = stack.carrier_url().unwrap();
    assert!(client().get(carrier).send().await.is_ok());
    assert_eq!(
        stack.webhook_url("ConnectUrl").unwrap(),
        format!("{}/hook", stack.http_url())
    );
    let (client, url) = (client(), stack.http_url().to_owned());

    let response = client.get(format!("{url}/things/a%2Fb?secret=1")).send();
    let response = response.await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers().contains_key("apigw-requestid"));
    let event: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(event["routeKey"], "GET /things/{code}");
    assert_eq!(event["pathParameters"]["code"], "a/b");
    assert_eq!(
        event["requestContext"]["domainName"],
        url["http://".len()..]
    );

    let own = client
        .get(format!("{url}/things/own"))
        .send()
        .await
        .unwrap();
    let own: Value = serde_json::from_str(&own.text().await.unwrap()).unwrap();
    assert_eq!(own["routeKey"], "GET /things/own");

    let hook = client
        .post(format!("{url}/hook?do=respond"))
        .body("a=b")
        .send();
    let hook = hook.await.unwrap();
    assert_eq!(hook.status(), 201);
    assert_eq!(hook.headers()["content-type"], "text/plain");
    assert_eq!(hook.text().await.unwrap(), "made");

    let lines = stack.log().lines();
    let line = lines.iter().find(|line| line.contains("/things/a%2Fb"));
    let line = line.unwrap();
    assert!(
        line.contains(" GET /things/a%2Fb 200 fake-function "),
        "{line}"
    );
    assert!(!lines.iter().any(|line| line.contains("secret")));
    stack.stop().await;
}

#[tokio::test]
async fn what_fails_answers_as_aws_does() {
    let stack = start("failures").await;
    let (client, url) = (client(), stack.http_url().to_owned());
    let get = async |path: &str| {
        let response = client.get(format!("{url}{path}")).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let not_found = (404, r#"{"message":"Not Found"}"#.to_owned());
    let failed = (500, r#"{"message":"Internal Server Error"}"#.to_owned());
    let hook_failed = (502, "Internal Server Error".to_owned());
    assert_eq!(get("/nothing").await, not_found);
    assert_eq!(get("/things/").await, not_found);
    assert_eq!(get("/hook/more").await, not_found);
    for what in ["fail", "exit", "not%20json", "bad%20response"] {
        assert_eq!(get(&format!("/things/x?do={what}")).await, failed);
        assert_eq!(get(&format!("/hook?do={what}")).await, hook_failed);
    }
    for (path, bytes, expected) in [
        ("/hook", 6 << 20, 502),
        ("/hook", (6 << 20) + 1, 413),
        ("/things/x", (10 << 20) + 1, 413),
    ] {
        let body = vec![b'a'; bytes];
        let put = client.put(format!("{url}{path}?do=fail")).body(body);
        assert_eq!(put.send().await.unwrap().status(), expected, "{path}");
    }
    let strange = client.get(format!("{url}/things/%FF%00?%FF=%ZZ"));
    let strange = strange.header("x-raw", &b"\xff"[..]).send().await.unwrap();
    assert_eq!(strange.status(), 200);
    let host = client.get(format!("{url}/things/x")).header("host", "a b");
    assert_eq!(host.send().await.unwrap().status(), 400);
    stack.stop().await;
}

#[tokio::test]
async fn a_function_sees_what_lambda_shows_and_nothing_else() {
    let stack = start("environment").await;
    let environment = stack.invoke("Fake", &json!({"do": "environment"})).await;
    let environment = environment.unwrap();
    let names: Vec<&String> = environment.as_object().unwrap().keys().collect();
    let foreign = names.iter().find(|name| {
        let known = [
            "LAMBDA_TASK_ROOT",
            "PATH",
            "TZ",
            "REFUSE_IF_EXISTS",
            "TABLE",
        ];
        !name.starts_with("AWS_") && !known.contains(&name.as_str())
    });
    assert_eq!(foreign, None);
    assert_eq!(environment["TABLE"], "Things");
    assert_eq!(environment["AWS_LAMBDA_FUNCTION_NAME"], "Fake");
    assert_eq!(environment["AWS_ENDPOINT_URL_DYNAMODB"], stack.store().url);

    let context = stack
        .invoke("Fake", &json!({"do": "context"}))
        .await
        .unwrap();
    let text = |name: &str| context[name].as_str().unwrap().to_owned();
    assert_eq!(text("id").len(), 36);
    assert!(text("arn").ends_with(":function:Fake"));
    assert!(text("trace").starts_with("Root=1-"));
    let now = jiff::Timestamp::now().as_millisecond();
    let left = text("deadline").parse::<i64>().unwrap() - now;
    assert!((1..=1000).contains(&left), "{left}");
    assert_eq!(
        stack.invoke("Nobody", &json!({})).await,
        Err(InvokeError::Unknown)
    );
    stack.stop().await;
}

#[tokio::test]
async fn requests_at_once_get_processes_of_their_own_up_to_the_limit() {
    let stack = Stack::start(options("concurrency").with("MAX_CONCURRENCY", "3"));
    let stack = stack.await.unwrap();
    assert_eq!(stack.pids("Fake").len(), 1);
    let event = json!({"do": "wait"});
    let wait = async || {
        stack
            .invoke("Fake", &event)
            .await
            .unwrap()
            .as_u64()
            .unwrap()
    };
    let pids = tokio::join!(wait(), wait(), wait(), wait(), wait());
    let pids = BTreeSet::from([pids.0, pids.1, pids.2, pids.3, pids.4]);
    assert_eq!(pids.len(), 3);
    assert_eq!(stack.pids("Fake").len(), 3);
    // What is idle is used again.
    assert!(pids.contains(&wait().await));
    assert_eq!(stack.pids("Fake").len(), 3);
    stack.stop().await;
}

#[tokio::test]
async fn a_dead_process_fails_its_invocation_and_is_replaced() {
    let stack = start("crash").await;
    let before = stack.pids("Fake");
    // A function logs such an event as soon as it has it.
    let event = json!({"do": "hang", "requestContext": {"eventType": "MESSAGE"}});
    let (result, ()) = tokio::join!(stack.invoke("Fake", &event), async {
        until("the process has the event", || {
            let lines = stack.log().lines();
            lines.iter().any(|line| line.contains("| event "))
        })
        .await;
        kill("-KILL", before[0]);
    });
    assert!(matches!(result, Err(InvokeError::Crashed(_))), "{result:?}");
    until("the process is replaced", || {
        let pids = stack.pids("Fake");
        pids.len() == 1 && pids != before
    })
    .await;
    assert!(stack.invoke("Fake", &json!({})).await.is_ok());

    let exit = stack.invoke("Fake", &json!({"do": "exit"})).await;
    assert_eq!(exit, Err(InvokeError::Crashed("exit status: 3".into())));
    let hang = stack.invoke("Fake", &json!({"do": "hang"})).await;
    assert_eq!(hang, Err(InvokeError::TimedOut(1)));
    let last_words = json!({"do": "answer and exit"});
    assert!(stack.invoke("Fake", &last_words).await.is_ok());
    for _ in 0..5 {
        let exit = stack.invoke("Fake", &json!({"do": "exit"})).await;
        assert!(matches!(exit, Err(InvokeError::Crashed(_))), "{exit:?}");
    }
    assert!(stack.invoke("Fake", &json!({})).await.is_ok());
    stack.stop().await;
}

#[tokio::test]
async fn a_function_that_cannot_start_says_why() {
    let options = options("refusal");
    let flag = options.template.with_file_name("flag");
    let options = options.with("REFUSE_IF_EXISTS", flag.to_str().unwrap());
    std::fs::write(&flag, "").unwrap();
    let refused = Stack::start(options.clone()).await.unwrap_err().to_string();
    assert_eq!(
        refused,
        "fake-function: stopped at start: SOME_SETTING is missing"
    );

    std::fs::remove_file(&flag).unwrap();
    let stack = Stack::start(options).await.unwrap();
    std::fs::write(&flag, "").unwrap();
    kill("-KILL", stack.pids("Fake")[0]);
    until("the replacement has failed", || {
        let lines = stack.log().lines();
        lines.iter().any(|line| line.contains("stopped at start"))
    })
    .await;
    until("no process is left", || stack.pids("Fake").is_empty()).await;
    let refused = stack.invoke("Fake", &json!({})).await;
    let reason = InvokeError::Init("SOME_SETTING is missing".into());
    assert_eq!(refused, Err(reason));

    std::fs::remove_file(&flag).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while stack.invoke("Fake", &json!({})).await.is_err() {
        assert!(Instant::now() < deadline, "the function did not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stack.stop().await;
}

#[tokio::test]
async fn demo_data_comes_with_tokens_and_lines_to_paste() {
    let stack = start("demo").await;
    let demo = demo::load(&stack).await.unwrap().unwrap();
    let secret = DecodingKey::from_secret(stack.value("JWT_SECRET").unwrap().as_bytes());
    let claims = |token: &str| {
        decode::<Value>(token, &secret, &Validation::default())
            .unwrap()
            .claims
    };
    let admin = claims(&demo.admin_token);
    assert_eq!(admin["scope"], "maskline:admin");
    let (car, bike) = (&demo.tags[0], &demo.tags[1]);
    assert_eq!(claims(&car.owner_token)["sub"], "owner-1");
    assert_eq!(claims(&bike.owner_token).get("scope"), None);
    assert_eq!(
        (car.number.as_str(), car.extension.as_deref()),
        ("+14155550111", None)
    );
    assert_eq!(bike.extension.as_deref(), Some("123456"));
    assert_eq!(
        Some(bike.number.as_str()),
        stack.value("TWILIO_PHONE_NUMBER")
    );

    let booking = &demo.booking;
    for (party, id) in [(&booking.user, "asha"), (&booking.provider, "ravi")] {
        assert_eq!(claims(&party.token)["sub"], id);
    }

    let text = demo::welcome(&stack, Some(&demo));
    let history = format!("{}/api/calls/history/demo-booking", stack.http_url());
    assert!(text.contains(&history));
    assert!(!text.contains("demo-call"), "there is no WebSocket API");
    let put = text.lines().find(|line| line.contains("-X PUT")).unwrap();
    let pasted = Command::new("sh")
        .args(["-c", put])
        .stdout(Stdio::piped())
        .spawn();
    let pasted = pasted.unwrap();
    // The stack answers on this very thread.
    let output = tokio::task::spawn_blocking(|| pasted.wait_with_output());
    let output = output.await.unwrap().unwrap();
    assert_eq!(output.stdout, b"{\"extension\":\"123456\"}\n");
    assert!(text.contains(&format!(
        "{}/api/v1/call/demo-car/history",
        stack.http_url()
    )));
    stack.stop().await;

    let keys = options("demo")
        .with("JWT_JWKS_URL", "https://example.com/keys")
        .with("TWILIO_API_BASE_URL", "https://api.twilio.com");
    let stack = Stack::start(keys).await.unwrap();
    assert!(demo::load(&stack).await.unwrap().is_none());
    assert_eq!(stack.carrier_url(), None);
    stack.stop().await;
}

#[tokio::test]
async fn the_demo_apps_are_served_as_built() {
    let options = options("demo-pages");
    let stack = Stack::start(options.clone()).await.unwrap();
    let (client, url) = (client(), stack.http_url().to_owned());
    let get = async |path: &str| {
        let response = client.get(format!("{url}{path}")).send().await.unwrap();
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("cache-control"), "no-store", "{path}");
        let (status, kind) = (response.status().as_u16(), header("content-type"));
        (status, kind, response.text().await.unwrap())
    };
    let (status, _, text) = get("/demo").await;
    assert_eq!(status, 503);
    assert!(text.contains("make demo-apps"), "{text}");

    let root = options.template.parent().unwrap().join("clients/demo");
    std::fs::create_dir_all(root.join("dist/assets")).unwrap();
    for (name, text) in [
        ("dist/index.html", "index"),
        ("dist/user.html", "user"),
        ("dist/assets/app.js", "app"),
        ("dist/assets/app.css", "looks"),
        ("dist/.hidden.js", "hidden"),
        ("secret.js", "secret"),
    ] {
        std::fs::write(root.join(name), text).unwrap();
    }
    for (path, kind, text) in [
        ("/demo", "text/html; charset=utf-8", "index"),
        ("/demo/", "text/html; charset=utf-8", "index"),
        ("/demo/user", "text/html; charset=utf-8", "user"),
        (
            "/demo/assets/app.js?v=1",
            "text/javascript; charset=utf-8",
            "app",
        ),
        ("/demo/assets/app.css", "text/css; charset=utf-8", "looks"),
    ] {
        let expected = (200, kind.to_owned(), text.to_owned());
        assert_eq!(get(path).await, expected, "{path}");
    }
    for path in [
        "/demo/nobody",
        "/demo/assets",
        "/demo/assets/",
        "/demo/assets/app.exe",
        "/demo/.hidden.js",
        "/demo/..%2fsecret.js",
        "/demo/assets/..%2f..%2f..%2fsecret.js",
        "/demo//etc/hosts.js",
        "/demo/%2Fetc%2Fhosts.js",
        "/demo/user.html%00.js",
    ] {
        assert_eq!(get(path).await.0, 404, "{path}");
    }
    stack.stop().await;

    let stack = Stack::start(options.with("DEMO", "off")).await.unwrap();
    for path in ["/demo", "/demo/user", "/demo/config.json"] {
        let response = client.get(format!("{}{path}", stack.http_url())).send();
        assert_eq!(response.await.unwrap().status(), 404, "{path}");
    }
    stack.stop().await;
}

/// A client that would otherwise tidy `..` away sends these paths as they are.
#[tokio::test]
async fn no_path_leads_out_of_the_demo_apps() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let options = options("demo-traversal");
    let root = options.template.parent().unwrap().join("clients/demo");
    std::fs::create_dir_all(root.join("dist")).unwrap();
    std::fs::write(root.join("dist/index.html"), "index").unwrap();
    std::fs::write(root.join("secret.js"), "secret").unwrap();
    let stack = Stack::start(options).await.unwrap();
    let address = stack.http_url().trim_start_matches("http://").to_owned();
    for path in [
        "/demo/../secret.js",
        "/demo/%2e%2e/secret.js",
        "/demo/x/../../secret.js",
        "/demo/./../secret.js",
    ] {
        let mut socket = tokio::net::TcpStream::connect(&address).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
    }
    stack.stop().await;
}

#[tokio::test]
async fn the_demo_apps_get_addresses_and_new_tokens() {
    let stack = start("demo-config").await;
    let url = format!("{}/demo/config.json", stack.http_url());
    let response = client().get(&url).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let config: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(config["apiUrl"], stack.http_url());
    assert_eq!(config["owner"]["tag"], "demo-bike");
    let secret = DecodingKey::from_secret(stack.value("JWT_SECRET").unwrap().as_bytes());
    for (role, subject) in [("user", "asha"), ("provider", "ravi"), ("owner", "owner-2")] {
        let token = config[role]["token"].as_str().unwrap();
        let claims = decode::<Value>(token, &secret, &Validation::default()).unwrap();
        assert_eq!(claims.claims["sub"], subject);
        assert_eq!(claims.claims.get("scope"), None);
        let bookings = config[role]["bookings"].as_array();
        assert!(role == "owner" || bookings.unwrap().contains(&json!("demo-booking")));
    }
    // A name of somebody else's that points to this machine.
    let rebound = client().get(&url).header("host", "elsewhere.example:3000");
    assert_eq!(rebound.send().await.unwrap().status(), 403);
    stack.stop().await;
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for name in ["HTTP_PORT", "STORE_PORT", "CARRIER_PORT"] {
        let options = options("ports").with(name, &port.to_string());
        let error = Stack::start(options).await.unwrap_err();
        assert!(matches!(error, Error::PortTaken { .. }), "{error}");
        assert!(
            error
                .to_string()
                .starts_with(&format!("{name}: port {port} "))
        );
    }
}

#[tokio::test]
async fn a_store_in_a_file_keeps_its_tables() {
    let options = options("file");
    let path = options.template.with_file_name("store.db");
    let options = options.with("STORE_PATH", path.to_str().unwrap());
    for _ in 0..2 {
        let stack = Stack::start(options.clone()).await.unwrap();
        stack.stop().await;
    }
    let other_key = TEMPLATE.replace("AttributeName: pk", "AttributeName: id");
    std::fs::write(&options.template, other_key).unwrap();
    let error = Stack::start(options).await.unwrap_err().to_string();
    assert!(error.contains("the table Things is there with another key"));
}

/// The stack makes its tables in it, looks at it through a tap, and leaves it as it is.
#[tokio::test]
async fn a_store_of_ones_own() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let own = Store::start(listener, None).unwrap();
    let options = options("own-store").with("AWS_ENDPOINT_URL_DYNAMODB", &url);

    let stack = Stack::start(options.clone()).await.unwrap();
    let store = stack.store().clone();
    assert_eq!(store.url, url);
    let environment = stack.invoke("Fake", &json!({"do": "environment"})).await;
    let line = environment.unwrap()["AWS_ENDPOINT_URL_DYNAMODB"].clone();
    assert_eq!(line, stack.tap().unwrap().url());
    assert_ne!(line, url.as_str());
    stack.stop().await;

    let (client, things) = (client(), json!({"TableName": "Things"}));
    let there = store.request(&client, "DescribeTable", &things).await;
    let there = there.unwrap().unwrap();
    assert_eq!(there["Table"]["TableName"], "Things");

    for malformed in ["12345678901", "1234567890123", "12345678901x"] {
        let options = options.clone().with("STORE_ACCOUNT", malformed);
        let error = Stack::start(options).await.unwrap_err().to_string();
        assert!(error.starts_with("STORE_ACCOUNT is malformed"), "{error}");
        assert!(!error.contains(malformed), "{error}");
    }
    own.stop().await;
}

/// Waits until a program has ended.
async fn ended(program: &mut Child) -> ExitStatus {
    let mut status = None;
    until("the program has ended", || {
        status = program.try_wait().unwrap();
        status.is_some()
    })
    .await;
    status.unwrap()
}

/// Runs the program until it is ready; with it comes the pid of its function.
async fn program(directory: &Path) -> (Child, u32) {
    let state = directory.join("state.json");
    let mut program = Command::new(env!("CARGO_BIN_EXE_maskline-local"))
        .current_dir(directory)
        .env("FUNCTIONS_DIR", functions_dir())
        .env("STATE_FILE", &state)
        .env("DEMO", "off")
        .env_remove("AWS_ENDPOINT_URL_DYNAMODB")
        .envs(["HTTP_PORT", "WS_PORT", "STORE_PORT", "CARRIER_PORT"].map(|name| (name, "0")))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "ready"));
    let facts: Value = serde_json::from_slice(&std::fs::read(state).unwrap()).unwrap();
    let url = facts["httpUrl"].as_str().unwrap();
    let pid = client().get(format!("{url}/hook?do=wait")).send().await;
    let pid = pid.unwrap().text().await.unwrap().parse().unwrap();
    assert!(runs(pid));
    (program, pid)
}

#[tokio::test]
async fn the_program_stops_when_told_and_leaves_nothing_behind() {
    for signal in ["-INT", "-TERM"] {
        let directory = directory(&format!("program{signal}"), TEMPLATE);
        let (mut program, pid) = program(&directory).await;
        kill(signal, program.id());
        assert!(ended(&mut program).await.success());
        assert!(!directory.join("state.json").exists());
        assert!(!runs(pid));
    }
}

#[tokio::test]
async fn functions_end_when_the_program_is_killed() {
    let (mut program, pid) = program(&directory("killed", TEMPLATE)).await;
    program.kill().unwrap();
    program.wait().unwrap();
    until("the function is gone", || !runs(pid)).await;
}
