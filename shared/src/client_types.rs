//! The client package's types of frames, from the definitions here: whoever changes a
//! frame changes what the package is checked against.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use ts_rs::{Config, TS, TypeVisitor};

use crate::domain::app_call::Reason;
use crate::domain::error_code::ErrorCode;
use crate::domain::signaling::{CallRef, Initiate, Join, Reject, Relayed, Sent};

const FILE: &str = "clients/js/src/frames.ts";
const REWRITE: &str = "REWRITE_CLIENT_TYPES";
const COMMAND: &str = "REWRITE_CLIENT_TYPES=1 cargo test --package maskline client_types";

/// Other names for parts of the types.
const NAMES: &str = "
/** A client's frame is named by its action. */
export type Action = keyof Actions;

/** What each event of a call says. */
export type CallEvents = {
  [E in Extract<Sent, { data: { callId: string } }> as E['event']]: E['data'];
};
";

/// What each action of a client takes.
#[derive(TS)]
#[ts(rename_all = "camelCase")]
#[allow(dead_code, reason = "only its declaration is of use")]
struct Actions {
    /// The first frame of every connection.
    join: Join,
    /// Rings the other party.
    call_initiate: Initiate,
    /// Takes the call that rings.
    call_accept: CallRef,
    /// Declines it.
    call_reject: Reject,
    /// To the other device in the call.
    call_offer: Relayed,
    /// To the other device in the call.
    call_answer: Relayed,
    /// To the other device in the call.
    call_ice_candidate: Relayed,
    /// Hangs up, or gives up while it rings.
    call_end: CallRef,
    /// Keeps the connection.
    ping: Nothing,
}

/// `ping` takes nothing.
#[derive(TS)]
struct Nothing {}

#[test]
fn every_action_has_a_route() {
    let template = include_str!("../../template.yaml");
    let (_, routes) = template.split_once("      Routes:\n").unwrap();
    let routes = routes
        .lines()
        .take_while(|line| line.starts_with("        "));
    let mut routes: Vec<_> = routes
        .filter_map(|line| line.trim().strip_suffix(':'))
        .filter(|route| !route.starts_with('$'))
        .collect();
    let actions = Actions::inline(&Config::new());
    let mut actions: Vec<_> = actions
        .split_whitespace()
        .filter_map(|word| word.strip_suffix(':'))
        .collect();
    routes.sort_unstable();
    actions.sort_unstable();
    assert_eq!(actions, routes);
}

/// Declarations of types and of what they are made of, by name.
struct Declarations {
    config: Config,
    found: BTreeMap<String, String>,
}

impl TypeVisitor for Declarations {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        let name = T::ident(&self.config);
        // Those of the language have no place of their own.
        if T::output_path().is_none() || self.found.contains_key(&name) {
            return;
        }
        let docs = T::docs().unwrap_or_default();
        let declaration = T::decl(&self.config);
        let declaration = tidy(&format!("{docs}export {declaration}"));
        self.found.insert(name, declaration);
        T::visit_dependencies(self);
    }
}

/// Fields indented, and comments on as few lines as they need.
fn tidy(declaration: &str) -> String {
    let declaration = declaration
        .replace("/**\n * ", "/** ")
        .replace("\n */", " */")
        .replace(", };", ",\n};")
        .replace(", } & (", ",\n} & (\n  | ")
        .replace("} | {", "}\n  | {")
        .replace("});", "}\n);");
    let mut tidy = String::new();
    let mut indent = "";
    for line in declaration.lines() {
        if line.starts_with('}') {
            indent = "";
        }
        tidy += indent;
        tidy += line.trim_end();
        tidy.push('\n');
        if line.ends_with("{ ") {
            indent = "  ";
        }
    }
    tidy
}

#[test]
fn the_client_packages_types_are_these() {
    let mut types = Declarations {
        config: Config::new().with_large_int("number"),
        found: BTreeMap::new(),
    };
    types.visit::<Actions>();
    types.visit::<Sent>();
    types.visit::<Reason>();
    types.visit::<ErrorCode>();
    let declarations: Vec<String> = types.found.into_values().collect();
    let text = format!(
        "/** Frames of the WebSocket API. Generated from `shared/src/domain/signaling.rs`:\n \
         * {COMMAND} */\n\n{}{NAMES}",
        declarations.join("\n")
    );
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = root.join(FILE);
    if std::env::var_os(REWRITE).is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(
        committed == text,
        "{FILE} is not what the frames here are; this rewrites it:\n{COMMAND}"
    );
}
