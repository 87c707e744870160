//! How commands ask a running shop: over its public API, like everybody else.

use std::time::Duration;

use anyhow::{Context, bail};
use madrigal_core::Host;
use madrigal_http::{Role, TokenSigner};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

use crate::cli::Settings;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::exit::Ended;

/// How long a token that a command makes for itself counts.
const OWN_TOKEN: Duration = Duration::from_secs(12 * 60 * 60);

/// A shop, reached over HTTP.
#[derive(Clone)]
pub struct Shop {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
}

/// What the shop answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body; null if there is none.
    pub body: Value,
    /// `Madrigal-Position`, where the answer carries one.
    pub position: Option<String>,
    /// `ETag`, where the answer carries one.
    pub etag: Option<String>,
}

impl Answer {
    /// The body of a success.
    ///
    /// # Errors
    /// The problem in words.
    pub fn ok(self) -> anyhow::Result<Value> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        bail!("{}", self.problem())
    }

    /// A problem in words: title, detail, each error.
    pub fn problem(&self) -> String {
        let text = |key: &str| self.body[key].as_str().unwrap_or_default();
        let mut words = format!("{} {}", self.status.as_u16(), text("title"));
        if !text("detail").is_empty() {
            words.push_str(&format!(": {}", text("detail")));
        }
        for error in self.body["errors"].as_array().into_iter().flatten() {
            let part = |key: &str| error[key].as_str().unwrap_or_default();
            words.push_str(&format!("; {} {}", part("pointer"), part("detail")));
        }
        for line in self.body["lines"].as_array().into_iter().flatten() {
            words.push_str(&format!(
                "; {}: {} asked for, {} there",
                line["productId"].as_str().unwrap_or_default(),
                line["requested"],
                line["available"]
            ));
        }
        words
    }
}

impl Shop {
    /// The shop of the settings, with the token of the settings or one made from the data directory's key.
    ///
    /// # Errors
    /// Where the client cannot be built.
    pub fn connect(settings: &Settings, config: &Config) -> anyhow::Result<Self> {
        let token = settings.token.clone().or_else(|| own_token(config));
        Self::at(&config.url, token)
    }

    /// The shop at `url`.
    ///
    /// # Errors
    /// Where the client cannot be built.
    pub fn at(url: &str, token: Option<String>) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(60))
            .pool_max_idle_per_host(256)
            .tcp_nodelay(true)
            .build()
            .context("the HTTP client cannot be built")?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned(), token })
    }

    /// The same shop, asked with another token.
    #[must_use]
    pub fn with_token(&self, token: String) -> Self {
        Self { token: Some(token), ..self.clone() }
    }

    /// The shop's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A request to a path, with the token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// Where the shop cannot be reached or the answer is not JSON.
    pub async fn send(&self, request: RequestBuilder) -> anyhow::Result<Answer> {
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        self.read(response).await
    }

    /// Sends a request and reads the whole answer as it is.
    ///
    /// # Errors
    /// Where the shop cannot be reached or the answer breaks off.
    pub async fn send_for_text(&self, request: RequestBuilder) -> anyhow::Result<(StatusCode, Vec<u8>)> {
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        let status = response.status();
        let text = response.bytes().await.context("the answer was cut short; its outcome is unknown")?;
        Ok((status, text.into()))
    }

    /// GETs a path.
    ///
    /// # Errors
    /// As [`Shop::send`], and the problem in words where the answer is one.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send(self.request(Method::GET, path)).await?.ok()
    }

    /// POSTs a JSON body to a path.
    ///
    /// # Errors
    /// As [`Shop::send`].
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    async fn read(&self, response: Response) -> anyhow::Result<Answer> {
        let status = response.status();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (position, etag) = (header("madrigal-position"), header("etag"));
        let bytes = response.bytes().await.context("the answer was cut short; its outcome is unknown")?;
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).with_context(|| format!("{} answered {status} without JSON", self.url))?
        };
        Ok(Answer { status, body, position, etag })
    }

    fn unreachable(&self, error: reqwest::Error) -> anyhow::Error {
        if error.is_connect() {
            return Ended::CouldNotCheck(format!(
                "no shop answers at {}: start one with `madrigal up`, or name another with --url",
                self.url
            ))
            .into();
        }
        anyhow::Error::new(error).context("the shop did not answer")
    }
}

impl std::fmt::Debug for Shop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shop").field("url", &self.url).finish_non_exhaustive()
    }
}

/// An operator's token, for whoever may read the data directory's key.
fn own_token(config: &Config) -> Option<String> {
    let data = config.data.is_dir().then(|| DataDir::open(&config.data).ok()).flatten()?;
    let text = std::fs::read_to_string(data.signing_key()).ok()?;
    let signer = TokenSigner::from_text(text.trim())?;
    Some(signer.issue(&Host::system(), "cli", Role::Operator, OWN_TOKEN).0)
}
