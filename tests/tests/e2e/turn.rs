//! Credentials of `ice-servers` at a TURN server that is not ours: coturn, spoken to by
//! coturn's own client.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use maskline::access::config::Env;
use maskline::domain::time::{Timestamp, add_seconds};
use maskline_local::Options;
use maskline_tests::World;
use reqwest::Method;
use serde_json::Value;

const SECRET: &str = "the-secret-that-coturn-shares";

/// A running coturn.
struct TurnServer {
    process: Child,
    port: u16,
}

impl TurnServer {
    fn start() -> Self {
        // A free port can be taken before coturn has it: then it exits.
        (0..5)
            .find_map(|_| TurnServer::start_at(free_port()))
            .expect("coturn does not start")
    }

    fn start_at(port: u16) -> Option<Self> {
        let folder = env!("CARGO_TARGET_TMPDIR");
        let process = Command::new("turnserver")
            .args([
                "-n",
                "--no-cli",
                "--no-tls",
                "--no-dtls",
                "--realm=maskline",
            ])
            .args(["--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1"])
            .arg(format!("--listening-port={port}"))
            .args(["--use-auth-secret", "--allow-loopback-peers"])
            .arg(format!("--static-auth-secret={SECRET}"))
            .arg(format!("--pidfile={folder}/turnserver-{port}.pid"))
            .arg(format!("--userdb={folder}/turnserver-{port}.db"))
            .args(["--log-file=stdout", "--simple-log"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("turnserver is not installed: make turn-server");
        let mut server = TurnServer { process, port };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if server.process.try_wait().unwrap().is_some() {
                return None;
            }
            assert!(Instant::now() < deadline, "coturn does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(server)
    }

    /// Whether it gives two clients a relay each, over which they reach each other.
    fn relays(&self, username: &str, credential: &str) -> bool {
        let output = Command::new("turnutils_uclient")
            .args(["-y", "-m", "2", "-n", "1"])
            .args(["-u", username, "-w", credential])
            .args(["-p", &self.port.to_string(), "127.0.0.1"])
            .output()
            .expect("turnutils_uclient is not installed: make turn-server");
        let told = String::from_utf8_lossy(&output.stdout);
        let refused = told.contains("Cannot complete Allocation");
        let carried = told.contains("Total lost packets 0 (");
        assert!(
            output.status.success() == carried && carried != refused,
            "{}: {told}",
            output.status
        );
        carried
    }
}

impl Drop for TurnServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One that neither UDP nor TCP uses.
fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = tcp.local_addr().unwrap();
        if UdpSocket::bind(address).is_ok() {
            return address.port();
        }
    }
}

fn credentials(data: &Value) -> (String, String) {
    let turn = &data["iceServers"][1];
    let text = |name: &str| turn[name].as_str().unwrap().to_owned();
    (text("username"), text("credential"))
}

#[tokio::test(flavor = "multi_thread")]
async fn coturn_takes_credentials_until_they_expire() {
    let server = TurnServer::start();
    let uri = format!("turn:127.0.0.1:{}", server.port);
    let options = Options::ephemeral()
        .with("TURN_URLS", &uri)
        .with("TURN_SECRET", SECRET);
    let world = World::start_aside(options);
    let token = world.token("user-1", "");
    let path = "/api/calls/ice-servers";
    let answer = world.api(Method::GET, path, Some(&token), None).await;
    let (username, credential) = credentials(&answer.json()["data"]);
    assert!(server.relays(&username, &credential));

    // One byte of either changed, in the time, the id and the signature.
    let swapped = |text: &str, at: usize| {
        let byte = if &text[at..=at] == "1" { "2" } else { "1" };
        format!("{}{byte}{}", &text[..at], &text[at + 1..])
    };
    for at in [9, username.len() - 1] {
        assert!(!server.relays(&swapped(&username, at), &credential));
    }
    for at in [0, credential.len() / 2] {
        assert!(!server.relays(&username, &swapped(&credential, at)));
    }

    // The same function of ours, asked an hour and a minute ago, and a second more.
    let env = Env::from([
        ("STUN_URLS", "stun:127.0.0.1"),
        ("TURN_URLS", &uri),
        ("TURN_SECRET", SECRET),
        ("IP_HASH_SECRET", "local-development-ip-hash-secret"),
        ("MAX_CALL_SECONDS", "60"),
    ]);
    let servers = env.ice_servers().unwrap();
    for (seconds_left, taken) in [(30, true), (-1, false)] {
        let asked = add_seconds(Timestamp::now(), seconds_left - 3660);
        let data = serde_json::to_value(servers.for_user("user-1", asked)).unwrap();
        let (username, credential) = credentials(&data);
        assert_eq!(
            server.relays(&username, &credential),
            taken,
            "{seconds_left}"
        );
    }
}
