//! The phone metadata that is built in.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::process::Command;

#[test]
fn it_is_that_of_the_locked_library() {
    let rustc = Command::new("rustc").arg("-vV").output().unwrap().stdout;
    let rustc = String::from_utf8(rustc).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: "));
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", host.unwrap()])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let workspace: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = workspace["packages"].as_array().unwrap();
    let library = packages.iter().find(|one| one["name"] == "rlibphonenumber");
    let manifest = library.unwrap()["manifest_path"].as_str().unwrap();
    let theirs = manifest.replace("Cargo.toml", "src/generated/metadata/metadata.bin");
    let ours = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/domain/numbering/metadata.bin"
    );
    let same = fs::read(theirs).unwrap() == fs::read(ours).unwrap();
    assert!(same, "run `make phone-metadata`");
}
