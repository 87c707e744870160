//! A shop that is asked.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

use crate::{Answer, AskError};

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(60);

/// A shop, reached over HTTP. Connections are kept, at most 256 idle ones.
#[derive(Clone)]
pub struct Shop {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
}

impl Shop {
    /// The shop at `url`.
    ///
    /// # Errors
    /// [`AskError::Client`].
    pub fn at(url: &str, token: Option<String>) -> Result<Self, AskError> {
        let http = reqwest::Client::builder()
            .timeout(ANSWER)
            .pool_max_idle_per_host(256)
            .tcp_nodelay(true)
            .build()
            .map_err(AskError::Client)?;
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
    /// Where the shop cannot be reached or the answer is not JSON; a problem is an answer.
    ///
    /// # Cancellation
    /// The request may have been sent: its outcome is unknown.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer, AskError> {
        let response = request.send().await.map_err(|error| self.no_answer(error))?;
        self.read(response).await
    }

    /// Sends a request and reads the whole answer as it is.
    ///
    /// # Errors
    /// Where the shop cannot be reached or the answer breaks off.
    ///
    /// # Cancellation
    /// As [`Shop::send`].
    pub async fn send_for_text(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), AskError> {
        let response = request.send().await.map_err(|error| self.no_answer(error))?;
        let status = response.status();
        let text = response.bytes().await.map_err(AskError::CutShort)?;
        Ok((status, text.into()))
    }

    /// GETs a path.
    ///
    /// # Errors
    /// As [`Shop::send`], and [`AskError::Refused`] where the answer is a problem.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn get(&self, path: &str) -> Result<Value, AskError> {
        self.send(self.request(Method::GET, path)).await?.ok()
    }

    /// POSTs a JSON body to a path.
    ///
    /// # Errors
    /// As [`Shop::send`].
    ///
    /// # Cancellation
    /// As [`Shop::send`].
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer, AskError> {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    async fn read(&self, response: Response) -> Result<Answer, AskError> {
        let status = response.status();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (position, etag) = (header("madrigal-position"), header("etag"));
        let bytes = response.bytes().await.map_err(AskError::CutShort)?;
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            let not_json = |source| AskError::NotJson { url: self.url.clone(), status, source };
            serde_json::from_slice(&bytes).map_err(not_json)?
        };
        Ok(Answer { status, body, position, etag })
    }

    fn no_answer(&self, error: reqwest::Error) -> AskError {
        if error.is_connect() { AskError::Unreachable(self.url.clone()) } else { AskError::NoAnswer(error) }
    }
}

impl std::fmt::Debug for Shop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shop").field("url", &self.url).finish_non_exhaustive()
    }
}
