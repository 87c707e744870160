//! How each of the sandbox's tokens behaves.

/// What the sandbox does about a token. The same every time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Charges.
    Pays {
        /// Of the card behind it.
        last_four: &'static str,
    },
    /// Declines.
    Declines {
        /// The reason given.
        reason: &'static str,
    },
    /// Charges, but the first answer under a key comes too late.
    PaysTooLate {
        /// Of the card behind it.
        last_four: &'static str,
    },
    /// Never charges and always answers too late.
    NeverAnswers,
    /// Is not available for the first calls under a key, then charges.
    FailsFirst {
        /// How many calls fail.
        times: u32,
        /// Of the card behind it.
        last_four: &'static str,
    },
}

impl Behaviour {
    /// The behaviour of a token; unknown ones are declined as `invalid_token`.
    pub fn of(token: &str) -> Self {
        match token {
            "tok_visa" => Self::Pays { last_four: "4242" },
            "tok_mastercard" => Self::Pays { last_four: "4444" },
            "tok_declined" => Self::Declines { reason: "card_declined" },
            "tok_insufficient" => Self::Declines { reason: "insufficient_funds" },
            "tok_timeout_paid" => Self::PaysTooLate { last_four: "0119" },
            "tok_timeout_unpaid" => Self::NeverAnswers,
            "tok_flaky" => Self::FailsFirst { times: 2, last_four: "0341" },
            _ => Self::Declines { reason: "invalid_token" },
        }
    }
}
