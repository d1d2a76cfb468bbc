//! What the functions are linked with.

use std::process::Command;

/// aws-lc costs 20 ms of CPU at its first use, which is 300 ms in a small Lambda;
/// two TLS stacks cost megabytes.
#[test]
fn one_tls_stack_and_it_is_ring() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--workspace",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--offline",
            "--locked",
        ])
        .args(["--manifest-path", manifest])
        .output()
        .unwrap();
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && tree.contains("ring v"), "{tree}");
    for other in ["aws-lc", "openssl-sys", "native-tls"] {
        assert!(!tree.contains(other), "{other} came in");
    }
}
