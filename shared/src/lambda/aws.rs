//! The DynamoDB client, made for a short life: no configuration chain, no
//! certificate store, credentials and region from the environment that Lambda sets.

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region, SharedHttpClient};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};

use crate::access::config::{ConfigError, Env};
use crate::ports::store::{ATTEMPT_TIMEOUT, ATTEMPTS, OPERATION_TIMEOUT};

/// The roots that AWS's endpoints chain to
/// (<https://www.amazontrust.com/repository/>). A whole root store costs 3 ms of
/// parsing at each start.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

/// A client for AWS's DynamoDB, or for the one that AWS_ENDPOINT_URL_DYNAMODB names.
pub fn dynamodb(env: &Env) -> Result<Client, ConfigError> {
    let credentials = Credentials::new(
        env.required("AWS_ACCESS_KEY_ID")?,
        env.required("AWS_SECRET_ACCESS_KEY")?,
        env.optional("AWS_SESSION_TOKEN").map(str::to_owned),
        None,
        "environment",
    );
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    let mut config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(env.required("AWS_REGION")?.to_owned()))
        .credentials_provider(credentials)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
    let endpoint = env.optional("AWS_ENDPOINT_URL_DYNAMODB");
    if let Some(endpoint) = endpoint {
        config = config.endpoint_url(endpoint);
    }
    let plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    let http = if plain {
        Builder::new().build_http()
    } else {
        https()?
    };
    Ok(Client::from_conf(config.http_client(http).build()))
}

fn https() -> Result<SharedHttpClient, ConfigError> {
    let trust = TrustStore::empty().with_pem_certificate(AMAZON_ROOTS);
    let context = TlsContext::builder()
        .with_trust_store(trust)
        .build()
        .map_err(|_| ConfigError {
            name: "TLS",
            problem: "roots cannot be read",
        })?;
    Ok(Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(context)
        .build_https())
}
