//! What came back from a part of the shop that need not be there: its answer, nobody who answers, or an error.

use http::StatusCode;
use maud::{Markup, html};

use super::marks::{Tone, message};
use super::refusal;
use crate::inside::{Refused, Told};

/// What was heard.
#[derive(Debug, Clone)]
pub(crate) enum Heard<T> {
    /// The answer.
    Said(T),
    /// This shop has no such part: nothing is served at the path.
    Absent,
    /// It should answer, and did not.
    Silent(Refused),
}

impl<T> Heard<T> {
    /// Reads an answer; what is served nowhere is absent, any other refusal is silence.
    pub(crate) fn of(answer: Result<Told, Refused>, read: impl FnOnce(Told) -> T) -> Self {
        match answer {
            Ok(told) => Self::Said(read(told)),
            Err(refused) if refused.status == StatusCode::NOT_FOUND && refused.code() == "unknown-path" => Self::Absent,
            Err(refused) => Self::Silent(refused),
        }
    }

    /// What was said, if anything was.
    pub(crate) fn said(&self) -> Option<&T> {
        match self {
            Self::Said(said) => Some(said),
            Self::Absent | Self::Silent(_) => None,
        }
    }

    /// In the place of what would have been said: why it is not there. `part` is as in "The monitor", `lost` what cannot be
    /// known without it.
    pub(crate) fn instead(&self, part: &str, lost: &str) -> Markup {
        self.instead_of(part, "sync-service", lost)
    }

    /// As [`Heard::instead`], for a part that is in this service.
    pub(crate) fn instead_of(&self, part: &str, service: &str, lost: &str) -> Markup {
        match self {
            Self::Said(_) => html! {},
            Self::Absent => message(
                Tone::Calm,
                "no",
                &html! {
                    p { b { (part) " is not part of this shop." } " " (lost) }
                    p.small { "It is in " (service) ": run that service too, or the whole shop with " code { "madrigal up" } "." }
                },
            ),
            Self::Silent(refused) => refusal::told(refused, &format!("{part} does not answer. {lost}")),
        }
    }
}
