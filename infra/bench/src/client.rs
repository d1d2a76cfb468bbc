//! What the client package weighs, and the frames of a call. Its own tools find both out,
//! right before (`make bench`).

use std::fmt;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::report::{Table, Target};

/// The most frames of an audio call on a plain network, each way.
const MOST_FRAMES: f64 = 12.0;

/// The client package's figures.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Client {
    /// What pages load.
    pub sizes: Vec<Size>,
    /// Calls between two apps.
    pub calls: Vec<Frames>,
}

/// A script's size.
#[derive(Debug, Serialize, Deserialize)]
pub struct Size {
    /// An entry of the package, or a script.
    pub entry: String,
    /// Bytes, gzipped.
    pub bytes: u64,
    /// What it must not be above.
    #[serde(default)]
    pub limit: Option<u64>,
}

/// The frames of a call, both apps' together, but for those of their connections.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Frames {
    /// To the server.
    pub sent: u32,
    /// From the server.
    pub received: u32,
}

impl Client {
    /// Reads what was found out about the project in the folder `root`.
    pub fn read(root: &Path) -> Result<Self, Error> {
        let mut sizes: Vec<Size> = read(&root.join("target/client-size.json"))?;
        let script = root.join("clients/tag/dist/tag.js.gz");
        let about = script.metadata();
        sizes.push(Size {
            entry: "the tag page's script".into(),
            bytes: about
                .map_err(Error::io(script.display().to_string()))?
                .len(),
            limit: None,
        });
        let calls = read(&root.join("target/client-frames.json"))?;
        Ok(Self { sizes, calls })
    }

    /// What the package is to keep to.
    pub fn targets(&self) -> impl Iterator<Item = Target> {
        let sizes = self.sizes.iter().filter_map(|size| {
            let limit = size.limit? as f64;
            let what = "bytes of the client package, gzipped";
            Some(Target::at_most(what, &size.entry, size.bytes as f64, limit))
        });
        let most = |count: fn(&Frames) -> u32| self.calls.iter().map(count).max();
        let ways = [
            ("to the server", most(|call| call.sent)),
            ("from the server", most(|call| call.received)),
        ];
        let frames = ways.into_iter().filter_map(|(way, most)| {
            let what = "frames of an audio call between two apps";
            Some(Target::at_most(what, way, f64::from(most?), MOST_FRAMES))
        });
        sizes.chain(frames)
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let name = path.display().to_string();
    let text = std::fs::read(path).map_err(Error::io(&name))?;
    serde_json::from_slice(&text).map_err(|error| Error::io(&name)(error.into()))
}

impl fmt::Display for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(["client", "bytes gzipped"]);
        for size in &self.sizes {
            table.row([size.entry.clone(), size.bytes.to_string()]);
        }
        writeln!(out, "{table}")?;
        let mut table = Table::new(["an audio call between two apps", "frames sent", "received"]);
        for (n, call) in self.calls.iter().enumerate() {
            let (sent, received) = (call.sent.to_string(), call.received.to_string());
            table.row([format!("the {}.", n + 1), sent, received]);
        }
        writeln!(out, "{table}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_call_decides() {
        let size = |bytes| Size {
            entry: "core".into(),
            bytes,
            limit: Some(8192),
        };
        let call = |sent, received| Frames { sent, received };
        let client = Client {
            sizes: vec![size(8192), size(8193)],
            calls: vec![call(5, 13), call(12, 6)],
        };
        let met: Vec<bool> = client.targets().map(|target| target.met).collect();
        assert_eq!(met, [true, false, true, false]);
    }
}
