//! Clients for AWS, made for a short life: no configuration chain, no certificate
//! store, credentials and region from the environment that Lambda sets.

use std::cell::OnceCell;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_types::SdkConfig;
use aws_types::sdk_config::{RetryConfig, SharedHttpClient, TimeoutConfig};

use crate::access::config::{ConfigError, Env};
use crate::ports::{deadlines, delivery, store};

/// The roots that AWS's endpoints chain to
/// (<https://www.amazontrust.com/repository/>). A whole root store costs 3 ms of
/// parsing at each start.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

/// What makes clients. One HTTP client serves them all.
pub struct Aws {
    region: Region,
    credentials: SharedCredentialsProvider,
    https: OnceCell<SharedHttpClient>,
}

impl Aws {
    /// From AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let credentials = Credentials::new(
            env.required("AWS_ACCESS_KEY_ID")?,
            env.required("AWS_SECRET_ACCESS_KEY")?,
            env.optional("AWS_SESSION_TOKEN").map(str::to_owned),
            None,
            "environment",
        );
        Ok(Aws {
            region: Region::new(env.required("AWS_REGION")?.to_owned()),
            credentials: SharedCredentialsProvider::new(credentials),
            https: OnceCell::new(),
        })
    }

    /// DynamoDB, or the endpoint that AWS_ENDPOINT_URL_DYNAMODB names.
    pub fn dynamodb(&self, env: &Env) -> Result<aws_sdk_dynamodb::Client, ConfigError> {
        let endpoint = env.optional("AWS_ENDPOINT_URL_DYNAMODB");
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(store::ATTEMPT_TIMEOUT)
            .operation_timeout(store::OPERATION_TIMEOUT)
            .build();
        let config = self.config(endpoint, timeouts, store::ATTEMPTS)?;
        Ok(aws_sdk_dynamodb::Client::new(&config))
    }

    /// SQS, or the endpoint that AWS_ENDPOINT_URL_SQS names.
    pub fn sqs(&self, env: &Env) -> Result<aws_sdk_sqs::Client, ConfigError> {
        let endpoint = env.optional("AWS_ENDPOINT_URL_SQS");
        let timeouts = attempts_of(deadlines::ATTEMPT_TIMEOUT);
        let config = self.config(endpoint, timeouts, deadlines::ATTEMPTS)?;
        Ok(aws_sdk_sqs::Client::new(&config))
    }

    /// The management API of one stage's connections, at that https URL.
    pub fn connections(
        &self,
        url: &str,
    ) -> Result<aws_sdk_apigatewaymanagement::Client, ConfigError> {
        let timeouts = attempts_of(delivery::ATTEMPT_TIMEOUT);
        let config = self.config(Some(url), timeouts, delivery::ATTEMPTS)?;
        Ok(aws_sdk_apigatewaymanagement::Client::new(&config))
    }

    fn config(
        &self,
        endpoint: Option<&str>,
        timeouts: TimeoutConfig,
        attempts: u32,
    ) -> Result<SdkConfig, ConfigError> {
        let plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
        let http = match plain {
            true => Builder::new().build_http(),
            false => self.https()?,
        };
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(self.region.clone())
            .credentials_provider(self.credentials.clone())
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(attempts))
            .http_client(http);
        config.set_endpoint_url(endpoint.map(str::to_owned));
        Ok(config.build())
    }

    fn https(&self) -> Result<SharedHttpClient, ConfigError> {
        if let Some(client) = self.https.get() {
            return Ok(client.clone());
        }
        let trust = TrustStore::empty().with_pem_certificate(AMAZON_ROOTS);
        let context = TlsContext::builder()
            .with_trust_store(trust)
            .build()
            .map_err(|_| ConfigError {
                name: "TLS",
                problem: "roots cannot be read",
            })?;
        let client = Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context)
            .build_https();
        Ok(self.https.get_or_init(|| client).clone())
    }
}

fn attempts_of(timeout: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .operation_attempt_timeout(timeout)
        .build()
}
