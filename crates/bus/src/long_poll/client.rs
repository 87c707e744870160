//! The asking end.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{Fault, FaultRetry, LogEpoch, Position, tasks};
use madrigal_http::ServiceToken;
use madrigal_projection::Checkpoint;
use madrigal_projection::consumer::{PollError, PollFrom, Start};
use reqwest::StatusCode;
use serde::Deserialize;

use super::router::REFUSED;
use super::{BEYOND_END, MAX_MESSAGES, OTHER_EPOCH, PollAnswer, PollQuery};
use crate::message::Message;
use crate::source::{MAX_WAIT, Polled, TopicSource};

/// How long connecting may take.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// What an answer may take beyond the time that it was asked to wait.
const MARGIN: Duration = Duration::from_secs(10);
/// The most bytes of an answer; a thousand messages of the event store's largest size do not fit, so such a topic is read
/// with a smaller batch.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// A topic of another process, read by long polling.
#[derive(Clone)]
pub struct HttpTopic {
    topic: &'static str,
    owner: &'static str,
    url: String,
    token: Arc<dyn ServiceToken>,
    client: Result<reqwest::Client, String>,
}

impl HttpTopic {
    /// `topic` of the service `owner`, whose addresses begin with `base_url`.
    pub fn new(topic: &'static str, owner: &'static str, base_url: &str, token: Arc<dyn ServiceToken>) -> Self {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIME)
            // A neighbour that sends elsewhere is misconfigured; the token must not follow.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tcp_nodelay(true)
            .build()
            .map_err(|error| error.to_string());
        let url = format!("{}/internal/topics/{topic}", base_url.trim_end_matches('/'));
        Self { topic, owner, url, token, client }
    }

    async fn ask(&self, query: PollQuery) -> Result<Polled, PollError> {
        let client = self.client.as_ref().map_err(|error| self.broken(FaultRetry::Never, error.clone()))?;
        let request = client.get(&self.url).query(&query).bearer_auth(self.token.bearer());
        let mut response = request.send().await.map_err(|error| self.failed(error))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| self.failed(error))? {
            if body.len() + piece.len() > MAX_ANSWER_BYTES {
                let why = format!("the answer has more than {MAX_ANSWER_BYTES} bytes: poll with a smaller batch");
                return Err(self.broken(FaultRetry::Never, why).into());
            }
            body.extend_from_slice(&piece);
        }
        if status == StatusCode::OK { self.read(&body) } else { Err(self.refused(status, &body, &query)) }
    }

    fn read(&self, body: &[u8]) -> Result<Polled, PollError> {
        let odd = |why: String| PollError::Fault(self.broken(FaultRetry::Never, why));
        let answer: PollAnswer = serde_json::from_slice(body).map_err(|error| odd(error.to_string()))?;
        let items = answer.messages.iter().map(|json| Message::from_json(json.get()));
        let items = items.collect::<Result<Vec<_>, _>>().map_err(|error| odd(error.to_string()))?;
        Ok(Polled { items, scanned_through: answer.scanned_through, epoch: answer.epoch, end: answer.end })
    }

    fn refused(&self, status: StatusCode, body: &[u8], query: &PollQuery) -> PollError {
        let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
        let reader = Position(query.after.unwrap_or(0));
        match (refusal.code.as_deref(), refusal.epoch, refusal.end, query.epoch) {
            (Some(OTHER_EPOCH), Some(log), _, Some(reader)) if status == REFUSED => {
                PollError::OtherEpoch { reader, log }
            }
            (Some(BEYOND_END), _, Some(end), _) if status == REFUSED => PollError::BeyondEnd { reader, end },
            (code, ..) => {
                let why = format!("answered {status} ({})", code.unwrap_or("no code"));
                // A wrong token or a missing topic is mended by configuration, while this end goes on asking.
                self.broken(FaultRetry::After(Duration::from_secs(1)), why).into()
            }
        }
    }

    fn failed(&self, error: reqwest::Error) -> PollError {
        // The address is configuration, which the fault's reader has.
        let retry = FaultRetry::After(Duration::from_millis(200));
        Fault::not_applied(self.owner, "poll", error.without_url()).with_retry(retry).into()
    }

    fn broken(&self, retry: FaultRetry, why: String) -> Fault {
        Fault::not_applied(self.owner, "poll", why).with_retry(retry)
    }
}

#[async_trait]
impl TopicSource for HttpTopic {
    fn topic(&self) -> &str {
        self.topic
    }

    async fn poll(&self, from: PollFrom, limit: usize, wait: Duration) -> Result<Polled, PollError> {
        let wait = wait.min(MAX_WAIT);
        let query = PollQuery {
            limit: Some(limit.clamp(1, MAX_MESSAGES)),
            wait: Some(u64::try_from(wait.as_millis()).unwrap_or(0)),
            ..asked(from)
        };
        let answered = tasks::within(wait + MARGIN, self.ask(query)).await;
        answered
            .unwrap_or_else(|| Err(self.broken(FaultRetry::Now, "no answer within the time limit".to_owned()).into()))
    }
}

fn asked(from: PollFrom) -> PollQuery {
    let start = |name: &str| Some(name.to_owned());
    match from {
        PollFrom::Start(Start::Earliest) => PollQuery { start: start("earliest"), ..PollQuery::default() },
        PollFrom::Start(Start::Latest) => PollQuery { start: start("latest"), ..PollQuery::default() },
        PollFrom::Start(Start::At(position)) => {
            PollQuery { start: start("at"), after: Some(position.0), ..PollQuery::default() }
        }
        PollFrom::After(Checkpoint { epoch, position }) => {
            PollQuery { epoch: Some(epoch), after: Some(position.0), ..PollQuery::default() }
        }
    }
}

#[derive(Deserialize, Default)]
struct Refusal {
    code: Option<String>,
    epoch: Option<LogEpoch>,
    end: Option<Position>,
}
