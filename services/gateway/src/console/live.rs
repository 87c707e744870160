//! Pages that stay true: one poller per kind of page asks the API, and every page of that kind listens to it.
//!
//! A message is `{"text": {name: text}, "point": {name: number}, "html": {id: element}}`: texts for `[data-live]`, newest points
//! for `[data-feed]`, and whole elements that replace those with their id. Every message says all of the page's state, so a page
//! that lost its stream needs only the next one. A poller asks with the session of somebody who listens, and ends with the last
//! of them. Bounds: 64 streams, 16 of them for one reader; a poll every two seconds.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Host, Timestamp};
use madrigal_http::problem;
use maud::Markup;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::Console;
use super::session::Session;
use super::standing::{self, Standing};
use super::topics::Topic;
use super::visit::Visit;
use crate::inside::{Ask, Inside, Refused};

/// The most streams at the same time.
const MAX_STREAMS: usize = 64;
/// The most streams of one reader at the same time; guests count as one.
const MAX_OF_ONE: usize = 16;
/// How often a kind of page is asked for.
const EVERY: Duration = Duration::from_secs(2);
/// How often a stream says that it is still there.
const STILL_THERE: Duration = Duration::from_secs(15);
/// How long a poller may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// After how many milliseconds a browser comes back.
const RETRY: &str = "retry: 2000\n\n";

/// What has changed on a page.
#[derive(Debug, Default, Clone, Serialize)]
pub(crate) struct Change {
    /// For `[data-live=name]`.
    pub(crate) text: BTreeMap<String, String>,
    /// For `[data-feed=name]`.
    pub(crate) point: BTreeMap<String, f64>,
    /// Elements by id.
    pub(crate) html: BTreeMap<String, String>,
}

impl Change {
    /// Says a text.
    pub(crate) fn text(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.text.insert(name.into(), text.into());
    }

    /// The counts of the bar and the rail.
    fn standing(&mut self, standing: &Standing) {
        self.html("sum", standing::sum(Some(standing)));
        for to in standing::COUNTED {
            self.html(standing::id(to), standing::beside(Some(standing), to));
        }
    }

    /// Replaces the element with this id; `element` carries the same id.
    pub(crate) fn html(&mut self, id: impl Into<String>, element: Markup) {
        self.html.insert(id.into(), element.0);
    }
}

/// How a poller asks: as somebody who listens.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    inside: Inside,
    token: Option<Arc<str>>,
    /// Whether an operator listens.
    pub(crate) operator: bool,
    /// Now.
    pub(crate) now: Timestamp,
}

impl Asker {
    /// Asks the API.
    pub(crate) fn get(&self, path: impl Into<String>) -> Ask {
        self.inside.get(path).bearer(self.token.as_deref()).within(PATIENCE)
    }

    /// The one who looks at a page.
    pub(crate) fn of(visit: &Visit) -> Self {
        Self {
            inside: visit.console.inside.clone(),
            token: visit.session().map(|session| Arc::clone(&session.token)),
            operator: visit.is_operator(),
            now: visit.now(),
        }
    }
}

/// Who shares a poller: operators all see the same, a customer only what is theirs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Reader {
    Guest,
    Customer(String),
    Operator(String),
}

impl Reader {
    fn of(visit: &Visit) -> Self {
        match visit.session() {
            None => Self::Guest,
            Some(session) if session.is_operator() => Self::Operator(session.claims.sub.clone()),
            Some(session) => Self::Customer(session.claims.sub.clone()),
        }
    }

    /// Whose pollers they share.
    fn audience(&self) -> Self {
        match self {
            Self::Operator(_) => Self::Operator(String::new()),
            other => other.clone(),
        }
    }
}

/// All streams and pollers.
#[derive(Debug)]
pub(crate) struct Hub {
    room: Arc<Semaphore>,
    readers: Mutex<HashMap<Reader, usize>>,
    pollers: Mutex<HashMap<(Topic, Reader), Weak<Poller>>>,
    numbers: AtomicU64,
    closing: StopSignal,
}

#[derive(Debug)]
struct Poller {
    said: watch::Sender<Option<Arc<Said>>>,
    listeners: Mutex<BTreeMap<u64, Option<Session>>>,
}

/// A message, and the same without points for those who have just come.
#[derive(Debug)]
struct Said {
    whole: String,
    first: String,
}

impl Hub {
    pub(crate) fn new(closing: StopSignal) -> Self {
        Self {
            room: Arc::new(Semaphore::new(MAX_STREAMS)),
            readers: Mutex::default(),
            pollers: Mutex::default(),
            numbers: AtomicU64::new(1),
            closing,
        }
    }

    fn poller(&self, console: &Console, topic: &Topic, audience: Reader) -> Arc<Poller> {
        let mut pollers = locked(&self.pollers);
        pollers.retain(|_, poller| poller.strong_count() > 0);
        let key = (topic.clone(), audience);
        if let Some(poller) = pollers.get(&key).and_then(Weak::upgrade) {
            return poller;
        }
        let poller = Arc::new(Poller { said: watch::Sender::new(None), listeners: Mutex::default() });
        pollers.insert(key, Arc::downgrade(&poller));
        tasks::spawn("console poller", poll(Arc::downgrade(&poller), console.clone(), topic.clone()));
        poller
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn poll(weak: Weak<Poller>, console: Console, topic: Topic) {
    loop {
        let Some(poller) = weak.upgrade() else { return };
        if let Some(session) = poller.someone(&console.edge.host) {
            let asker = Asker {
                inside: console.inside.clone(),
                operator: session.as_ref().is_some_and(Session::is_operator),
                token: session.map(|session| session.token),
                now: console.edge.host.now(),
            };
            match topic.change(&console, &asker).await {
                Ok(mut change) => {
                    if let Some(standing) = console.standing.glance(&console, &asker).await {
                        change.standing(&standing);
                    }
                    poller.said.send_replace(Some(Arc::new(Said::of(change))));
                }
                // The page keeps what it says, and its time; the next poll may fare better.
                Err(refused) => tracing::debug!(code = refused.code(), ?topic, "a page was not read again"),
            }
        }
        drop(poller);
        if tasks::sleep_or_stopped(EVERY, &console.live.closing).await {
            return;
        }
    }
}

impl Poller {
    /// The session to ask with: the one that lasts longest. `None` where nobody has one that counts.
    fn someone(&self, host: &Host) -> Option<Option<Session>> {
        let now = host.now();
        let listeners = locked(&self.listeners);
        let counts = |session: &&Option<Session>| session.as_ref().is_none_or(|session| session.ends_at() > now);
        listeners.values().filter(counts).max_by_key(|session| session.as_ref().map(Session::ends_at)).cloned()
    }
}

impl Said {
    fn of(mut change: Change) -> Self {
        // Texts and finite numbers always serialise.
        let whole = serde_json::to_string(&change).unwrap_or_default();
        change.point.clear();
        Self { whole, first: serde_json::to_string(&change).unwrap_or_default() }
    }
}

/// A listener: leaves when it is dropped.
struct Listener {
    console: Console,
    poller: Arc<Poller>,
    number: u64,
    reader: Reader,
    said: watch::Receiver<Option<Arc<Said>>>,
    ends_at: Option<Timestamp>,
    state: State,
    _permit: OwnedSemaphorePermit,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Greeting,
    Fresh,
    Listening,
    Over,
}

impl Drop for Listener {
    fn drop(&mut self) {
        locked(&self.poller.listeners).remove(&self.number);
        let mut readers = locked(&self.console.live.readers);
        if let Some(count) = readers.get_mut(&self.reader) {
            *count -= 1;
            if *count == 0 {
                readers.remove(&self.reader);
            }
        }
    }
}

/// `GET /console/live?page=…`: the stream of a page's changes.
pub(super) async fn stream(visit: Visit) -> Response {
    let Some(topic) = Topic::parse(&visit.query) else {
        return problem::not_found("such page to listen to").into_response();
    };
    if topic.for_operators() && !visit.is_operator() {
        return match visit.session() {
            Some(_) => problem::forbidden("Only operators may listen to this page.").into_response(),
            None => problem::unauthorized("Log in to listen to this page.").into_response(),
        };
    }
    if topic.for_known() && visit.session().is_none() {
        return problem::unauthorized("Log in to listen to this page.").into_response();
    }
    match listener(&visit, &topic) {
        Some(listener) => answer(listener),
        None => {
            let full = "Too many pages are live at the same time. Close some, or read the page again by hand.";
            problem::overloaded().detail(full).retry_after(Duration::from_secs(10)).into_response()
        }
    }
}

fn listener(visit: &Visit, topic: &Topic) -> Option<Listener> {
    let console = visit.console.clone();
    let permit = Arc::clone(&console.live.room).try_acquire_owned().ok()?;
    let reader = Reader::of(visit);
    {
        let mut readers = locked(&console.live.readers);
        let count = readers.entry(reader.clone()).or_default();
        if *count >= MAX_OF_ONE {
            return None;
        }
        *count += 1;
    }
    let poller = console.live.poller(&console, topic, reader.audience());
    let number = console.live.numbers.fetch_add(1, Ordering::Relaxed);
    locked(&poller.listeners).insert(number, visit.session().cloned());
    let said = poller.said.subscribe();
    let ends_at = visit.session().map(Session::ends_at);
    Some(Listener { console, poller, number, reader, said, ends_at, state: State::Greeting, _permit: permit })
}

fn answer(listener: Listener) -> Response {
    let messages = stream::unfold(listener, async |mut listener| {
        let message = listener.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(message)), listener))
    });
    let mut response = Response::new(Body::from_stream(messages));
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    crate::security::harden(headers, crate::security::STRICT);
    response
}

impl Listener {
    async fn next(&mut self) -> Option<String> {
        match self.state {
            State::Greeting => {
                self.state = State::Fresh;
                return Some(RETRY.to_owned());
            }
            State::Over => return None,
            State::Fresh | State::Listening => {}
        }
        if self.state == State::Fresh
            && let Some(said) = self.said.borrow_and_update().clone()
        {
            self.state = State::Listening;
            return Some(event(&said.first));
        }
        let left = self.ends_at.map(|end| end.since(self.console.edge.host.now()));
        let pause = left.map_or(STILL_THERE, |left| left.min(STILL_THERE));
        tokio::select! {
            () = self.console.live.closing.cancelled() => None,
            changed = self.said.changed() => {
                changed.ok()?;
                let said = self.said.borrow_and_update().clone()?;
                let first = std::mem::replace(&mut self.state, State::Listening) == State::Fresh;
                Some(event(if first { &said.first } else { &said.whole }))
            }
            () = tasks::sleep(pause) => {
                if left.is_some_and(|left| left <= pause) {
                    self.state = State::Over;
                    return Some("event: ended\ndata: {}\n\n".to_owned());
                }
                Some(": still here\n\n".to_owned())
            }
        }
    }
}

/// JSON has no line breaks of its own, so one line of data holds it.
fn event(json: &str) -> String {
    format!("data: {json}\n\n")
}

/// What a topic's reading gives.
pub(crate) type Changed = Result<Change, Refused>;
