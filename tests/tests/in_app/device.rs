//! A device as a sensible client makes it: it believes the newest version of a call that
//! it has seen, and that it is in a call where it was told so in answer to its own frame.

use std::collections::BTreeMap;

use maskline::domain::time::Timestamp;
use serde_json::Value;

/// A device of a user, over all of its connections.
pub struct Device {
    pub user: String,
    /// Its connection, unless it is away.
    pub connection: Option<String>,
    /// `$connect` has returned.
    pub connected: bool,
    /// What it sends on this connection has ids from 1, as every client's.
    pub asked: Vec<Asked>,
    /// `joined` came on this connection.
    pub joined: bool,
    pub calls: BTreeMap<String, View>,
    /// Calls that it was in, the latest last.
    held: Vec<String>,
    /// It sent for a call that it is not in, so that the server may think it is.
    pub meddled: bool,
}

/// What a frame asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Join,
    Initiate,
    Accept,
    Other,
}

/// A call as a device sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub version: u64,
    pub phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It rings here, until then.
    Incoming(Timestamp),
    /// It was called from here, and rings there.
    Ringing,
    /// It is here.
    Active,
    /// Somebody accepted; not that this device had a part in it, as far as it knows.
    Accepted,
    /// It is, or was, on another device of this user, or concerns this one no more.
    Elsewhere,
    Over,
}

impl Phase {
    fn is_held(self) -> bool {
        matches!(self, Phase::Active | Phase::Ringing)
    }
}

impl Device {
    pub fn new(user: &str) -> Self {
        Device {
            user: user.to_owned(),
            connection: None,
            connected: false,
            asked: Vec::new(),
            joined: false,
            calls: BTreeMap::new(),
            held: Vec::new(),
            meddled: false,
        }
    }

    /// The call that it is in: that it talks in, or that it made and that rings.
    pub fn holds(&self) -> Option<(&str, Phase)> {
        let held = self.held.iter().rev();
        let mut held = held.map(|call| (call.as_str(), self.calls[call].phase));
        held.find(|(_, phase)| phase.is_held())
    }

    /// What it is in when it joins: one call at most. What rang may ring no more: it will
    /// be told.
    pub fn about_to_join(&mut self) -> Option<String> {
        let held = self.holds().map(|(call, _)| call.to_owned());
        for (call, view) in &mut self.calls {
            if held.as_ref() != Some(call) && view.phase != Phase::Over {
                view.phase = Phase::Elsewhere;
            }
        }
        held
    }

    /// It is away, and will not get what was sent to its connection.
    pub fn drop_connection(&mut self) -> Option<String> {
        (self.connected, self.joined) = (false, false);
        self.asked.clear();
        self.connection.take()
    }

    /// It has a new connection.
    pub fn connect(&mut self, connection: String) {
        self.drop_connection();
        self.connection = Some(connection);
    }

    /// The id of its next frame.
    pub fn ask(&mut self, what: Asked) -> u64 {
        self.asked.push(what);
        self.asked.len() as u64
    }

    /// A frame arrives; an error says what no client could make sense of.
    pub fn receive(&mut self, frame: &Value) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("{what}: {frame}"));
        let answers = match &frame["id"] {
            Value::Null => None,
            id => {
                let at = id.as_u64().and_then(|id| id.checked_sub(1));
                match at.and_then(|at| self.asked.get(usize::try_from(at).ok()?)) {
                    Some(asked) => Some(*asked),
                    None => return wrong("an answer to nothing that was asked"),
                }
            }
        };
        let (event, data) = (frame["event"].as_str().unwrap_or_default(), &frame["data"]);
        if event == "joined" {
            self.joined = true;
        }
        let (Some(call), Some(version)) = (data["callId"].as_str(), data["version"].as_u64())
        else {
            return Ok(());
        };
        // An answer that says that this device is the one in the call.
        let own = match event {
            "call:ringing" => matches!(answers, Some(Asked::Join | Asked::Initiate)),
            "call:accepted" => {
                matches!(answers, Some(Asked::Join | Asked::Initiate | Asked::Accept))
            }
            _ => false,
        };
        let was = self.calls.get(call).map(|seen| seen.phase);
        if let Some(seen) = self
            .calls
            .get_mut(call)
            .filter(|seen| version < seen.version)
        {
            // What was told since concerned this device, as it turns out.
            if own && seen.phase == Phase::Accepted {
                seen.phase = Phase::Active;
                self.held.push(call.to_owned());
            }
            return Ok(());
        }
        let held = own || was.is_some_and(Phase::is_held);
        let phase = match event {
            "call:incoming" if was == Some(Phase::Active) => return wrong("it is in that call"),
            "call:incoming" => {
                let until = data["expiresAt"].as_str().and_then(|at| at.parse().ok());
                until.map(Phase::Incoming)
            }
            "call:ringing" if held => Some(Phase::Ringing),
            "call:ringing" => Some(Phase::Elsewhere),
            "call:accepted" if held => Some(Phase::Active),
            "call:accepted" => Some(Phase::Accepted),
            "call:ended" if data["reason"] == "answered_elsewhere" => Some(Phase::Elsewhere),
            "call:ended" | "call:rejected" => Some(Phase::Over),
            // Relayed: says nothing of the call, but that there is this version of it.
            _ => return Ok(()),
        };
        let Some(phase) = phase else {
            return wrong("not to be read");
        };
        if was == Some(Phase::Over) && phase != Phase::Over {
            return wrong("the call was over");
        }
        if phase.is_held() && self.held.last().is_none_or(|held| held != call) {
            self.held.push(call.to_owned());
        }
        self.calls.insert(call.to_owned(), View { version, phase });
        Ok(())
    }
}
