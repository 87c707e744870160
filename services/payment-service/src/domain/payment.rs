//! What a payment is, and what may happen to it next.

use serde::Serialize;

use super::event::{Declined, PaymentEvent, Refunded, Succeeded};
use super::terms::Terms;

/// One payment, folded from its stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payment {
    /// What was asked for; `None` where only an undo was ever heard of.
    pub terms: Option<Terms>,
    /// The charge, where the provider confirmed one.
    pub succeeded: Option<Succeeded>,
    /// The provider's reason, where it declined.
    pub declined: Option<Declined>,
    /// What was given back.
    pub refunded: Option<Refunded>,
    /// Where it stands.
    pub state: PaymentState,
}

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PaymentState {
    /// Nothing was ever heard of it.
    #[default]
    Unseen,
    /// The intent is durable; whether the provider charged is not known (yet).
    Requested,
    /// Charged.
    Paid,
    /// Certainly not charged.
    Declined,
    /// An undo is under way: no charge is possible any more.
    Undoing,
    /// Charged and given back.
    Refunded,
    /// The tombstone: not charged and never to be.
    Voided,
}

impl PaymentState {
    /// As in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unseen => "unseen",
            Self::Requested => "requested",
            Self::Paid => "paid",
            Self::Declined => "declined",
            Self::Undoing => "undoing",
            Self::Refunded => "refunded",
            Self::Voided => "voided",
        }
    }
}

/// What to do about a request to charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChargeDecision {
    /// Record these events, then decide again.
    Record(Vec<PaymentEvent>),
    /// Ask the provider, under the saga's key; asked before or not makes no difference to it.
    AskProvider,
    /// Answer: charged.
    Paid(Succeeded),
    /// Answer: declined.
    Declined(Declined),
    /// Finish the undo first, then answer voided: only then is it certain that nothing stays charged.
    FinishUndo,
    /// Answer: refunded or voided before.
    Voided,
    /// Never charge: the saga agreed to other terms before.
    OtherTerms,
}

/// What to do about a request to give back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundDecision {
    /// Record these events, then decide again.
    Record(Vec<PaymentEvent>),
    /// Ask the provider to give back whatever it charged under the saga's key, and to refuse the key from now on.
    AskProvider,
    /// Answer: it is undone.
    Undone {
        /// Whether nothing had been charged.
        nothing_to_undo: bool,
    },
}

impl Payment {
    /// The payment after one more event.
    #[must_use]
    pub fn evolve(mut self, event: PaymentEvent) -> Self {
        self.state = match event {
            PaymentEvent::Requested(terms) => {
                self.terms = Some(terms);
                PaymentState::Requested
            }
            PaymentEvent::Succeeded(data) => {
                self.succeeded = Some(data);
                PaymentState::Paid
            }
            PaymentEvent::Declined(data) => {
                self.declined = Some(data);
                PaymentState::Declined
            }
            PaymentEvent::RefundRequested => PaymentState::Undoing,
            PaymentEvent::Refunded(data) => {
                self.refunded = Some(data);
                PaymentState::Refunded
            }
            PaymentEvent::Voided => PaymentState::Voided,
        };
        self
    }

    /// Decides about a request to charge on these terms.
    pub fn decide_charge(&self, saga_id: &str, asked: &Terms) -> ChargeDecision {
        if self.terms.as_ref().is_some_and(|agreed| agreed != asked) {
            return ChargeDecision::OtherTerms;
        }
        match (self.state, &self.succeeded, &self.declined) {
            (PaymentState::Unseen, ..) if asked.is_free() => {
                let free =
                    Succeeded { payment_id: format!("free-{saga_id}"), last_four: String::new(), amount: asked.amount };
                ChargeDecision::Record(vec![PaymentEvent::Requested(asked.clone()), PaymentEvent::Succeeded(free)])
            }
            (PaymentState::Unseen, ..) => ChargeDecision::Record(vec![PaymentEvent::Requested(asked.clone())]),
            (PaymentState::Paid, Some(data), _) => ChargeDecision::Paid(data.clone()),
            (PaymentState::Declined, _, Some(data)) => ChargeDecision::Declined(data.clone()),
            (PaymentState::Requested | PaymentState::Paid | PaymentState::Declined, ..) => ChargeDecision::AskProvider,
            (PaymentState::Undoing, ..) => ChargeDecision::FinishUndo,
            (PaymentState::Refunded | PaymentState::Voided, ..) => ChargeDecision::Voided,
        }
    }

    /// Decides about a request to give back.
    pub fn decide_refund(&self) -> RefundDecision {
        match (self.state, &self.succeeded) {
            (PaymentState::Paid, Some(free)) if free.amount.amount == 0 => {
                let refunded = Refunded { amount: free.amount };
                RefundDecision::Record(vec![PaymentEvent::RefundRequested, PaymentEvent::Refunded(refunded)])
            }
            (PaymentState::Unseen | PaymentState::Requested | PaymentState::Paid | PaymentState::Declined, _) => {
                RefundDecision::Record(vec![PaymentEvent::RefundRequested])
            }
            (PaymentState::Undoing, _) => RefundDecision::AskProvider,
            (PaymentState::Refunded, _) => RefundDecision::Undone { nothing_to_undo: false },
            (PaymentState::Voided, _) => RefundDecision::Undone { nothing_to_undo: true },
        }
    }
}

#[cfg(test)]
mod tests {
    use madrigal_core::{Currency, Money};

    use super::*;

    const SAGA: &str = "s-1";

    fn terms(amount: i64) -> Terms {
        let amount = Money { amount, currency: Currency::EUR };
        Terms { order_id: "o-1".to_owned(), amount, token: "tok_visa".to_owned() }
    }

    fn requested() -> PaymentEvent {
        PaymentEvent::Requested(terms(100))
    }

    fn charge() -> Succeeded {
        Succeeded { payment_id: "ch_1".to_owned(), last_four: "4242".to_owned(), amount: terms(100).amount }
    }

    fn refund() -> PaymentEvent {
        PaymentEvent::Refunded(Refunded { amount: terms(100).amount })
    }

    fn given(events: impl IntoIterator<Item = PaymentEvent>) -> Payment {
        events.into_iter().fold(Payment::default(), Payment::evolve)
    }

    #[test]
    fn the_intent_is_recorded_before_the_provider_is_asked() {
        let decision = given([]).decide_charge(SAGA, &terms(100));
        assert_eq!(decision, ChargeDecision::Record(vec![requested()]));
        assert_eq!(given([requested()]).decide_charge(SAGA, &terms(100)), ChargeDecision::AskProvider);
    }

    #[test]
    fn a_known_outcome_is_the_answer_for_ever() {
        let paid = given([requested(), PaymentEvent::Succeeded(charge())]);
        assert_eq!(paid.decide_charge(SAGA, &terms(100)), ChargeDecision::Paid(charge()));
        let reason = Declined { reason: "card_declined".to_owned() };
        let declined = given([requested(), PaymentEvent::Declined(reason.clone())]);
        assert_eq!(declined.decide_charge(SAGA, &terms(100)), ChargeDecision::Declined(reason));
    }

    #[test]
    fn other_terms_under_one_saga_are_never_charged() {
        let token = Terms { token: "tok_mastercard".to_owned(), ..terms(100) };
        for other in [terms(101), token] {
            assert_eq!(given([requested()]).decide_charge(SAGA, &other), ChargeDecision::OtherTerms);
            let paid = given([requested(), PaymentEvent::Succeeded(charge())]);
            assert_eq!(paid.decide_charge(SAGA, &other), ChargeDecision::OtherTerms);
        }
    }

    #[test]
    fn what_costs_nothing_is_paid_without_the_provider() {
        let ChargeDecision::Record(events) = given([]).decide_charge(SAGA, &terms(0)) else { panic!("records") };
        let paid = given(events);
        assert_eq!(paid.state, PaymentState::Paid);
        let RefundDecision::Record(events) = paid.decide_refund() else { panic!("records") };
        let undone = events.into_iter().fold(paid, Payment::evolve);
        assert_eq!(undone.decide_refund(), RefundDecision::Undone { nothing_to_undo: false });
    }

    #[test]
    fn every_undo_is_recorded_before_the_provider_is_asked_and_ends_any_charging() {
        let outcomes = [vec![], vec![requested()], vec![requested(), PaymentEvent::Succeeded(charge())]];
        for history in outcomes {
            let before = given(history);
            assert_eq!(before.decide_refund(), RefundDecision::Record(vec![PaymentEvent::RefundRequested]));
            let undoing = before.evolve(PaymentEvent::RefundRequested);
            assert_eq!(undoing.decide_refund(), RefundDecision::AskProvider);
            assert_eq!(undoing.decide_charge(SAGA, &terms(100)), ChargeDecision::FinishUndo);
            for end in [refund(), PaymentEvent::Voided] {
                let nothing_to_undo = end == PaymentEvent::Voided;
                let ended = undoing.clone().evolve(end);
                assert_eq!(ended.decide_charge(SAGA, &terms(100)), ChargeDecision::Voided);
                assert_eq!(ended.decide_refund(), RefundDecision::Undone { nothing_to_undo });
            }
        }
    }
}
