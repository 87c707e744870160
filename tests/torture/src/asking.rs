//! One request and what its answer, or its lack, means.

use std::time::Duration;

use madrigal_client::{Answer, AskError, Shop};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_invariants::Violation;
use reqwest::RequestBuilder;

use crate::draw::Draw;
use crate::facts::Facts;
use crate::verdict;

/// How long a customer waits for one answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Told {
    /// An answer that says how it stands: a success or a refusal.
    Answer(Answer),
    /// Nobody was there: it had no effect.
    NotSent,
    /// No answer, or one that says no more: to be repeated.
    Unknown,
}

/// Sends a request once.
pub(crate) async fn ask(shop: &Shop, request: RequestBuilder, patience: Duration, facts: &mut Facts) -> Told {
    match tasks::within(patience, shop.send(request)).await {
        None => Told::Unknown,
        Some(Err(AskError::Unreachable(_))) => Told::NotSent,
        Some(Err(AskError::NotJson { status, .. })) => {
            facts.surprise(Violation::new(verdict::ANSWERS_ARE_SOUND, [], format!("{status} without JSON")));
            Told::Unknown
        }
        Some(Err(_)) => Told::Unknown,
        Some(Ok(answer)) => match answer.status.as_u16() {
            202 | 429 | 502..=504 => Told::Unknown,
            409 if answer.body["retryable"] == true => Told::Unknown,
            200 | 201 | 204 | 402 | 404 | 409 | 412 => Told::Answer(answer),
            _ => {
                facts.surprise(Violation::new(verdict::ANSWERS_ARE_SOUND, [], answer.problem()));
                Told::Unknown
            }
        },
    }
}

/// Sends a request again and again until an answer says how it stands, with how many times none did; `None` where it was
/// stopped before.
pub(crate) async fn insist(
    shop: &Shop,
    request: impl Fn() -> RequestBuilder,
    draw: Option<&Draw>,
    facts: &mut Facts,
    stop: &StopSignal,
) -> (Option<Answer>, u32) {
    let mut unanswered = 0;
    loop {
        // Some customers hang up in the middle and ask again while the first request is still under way.
        let patience = match draw {
            Some(draw) if unanswered == 0 && draw.percent(5) => draw.pause(1, 50),
            _ => PATIENCE,
        };
        match ask(shop, request(), patience, facts).await {
            Told::Answer(answer) => {
                if unanswered > 0 {
                    facts.resolved += 1;
                }
                return (Some(answer), unanswered);
            }
            Told::NotSent => {}
            Told::Unknown => unanswered += 1,
        }
        let pause = draw.map_or(Duration::from_millis(50), |draw| draw.pause(5, 200));
        if tasks::sleep_or_stopped(pause, stop).await {
            return (None, unanswered);
        }
    }
}
