//! What is asked for one person, until the outcome is known.

use madrigal_client::Answer;
use madrigal_core::tasks::StopSignal;
use madrigal_invariants::Violation;
use reqwest::Method;
use serde_json::{Value, json};

use super::Clerk;
use crate::asking::insist;
use crate::draw::Draw;
use crate::facts::{Facts, Pending, Person};
use crate::verdict::{ANSWERS_ARE_SOUND, PERSONS_STAND};

/// The password of every person.
const PASSWORD: &str = "correct horse battery";

/// What an answer to a pending request means.
enum Learnt {
    /// It is done.
    Done,
    /// It says nothing about it: the person as she is now must be looked at.
    Look,
    /// Nobody may be told that.
    Unsound(&'static str),
}

impl Clerk {
    /// Asks for what is pending until it is done or `stop`.
    pub(super) async fn settle(&self, person: &mut Person, draw: Option<&Draw>, facts: &mut Facts, stop: &StopSignal) {
        let Some(pending) = person.pending.clone() else { return };
        let request = || match &pending {
            Pending::Register => self.shop.request(Method::POST, "/v1/users").json(&json!({
                "email": format!("{}@persons.example", person.username), "username": person.username,
                "password": PASSWORD, "profile": { "firstName": person.name },
            })),
            Pending::Rename(name) => self
                .shop
                .request(Method::PATCH, &path(person))
                .header("If-Match", format!("\"{}\"", person.version))
                .json(&json!({ "profile": { "firstName": name } })),
            Pending::Erase => {
                self.shop.request(Method::DELETE, &path(person)).header("If-Match", format!("\"{}\"", person.version))
            }
        };
        let (answer, unanswered) = insist(&self.shop, request, draw, facts, stop).await;
        // An earlier request may have had its effect, also where nobody ever said so.
        let doubt = person.doubt || unanswered > 0;
        let Some(answer) = answer else {
            person.doubt = doubt;
            return;
        };
        let status = answer.status.as_u16();
        let learnt = match (&pending, status) {
            (Pending::Register, 201) | (Pending::Rename(_), 200) | (Pending::Erase, 204) => Learnt::Done,
            (Pending::Erase, 404) if doubt => Learnt::Done,
            (Pending::Register, 409) | (Pending::Rename(_), 412) if doubt => Learnt::Look,
            (_, 412) => Learnt::Unsound("the version that was acknowledged last is not the one that counts"),
            (_, 404) => Learnt::Unsound("an acknowledged person is not there"),
            _ => Learnt::Unsound("nobody may be answered that"),
        };
        match learnt {
            Learnt::Done => self.done(person, pending, &answer.body, doubt, facts),
            Learnt::Look => self.look(person, pending, facts, stop).await,
            Learnt::Unsound(why) => {
                let words = format!("{pending:?} on version {}: {why}: {}", person.version, answer.problem());
                let rule = if matches!(status, 404 | 412) { PERSONS_STAND } else { ANSWERS_ARE_SOUND };
                facts.surprise(Violation::new(rule, [person.username.as_str()], words));
                self.give_up(person, pending);
            }
        }
    }

    /// Looks whether an earlier request of the pending change had its effect.
    async fn look(&self, person: &mut Person, pending: Pending, facts: &mut Facts, stop: &StopSignal) {
        let request = || match person.user {
            Some(_) => self.shop.request(Method::GET, &path(person)),
            None => self.shop.request(Method::GET, &format!("/v1/users?username={}", person.username)),
        };
        let (answer, _) = insist(&self.shop, request, None, facts, stop).await;
        let Some(Answer { body, .. }) = answer else {
            person.doubt = true;
            return;
        };
        let found = if person.user.is_some() { &body } else { &body["items"][0] };
        let wanted = match &pending {
            Pending::Rename(name) => name,
            Pending::Register | Pending::Erase => &person.name,
        };
        if found["profile"]["firstName"] == wanted.as_str() {
            self.done(person, pending, found, true, facts);
        } else {
            let words = format!("{pending:?} is refused for version {}, and there is {found}", person.version);
            facts.surprise(Violation::new(PERSONS_STAND, [person.username.as_str()], words));
            self.give_up(person, pending);
        }
    }

    /// Takes an acknowledged change in.
    fn done(&self, person: &mut Person, pending: Pending, body: &Value, doubt: bool, facts: &mut Facts) {
        (person.pending, person.doubt) = (None, false);
        facts.resolved += u64::from(doubt);
        let version = body["version"].as_u64().unwrap_or(0);
        match pending {
            Pending::Register => {
                person.user = body["id"].as_i64();
                if let Some(user) = person.user {
                    self.watched.person(user);
                }
            }
            Pending::Rename(name) => person.name = name,
            Pending::Erase => {
                person.erased = true;
                return;
            }
        }
        if version != person.version + 1 {
            let words = format!("a change of version {} made version {version}", person.version);
            facts.surprise(Violation::new(PERSONS_STAND, [person.username.as_str()], words));
        }
        person.version = version;
    }

    /// Leaves a person alone about whom something unsound was said.
    fn give_up(&self, person: &mut Person, pending: Pending) {
        person.pending = Some(pending);
        person.doubt = true;
    }
}

fn path(person: &Person) -> String {
    format!("/v1/users/{}", person.user.unwrap_or_default())
}
