//! Each layer of the crate imports only from the layers under it.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up.
const LAYERS: [&str; 4] = ["domain", "ports", "access", "lambda"];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn layers_import_downwards_only() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut imports = 0;
    for (height, layer) in LAYERS.iter().enumerate() {
        for file in sources(&src.join(layer)) {
            let text = fs::read_to_string(&file).unwrap();
            for (_, rest) in text
                .match_indices("crate::")
                .map(|(at, _)| text.split_at(at))
            {
                let target = rest["crate::".len()..].split(':').next().unwrap();
                let target = LAYERS.iter().position(|layer| *layer == target);
                let target = target.unwrap_or_else(|| panic!("{file:?}: {}", &rest[..40]));
                assert!(target <= height, "{file:?} imports from {}", LAYERS[target]);
                imports += 1;
            }
        }
    }
    assert!(
        imports > 20,
        "only {imports} imports seen: does this test still read the sources?"
    );
}

#[test]
fn the_domain_has_neither_a_clock_nor_io() {
    let domain = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/domain");
    for file in sources(&domain) {
        let text = fs::read_to_string(&file).unwrap();
        for word in [
            "::now(", "std::env", "std::fs", "std::net", "tokio", "aws_", "async fn",
        ] {
            assert!(!text.contains(word), "{file:?} has {word}");
        }
    }
}
