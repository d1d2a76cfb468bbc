//! Frames out: API Gateway's management API of WebSocket connections.
//!
//! A post has [`ATTEMPT_TIMEOUT`] an attempt and is tried twice at most. A frame may so
//! arrive twice, and one that API Gateway took may still be lost with a dying socket:
//! what must arrive is confirmed by the client's next frame, or asked for again with
//! `join`.

use std::time::Duration;

use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_apigatewaymanagement::primitives::Blob;

use crate::domain::signaling::Sent;

/// How long one attempt may take.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(2000);
/// How often a post is tried.
pub const ATTEMPTS: u32 = 2;

/// What became of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    /// API Gateway took it.
    Taken,
    /// There is no such connection, or not yet.
    Gone,
    /// API Gateway failed, or was silent; the cause is for the log.
    Failed(String),
}

/// What sends frames.
pub trait Deliver {
    /// Sends a frame to a connection.
    fn post(&self, connection: &str, frame: &Sent) -> impl Future<Output = Posted>;

    /// Whether the connection is known to be gone.
    fn is_gone(&self, connection: &str) -> impl Future<Output = bool>;
}

/// The API of one stage.
#[derive(Debug, Clone)]
pub struct ApiGateway {
    client: Client,
}

impl ApiGateway {
    /// Wraps a client.
    pub fn new(client: Client) -> Self {
        ApiGateway { client }
    }
}

impl Deliver for ApiGateway {
    async fn post(&self, connection: &str, frame: &Sent) -> Posted {
        let Ok(bytes) = serde_json::to_vec(frame) else {
            return Posted::Failed("a frame does not serialize".to_owned());
        };
        let sent = self
            .client
            .post_to_connection()
            .connection_id(connection)
            .data(Blob::new(bytes))
            .send()
            .await;
        match sent {
            Ok(_) => Posted::Taken,
            Err(error) if gone(&error) => Posted::Gone,
            Err(error) => Posted::Failed(cause(&error)),
        }
    }

    async fn is_gone(&self, connection: &str) -> bool {
        let asked = self.client.get_connection().connection_id(connection);
        match asked.send().await {
            Ok(_) => false,
            Err(error) => gone(&error),
        }
    }
}

fn gone<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    let code = error.as_service_error().and_then(|error| error.code());
    code == Some("GoneException")
}

/// The code alone: messages may quote what was sent.
fn cause<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    let code = error.as_service_error().and_then(|error| error.code());
    let kind = match error {
        SdkError::TimeoutError(_) => "timeout",
        SdkError::ConstructionFailure(_) => "construction",
        _ => "connection",
    };
    code.unwrap_or(kind).to_owned()
}
