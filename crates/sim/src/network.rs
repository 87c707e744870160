//! The network: what becomes of a message is drawn for each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use madrigal_core::tasks::{self, Instant, TaskGroup};

use crate::dice::Dice;
use crate::trace::Trace;

/// How bad the network is, in messages of 100; the rest arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weather {
    /// Requests that are lost on their way.
    pub lost_requests: u64,
    /// Requests that arrive and whose answers are lost.
    pub lost_answers: u64,
    /// Requests that arrive twice, the second time later.
    pub doubled: u64,
    /// Requests whose sender is told that nobody knows, and that arrive long after.
    pub late: u64,
    /// Requests that arrive and whose answers come long after, if the sender still waits.
    pub late_answers: u64,
    /// The longest that a message in time takes, in milliseconds.
    pub slowest_millis: u64,
}

impl Weather {
    /// Everything arrives, at once.
    pub const CALM: Self =
        Self { lost_requests: 0, lost_answers: 0, doubled: 0, late: 0, late_answers: 0, slowest_millis: 2 };

    /// A weather drawn from chance: from calm to a storm in which every third message is in trouble.
    pub fn drawn(dice: &Dice) -> Self {
        let most = *dice.pick(&[0, 2, 5, 10]);
        Self {
            lost_requests: dice.below(most + 1),
            lost_answers: dice.below(most + 1),
            doubled: dice.below(most + 1),
            late: dice.below(most + 1),
            late_answers: 0,
            slowest_millis: *dice.pick(&[2, 5, 20, 200]),
        }
    }
}

/// What becomes of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It arrives and is answered.
    Arrives,
    /// It never arrives.
    LostRequest,
    /// It arrives, its answer does not.
    LostAnswer,
    /// It arrives now, and again after so long.
    Doubled(Duration),
    /// Its sender is told that nobody knows; it arrives after so long.
    Late(Duration),
    /// It arrives, its answer comes so long after it was given.
    LateAnswer(Duration),
}

impl Fate {
    /// In a trace.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Arrives => "arrives",
            Self::LostRequest => "request lost",
            Self::LostAnswer => "answer lost",
            Self::Doubled(_) => "doubled",
            Self::Late(_) => "late",
            Self::LateAnswer(_) => "answer late",
        }
    }
}

/// The network between the processes of one simulation. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Network {
    dice: Dice,
    weather: Weather,
    calm: Arc<AtomicBool>,
    wires: TaskGroup,
    held: Arc<Mutex<BTreeMap<String, Instant>>>,
    cut: Arc<Mutex<BTreeMap<String, (Cut, Instant)>>>,
    trace: Trace,
}

/// What is lost on a way that is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Everything that is sent to the service.
    Requests,
    /// Everything that the service answers.
    Answers,
}

impl Network {
    /// A network in this weather.
    pub fn new(dice: Dice, weather: Weather, trace: Trace) -> Self {
        Self {
            dice,
            weather,
            calm: Arc::default(),
            wires: TaskGroup::new(),
            held: Arc::default(),
            cut: Arc::default(),
            trace,
        }
    }

    /// For so long whatever is sent to `service`, or whatever it answers, is lost.
    pub fn cut(&self, service: &str, cut: Cut, duration: Duration) {
        self.trace.say(service, format_args!("{cut:?} are lost for {} ms", duration.as_millis()));
        self.cuts().insert(service.to_owned(), (cut, tasks::instant() + duration));
    }

    /// For so long whatever is sent to `service` is held up on its way, and arrives afterwards, in any order.
    pub fn hold(&self, service: &str, duration: Duration) {
        self.trace.say(service, format_args!("held up for {} ms", duration.as_millis()));
        self.held().insert(service.to_owned(), tasks::instant() + duration);
    }

    /// From now on everything arrives. What is under way stays late.
    pub fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
        self.held().clear();
        self.cuts().clear();
    }

    /// Where messages are while they are under way: they outlive who sent them.
    pub(crate) const fn wires(&self) -> &TaskGroup {
        &self.wires
    }

    /// Draws what becomes of a message, and says so in the trace if it is trouble.
    pub fn fate(&self, who: &str, what: &str) -> Fate {
        let weather = self.weather();
        let drawn = self.dice.below(100);
        let bounds = [weather.lost_requests, weather.lost_answers, weather.doubled, weather.late, weather.late_answers];
        let mut bound = 0;
        let trouble = bounds.iter().position(|share| {
            bound += share;
            drawn < bound
        });
        let held = self.held().iter().find(|(service, _)| who.ends_with(service.as_str())).map(|(_, until)| *until);
        let held = held.map(|until| until.saturating_duration_since(tasks::instant())).filter(|left| !left.is_zero());
        let now = tasks::instant();
        let cuts = self.cuts();
        let cut = cuts.iter().find(|(service, (_, until))| who.ends_with(service.as_str()) && *until > now);
        let cut = cut.map(|(_, (cut, _))| *cut);
        drop(cuts);
        let fate = match trouble {
            _ if cut == Some(Cut::Requests) => Fate::LostRequest,
            _ if cut == Some(Cut::Answers) => Fate::LostAnswer,
            _ if held.is_some() => Fate::Late(held.unwrap_or_default() + self.dice.millis(0..2_000)),
            None => return Fate::Arrives,
            Some(0) => Fate::LostRequest,
            Some(1) => Fate::LostAnswer,
            Some(2) => Fate::Doubled(self.long_delay()),
            Some(3) => Fate::Late(self.long_delay()),
            Some(_) => Fate::LateAnswer(self.long_delay()),
        };
        self.trace.say(who, format_args!("{what}: {}", fate.word()));
        fate
    }

    /// How long a message takes.
    pub fn delay(&self) -> Duration {
        self.dice.millis(1..self.weather().slowest_millis + 1)
    }

    /// True in half of the cases.
    pub fn coin(&self) -> bool {
        self.dice.percent(50)
    }

    /// The dice of the network, for what depends on it.
    pub const fn dice(&self) -> &Dice {
        &self.dice
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<String, Instant>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cuts(&self) -> MutexGuard<'_, BTreeMap<String, (Cut, Instant)>> {
        self.cut.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn long_delay(&self) -> Duration {
        match self.dice.below(3) {
            0 => self.dice.millis(1..50),
            1 => self.dice.millis(50..6_000),
            _ => self.dice.millis(6_000..60_000),
        }
    }

    fn weather(&self) -> Weather {
        if self.calm.load(Ordering::Relaxed) { Weather::CALM } else { self.weather }
    }
}
