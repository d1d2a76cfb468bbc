//! What `make run` offers a newcomer, through the real functions: the demo data, and
//! `make demo-call`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use maskline_local::demo::{self, Demo, StateFile};
use maskline_tests::{World, unlimited};
use reqwest::Method;
use serde_json::{Value, json};

/// The program, where the functions' binaries are, too.
fn program() -> PathBuf {
    let executable = std::env::current_exe().unwrap();
    let built = executable.parent().and_then(Path::parent).unwrap();
    let program = built.join("demo-call");
    assert!(program.is_file(), "build it first: make test");
    program
}

async fn demo_call(state: &Path, arguments: &'static [&str]) -> Output {
    let mut command = Command::new(program());
    command.args(arguments).env("STATE_FILE", state);
    let output = tokio::task::spawn_blocking(move || command.output());
    output.await.unwrap().unwrap()
}

/// The frames that it shows: device, arrow, name, without times.
fn frames(shown: &str) -> Vec<String> {
    let lines = shown
        .lines()
        .filter(|line| line.contains(" → ") || line.contains(" ← "));
    let words = lines.map(|line| {
        let words: Vec<_> = line.split_whitespace().skip(1).take(4).collect();
        words.join(" ")
    });
    words.collect()
}

async fn history(world: &World, demo: &Demo) -> Vec<Value> {
    let path = "/api/calls/history/demo-booking";
    let token = Some(demo.booking.provider.token.as_str());
    let answer = world.api(Method::GET, path, token, None).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["data"]["calls"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_call_with_each_ending() {
    let state = Path::new(env!("CARGO_TARGET_TMPDIR")).join("demo-call.json");
    let _ = std::fs::remove_file(&state);
    let output = demo_call(&state, &[]).await;
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(
        complaint.contains("start it with `make run`"),
        "{complaint}"
    );

    let options = unlimited()
        .with("APP_RING_SECONDS", "4")
        .with("STATE_FILE", state.to_str().unwrap());
    let world = World::start_aside(options);
    let demo = demo::load(&world.stack).await.unwrap().unwrap();
    let _state = StateFile::write(&world.stack, Some(&demo)).unwrap();
    let welcome = demo::welcome(&world.stack, Some(&demo));
    for token in [&demo.booking.user.token, &demo.booking.provider.token] {
        let socket = format!("{}/?token={token}", world.socket_url());
        assert!(welcome.contains(&socket));
    }
    assert!(welcome.contains("make demo-call"));
    assert!(welcome.contains(&format!("{}/demo\n", world.stack.http_url())));
    assert!(!welcome.contains("CORS_ORIGINS"));
    let elsewhere = demo::welcome(&maskline_tests::world().stack, Some(&demo));
    assert!(elsewhere.contains("CORS_ORIGINS does not hold"));

    let endings: [(&[&str], _, &[_]); 4] = [
        (
            &[],
            "completed",
            &[
                "asha's phone → join",
                "asha's phone ← joined",
                "asha's phone → callInitiate",
                "ravi's phone ← call:incoming",
                "ravi's tablet ← call:incoming",
                "asha's phone ← call:ringing",
                "ravi's phone → callAccept",
                "ravi's phone ← call:accepted",
                "asha's phone ← call:accepted",
                "ravi's tablet ← call:ended",
                "asha's phone → callOffer",
                "ravi's phone ← call:offer",
                "ravi's phone → callAnswer",
                "asha's phone ← call:answer",
                "ravi's phone ← call:ice-candidate",
                "asha's phone ← call:ice-candidate",
                "asha's phone → callEnd",
                "asha's phone ← call:ended",
                "ravi's phone ← call:ended",
            ],
        ),
        (
            &["--ending", "reject"],
            "rejected",
            &[
                "ravi's phone → callReject",
                "asha's phone ← call:rejected",
                "ravi's tablet ← call:ended",
            ],
        ),
        (
            &["--ending", "cancel"],
            "missed",
            &["asha's phone → callEnd", "ravi's tablet ← call:ended"],
        ),
        (
            &["--ending", "timeout"],
            "missed",
            &["asha's phone ← call:ended", "ravi's tablet ← call:ended"],
        ),
    ];
    for (n, (arguments, status, expected)) in endings.into_iter().enumerate() {
        let output = demo_call(&state, arguments).await;
        let shown = String::from_utf8(output.stdout).unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{shown}{complaint}");
        assert!(!shown.contains("eyJ"), "a token is shown: {shown}");
        let frames = frames(&shown);
        for frame in expected {
            assert!(frames.iter().any(|seen| seen == frame), "{frame}: {shown}");
        }
        let rows = history(&world, &demo).await;
        assert_eq!(rows.len(), n + 1, "{rows:?}");
        assert_eq!(rows[0]["call_status"], status);
        let row = format!("{:#}", rows[0]);
        assert!(shown.contains(&row), "{row} is not in {shown}");
    }

    // It says so where a call does not go as it should.
    let cancelled = json!({
        "userId": "asha", "userName": "Asha", "providerId": "ravi", "providerName": "Ravi",
        "serviceName": "Bicycle repair", "status": "cancelled",
    });
    world.put_booking("demo-booking", &cancelled).await;
    let output = demo_call(&state, &[]).await;
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(
        complaint.contains("callInitiate was refused: the booking's status allows no calls"),
        "{complaint}"
    );
}
