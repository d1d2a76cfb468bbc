//! Sockets, the events they make, and writing to them.

use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::config::retry::RetryConfig;
use aws_sdk_apigatewaymanagement::config::{BehaviorVersion, Region};
use aws_sdk_apigatewaymanagement::primitives::Blob;
use futures_util::{SinkExt as _, StreamExt as _};
use maskline_local::websocket::{Limits, Passing, Posts, WebSocketApi};
use maskline_local::{Error, Faults, Stack};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{PATIENCE, client, ended, kill, options, options_with, until};

pub const TEMPLATE: &str = "
Resources:
  Fake:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/fake-function
      Timeout: 2
      Environment:
        Variables: { CONNECTIONS_URL: !Sub '${Sockets.ApiEndpoint}/${SocketsliveStage}' }
      FunctionUrlConfig: { AuthType: NONE }
  Sockets:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      StageName: live
      RouteSelectionExpression: $request.body.action
      DefaultRouteSettings: { ThrottlingBurstLimit: 100, ThrottlingRateLimit: 100 }
      Routes:
        $connect: { FunctionArn: !GetAtt Fake.Arn }
        $disconnect: { FunctionArn: !GetAtt Fake.Arn }
        $default: { FunctionArn: !GetAtt Fake.Arn }
        callInitiate: { FunctionArn: !GetAtt Fake.Arn }
Outputs:
  ConnectUrl: { Value: !Sub '${FakeUrl.FunctionUrl}hook' }
";

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn start(test: &str) -> Stack {
    Stack::start(options_with(test, TEMPLATE)).await.unwrap()
}

fn api(stack: &Stack) -> &WebSocketApi {
    stack.websocket().unwrap()
}

async fn connect(stack: &Stack, path: &str) -> Socket {
    let url = format!("{}{path}", api(stack).url());
    connect_async(url).await.unwrap().0
}

async fn send(socket: &mut Socket, message: &Value) {
    let message = Message::text(message.to_string());
    socket.send(message).await.unwrap();
}

async fn receive(socket: &mut Socket) -> Message {
    let next = tokio::time::timeout(PATIENCE, socket.next());
    next.await.expect("a message in time").unwrap().unwrap()
}

/// The events that the function has got, as far as they are of that type.
fn events(stack: &Stack, kind: &str) -> Vec<Value> {
    let lines = stack.log().lines();
    let events = lines.iter().filter_map(|line| line.split_once("| event "));
    events
        .map(|(_, event)| serde_json::from_str::<Value>(event).unwrap())
        .filter(|event| event["requestContext"]["eventType"] == kind)
        .collect()
}

async fn wait_for(stack: &Stack, kind: &str, count: usize) -> Vec<Value> {
    until(kind, || events(stack, kind).len() >= count).await;
    events(stack, kind)
}

fn sdk(stack: &Stack) -> Client {
    let config = aws_sdk_apigatewaymanagement::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(format!("{}/live", api(stack).url().replace("ws:", "http:")))
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    Client::from_conf(config.build())
}

async fn post(stack: &Stack, id: &str, text: &str) -> Result<(), String> {
    let sdk = sdk(stack);
    let request = sdk.post_to_connection().connection_id(id);
    match request.data(Blob::new(text)).send().await {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{:?}", error.into_service_error())),
    }
}

#[tokio::test]
async fn a_socket_makes_the_events_that_aws_sends() {
    let stack = start("socket-events").await;
    let mut socket = connect(&stack, "/live?token=a%20b&token=c").await;
    let connected = wait_for(&stack, "CONNECT", 1).await.remove(0);
    let ids = api(&stack).connections();
    let context = &connected["requestContext"];
    assert_eq!(context["connectionId"], ids[0].as_str());
    assert!(ids[0].len() == 16 && ids[0].ends_with('='), "{}", ids[0]);
    let address = api(&stack).url().strip_prefix("ws://").unwrap();
    assert_eq!(connected["queryStringParameters"], json!({"token": "c"}));
    let both = json!({"token": ["a b", "c"]});
    assert_eq!(connected["multiValueQueryStringParameters"], both);
    assert_eq!(connected["headers"]["Host"], address);
    assert_eq!(connected["headers"]["Sec-WebSocket-Version"], "13");
    let hosts = &connected["multiValueHeaders"]["Host"];
    assert_eq!(*hosts, json!([address]));
    assert_eq!(connected["isBase64Encoded"], false);
    let mut context = context.clone();
    for varies in ["requestTime", "requestTimeEpoch", "connectedAt"] {
        assert!(!context[varies].take().is_null(), "{varies}");
    }
    let request_id = context["requestId"].clone();
    assert_eq!(
        context,
        json!({
            "routeKey": "$connect", "eventType": "CONNECT", "messageDirection": "IN",
            "stage": "live", "domainName": address, "apiId": "local",
            "identity": {"sourceIp": "127.0.0.1"}, "connectionId": ids[0],
            "requestId": request_id, "extendedRequestId": request_id,
            "requestTime": null, "requestTimeEpoch": null, "connectedAt": null,
        })
    );

    for (body, route) in [
        (r#"{"action":"callInitiate"}"#, "callInitiate"),
        (r#"{"action":"unheardOf"}"#, "$default"),
        (r#"{"action":"$connect"}"#, "$default"),
        (r#"{"action":7}"#, "$default"),
        (r#"["callInitiate"]"#, "$default"),
        ("{", "$default"),
    ] {
        let before = events(&stack, "MESSAGE").len();
        socket.send(Message::text(body)).await.unwrap();
        let event = wait_for(&stack, "MESSAGE", before + 1).await.remove(before);
        assert_eq!(event["requestContext"]["routeKey"], route, "{body}");
        assert_eq!(event["body"], body);
        assert_eq!(event["requestContext"]["connectionId"], ids[0].as_str());
        assert!(event["requestContext"]["messageId"].is_string());
        assert_eq!(event.get("headers"), None);
    }
    socket.send(Message::binary(&b"\xff"[..])).await.unwrap();
    let binary = wait_for(&stack, "MESSAGE", 7).await.remove(6);
    assert_eq!(binary["body"], "/w==");
    assert_eq!(binary["isBase64Encoded"], true);
    assert_eq!((api(&stack).frames_in(), api(&stack).frames_out()), (7, 0));

    socket.close(None).await.unwrap();
    let gone = wait_for(&stack, "DISCONNECT", 1).await;
    assert_eq!(gone.len(), 1);
    assert_eq!(gone[0]["requestContext"]["routeKey"], "$disconnect");
    assert_eq!(gone[0]["requestContext"]["disconnectStatusCode"], 1005);
    assert!(api(&stack).connections().is_empty());
    let lines = stack.log().lines();
    let own = |line: &&String| !line.contains("| event");
    assert!(!lines.iter().filter(own).any(|line| line.contains("token")));

    // A socket that breaks tells nothing.
    drop(connect(&stack, "").await);
    let gone = wait_for(&stack, "DISCONNECT", 2).await;
    assert_eq!(gone[1]["requestContext"]["disconnectStatusCode"], 1006);
    stack.stop().await;
}

#[tokio::test]
async fn the_function_decides_who_connects() {
    let stack = start("socket-refusals").await;
    for (path, status) in [
        ("/?do=refuse", 401),
        ("/live?do=fail", 500),
        ("/?do=bad%20response", 500),
        ("/other", 403),
    ] {
        let url = format!("{}{path}", api(&stack).url());
        match connect_async(url).await {
            Err(tungstenite::Error::Http(response)) => {
                assert_eq!(response.status(), status, "{path}");
            }
            other => panic!("{path}: {other:?}"),
        }
    }
    assert!(api(&stack).connections().is_empty());
    let plain = api(&stack).url().replace("ws:", "http:");
    let plain = client().get(plain).send().await.unwrap();
    assert_eq!(plain.status(), 426);

    let url = format!("{}/live?do=protocol", api(&stack).url());
    let mut request = url.into_client_request().unwrap();
    let offered = "first, second".parse().unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", offered);
    let (socket, response) = connect_async(request).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "second");
    let event = events(&stack, "CONNECT").pop().unwrap();
    assert_eq!(event["headers"]["Sec-WebSocket-Protocol"], "first, second");
    drop(socket);
    stack.stop().await;
}

#[tokio::test]
async fn functions_write_to_sockets() {
    let stack = start("socket-posts").await;
    let environment = stack.invoke("Fake", &json!({"do": "environment"})).await;
    let expected = format!("{}/live", api(&stack).url());
    assert_eq!(environment.unwrap()["CONNECTIONS_URL"], expected);

    // It is there once $connect has returned, and not before.
    let connecting = connect(&stack, "/?do=slow");
    let too_early = async {
        let event = wait_for(&stack, "CONNECT", 1).await.remove(0);
        let id = event["requestContext"]["connectionId"].as_str().unwrap();
        let refused = post(&stack, id, "early").await.unwrap_err();
        assert!(refused.starts_with("GoneException"), "{refused}");
        id.to_owned()
    };
    let (mut socket, id) = tokio::join!(connecting, too_early);
    post(&stack, &id, "hello").await.unwrap();
    assert_eq!(receive(&mut socket).await, Message::text("hello"));
    let most = "x".repeat(128 * 1024);
    post(&stack, &id, &most).await.unwrap();
    assert_eq!(receive(&mut socket).await, Message::text(most.as_str()));
    let refused = post(&stack, &id, &format!("{most}x")).await.unwrap_err();
    assert!(refused.starts_with("PayloadTooLargeException"), "{refused}");
    assert_eq!(api(&stack).frames_out(), 2);

    let sdk = sdk(&stack);
    let info = sdk.get_connection().connection_id(&id).send().await;
    let info = info.unwrap();
    assert_eq!(info.identity().unwrap().source_ip(), Some("127.0.0.1"));
    assert!(info.connected_at().unwrap() < info.last_active_at().unwrap());
    let deleted = sdk.delete_connection().connection_id(&id).send().await;
    deleted.unwrap();
    assert_eq!(close_code(&mut socket).await, 1000);
    wait_for(&stack, "DISCONNECT", 1).await;
    let refused = post(&stack, &id, "late").await.unwrap_err();
    assert!(refused.starts_with("GoneException"), "{refused}");

    let unsigned = expected.replace("ws:", "http:") + "/@connections/x";
    let unsigned = client().post(unsigned).send().await.unwrap();
    assert_eq!(unsigned.status(), 403);
    stack.stop().await;
}

#[tokio::test]
async fn messages_are_handled_side_by_side_and_failures_are_told() {
    let stack = start("socket-concurrency").await;
    let mut socket = connect(&stack, "/").await;
    send(&mut socket, &json!({"do": "slow"})).await;
    wait_for(&stack, "MESSAGE", 1).await;
    send(
        &mut socket,
        &json!({"do": "fail", "action": "callInitiate"}),
    )
    .await;
    let Message::Text(failed) = receive(&mut socket).await else {
        panic!("no text");
    };
    let slow_is_done = stack.log().lines().iter().any(|l| l.contains("| done "));
    assert!(!slow_is_done);
    let mut failed: Value = serde_json::from_str(&failed).unwrap();
    assert!(failed["requestId"].take().is_string());
    let id = api(&stack).connections().remove(0);
    let expected =
        json!({"message": "Internal server error", "connectionId": id, "requestId": null});
    assert_eq!(failed, expected);
    stack.stop().await;
}

async fn close_code(socket: &mut Socket) -> u16 {
    loop {
        if let Message::Close(frame) = receive(socket).await {
            return frame.unwrap().code.into();
        }
    }
}

/// Sends again and again until the socket is closed.
async fn close_code_while_sending(socket: &mut Socket, every: Duration) -> u16 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        send(socket, &json!({})).await;
        if let Ok(code) = tokio::time::timeout(every, close_code(socket)).await {
            return code;
        }
        assert!(Instant::now() < deadline, "the socket is never closed");
    }
}

fn part(opcode: Data, bytes: usize, last: bool) -> Message {
    let payload = "x".repeat(bytes);
    Message::Frame(Frame::message(payload, OpCode::Data(opcode), last))
}

#[tokio::test]
async fn limits_close_a_socket() {
    const KB: usize = 1024;
    let stack = start("socket-limits").await;
    let mut socket = connect(&stack, "/").await;
    socket.send(part(Data::Text, 32 * KB, true)).await.unwrap();
    wait_for(&stack, "MESSAGE", 1).await;
    for (index, opcode) in [Data::Text, Data::Continue, Data::Continue, Data::Continue]
        .into_iter()
        .enumerate()
    {
        socket
            .send(part(opcode, 32 * KB, index == 3))
            .await
            .unwrap();
    }
    let whole = wait_for(&stack, "MESSAGE", 2).await.remove(1);
    assert_eq!(whole["body"].as_str().unwrap().len(), 128 * KB);
    socket
        .send(part(Data::Text, 32 * KB + 1, true))
        .await
        .unwrap();
    assert_eq!(close_code(&mut socket).await, 1009);
    let gone = wait_for(&stack, "DISCONNECT", 1).await.remove(0);
    assert_eq!(gone["requestContext"]["disconnectStatusCode"], 1009);

    let mut socket = connect(&stack, "/").await;
    for opcode in [Data::Text, Data::Continue, Data::Continue, Data::Continue] {
        socket.send(part(opcode, 32 * KB, false)).await.unwrap();
    }
    socket.send(part(Data::Continue, 1, true)).await.unwrap();
    assert_eq!(close_code(&mut socket).await, 1009);
    wait_for(&stack, "DISCONNECT", 2).await;
    assert_eq!(events(&stack, "MESSAGE").len(), 2);

    let (short, long) = (Duration::from_secs(1), Duration::from_secs(3600));
    let limit = |idle, lifetime| {
        api(&stack).limit(Limits {
            idle,
            lifetime,
            ..Limits::default()
        });
    };
    limit(short, long);
    let mut socket = connect(&stack, "/").await;
    tokio::time::sleep(short / 2).await;
    let last = Instant::now();
    send(&mut socket, &json!({})).await;
    assert_eq!(close_code(&mut socket).await, 1001);
    assert!(last.elapsed() >= short, "{:?}", last.elapsed());

    // What is sent keeps a socket from being idle, but not alive for ever.
    limit(long, short);
    let opened = Instant::now();
    let mut socket = connect(&stack, "/").await;
    assert_eq!(close_code_while_sending(&mut socket, short / 4).await, 1001);
    assert!(opened.elapsed() >= short, "{:?}", opened.elapsed());
    stack.stop().await;
}

#[tokio::test]
async fn faults_happen_to_whoever_asks_for_them() {
    let stack = start("socket-faults").await;
    let mut socket = connect(&stack, "/").await;
    let id = api(&stack).connections().remove(0);
    let late = Faults {
        delay: Duration::from_millis(200),
        ..Faults::default()
    };
    api(&stack).trouble(Passing::Frames, late, 7);
    for n in 0..20 {
        send(&mut socket, &json!(n)).await;
    }
    let bodies = |events: Vec<Value>| -> Vec<usize> {
        let body = |event: &Value| event["body"].as_str().unwrap().parse().unwrap();
        events.iter().map(body).collect()
    };
    let mut order = bodies(wait_for(&stack, "MESSAGE", 20).await);
    assert!(!order.is_sorted());
    order.sort_unstable();
    assert_eq!(order, Vec::from_iter(0..20));

    let twice = Faults {
        repeat: 1.0,
        ..Faults::default()
    };
    let never = Faults {
        lose: 1.0,
        ..Faults::default()
    };
    api(&stack).trouble(Passing::Frames, never, 7);
    send(&mut socket, &json!(20)).await;
    until("it is lost", || api(&stack).frames_in() == 21).await;
    api(&stack).trouble(Passing::Frames, twice, 7);
    send(&mut socket, &json!(21)).await;
    let order = bodies(wait_for(&stack, "MESSAGE", 22).await);
    assert_eq!(order[20..], [21, 21]);

    api(&stack).trouble(Passing::Posts, never, 7);
    post(&stack, &id, "lost").await.unwrap();
    api(&stack).trouble(Passing::Posts, twice, 7);
    api(&stack).posts_to(&id, Posts::AreLost);
    post(&stack, &id, "lost, too").await.unwrap();
    api(&stack).posts_to(&id, Posts::AreRefused);
    let refused = post(&stack, &id, "refused").await.unwrap_err();
    assert!(refused.starts_with("GoneException"), "{refused}");
    api(&stack).posts_to(&id, Posts::Arrive);
    post(&stack, &id, "twice").await.unwrap();
    for _ in 0..2 {
        assert_eq!(receive(&mut socket).await, Message::text("twice"));
    }

    assert!(api(&stack).vanish(&id));
    assert!(!api(&stack).vanish(&id));
    assert!(post(&stack, &id, "gone").await.is_err());
    assert!(!matches!(socket.next().await, Some(Ok(_))));
    api(&stack).trouble(Passing::Disconnects, twice, 7);
    connect(&stack, "/").await.close(None).await.unwrap();
    wait_for(&stack, "DISCONNECT", 2).await;
    for event in events(&stack, "DISCONNECT") {
        assert_ne!(event["requestContext"]["connectionId"], id);
    }
    stack.stop().await;
}

#[tokio::test]
async fn sockets_are_closed_when_the_stack_stops() {
    let stack = start("socket-stop").await;
    let mut sockets = [connect(&stack, "/").await, connect(&stack, "/live").await];
    assert_eq!(api(&stack).connections().len(), 2);
    let stop = tokio::time::timeout(PATIENCE, stack.stop());
    let [first, second] = &mut sockets;
    let (stopped, first, second) = tokio::join!(stop, close_code(first), close_code(second));
    assert_eq!((first, second), (1001, 1001));
    stopped.expect("the stack stops");
}

#[tokio::test]
async fn without_a_websocket_api_nothing_listens_for_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let stack = Stack::start(options("no-sockets").with("WS_PORT", &port));
    let stack = stack.await.unwrap();
    assert!(stack.websocket().is_none());
    stack.stop().await;
    let options = options_with("socket-port", TEMPLATE).with("WS_PORT", &port);
    let error = Stack::start(options).await.unwrap_err();
    assert!(matches!(&error, Error::PortTaken { name, .. } if name == "WS_PORT"));
}

#[tokio::test]
async fn the_program_stops_with_open_sockets() {
    let directory = super::directory("socket-program", TEMPLATE);
    let (mut program, _) = super::program(&directory).await;
    let state = std::fs::read(directory.join("state.json")).unwrap();
    let state: Value = serde_json::from_slice(&state).unwrap();
    let url = state["websocketUrl"].as_str().unwrap();
    let (mut socket, _) = connect_async(url).await.unwrap();
    kill("-TERM", program.id());
    assert_eq!(close_code(&mut socket).await, 1001);
    assert!(ended(&mut program).await.success());
}
