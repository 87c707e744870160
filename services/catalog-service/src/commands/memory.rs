//! What the desk remembers of the log, and when it looks there again.
//!
//! A state that is kept here was the log's once: it was read there, or it came about by events that were appended at the
//! very version on which they were decided. It may have become old without the desk's doing: an append of unknown outcome
//! lands after its streams were read again, or another instance of the service goes on for a while. So whatever is decided
//! on it is either fenced by the versions of the append, or, where nothing is appended, looked up before it is told.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use futures::StreamExt;
use lru::LruCache;
use madrigal_core::{Fault, Position, StreamName, StreamVersion};

use super::command::{Command, Reply};
use super::decide::share;
use super::desk::DeskOptions;
use super::working::{LoadFailure, Shelf, Slip, Working};
use crate::domain::{ProductId, RequestKey, SagaKey};
use crate::store::Loader;

/// How many streams are looked at, at the same time.
const LOOKS_AT_ONCE: usize = 32;

/// Shelves and slips, the most recently used; the rest is in the log.
pub(super) struct Memory {
    loader: Loader,
    shelves: LruCache<ProductId, Shelf>,
    slips: LruCache<SagaKey, Slip>,
}

impl Memory {
    pub(super) fn new(loader: Loader, options: DeskOptions) -> Self {
        Self { loader, shelves: LruCache::new(options.shelves), slips: LruCache::new(options.slips) }
    }

    /// Takes out what these commands need, and reads the rest from the log. What is not given back with
    /// [`Memory::keep`] is forgotten. The books of `distrusted` products are folded from their first event.
    pub(super) async fn load(&mut self, commands: &[&Command], distrusted: &HashSet<ProductId>) -> Working {
        let mut working = Working::default();
        for key in commands.iter().filter_map(|command| key_of(command)) {
            if !working.has_request(key) {
                let loaded = self.loader.request(key).await;
                working.put_request(key, loaded.map_err(|fault| LoadFailure(Arc::new(fault))));
            }
        }
        let mut missing = HashSet::new();
        for saga in commands.iter().filter_map(|command| saga_of(command)) {
            if working.has_slip(saga) || missing.contains(saga) {
                continue;
            }
            match self.slips.pop(saga) {
                Some(slip) => working.put_remembered_slip(saga.clone(), slip),
                None => {
                    missing.insert(saga.clone());
                }
            }
        }
        for (saga, loaded) in self.loader.slips(missing.into_iter().collect()).await {
            working.put_slip(saga, loaded.map_err(|fault| LoadFailure(Arc::new(fault))));
        }
        let mut missing = HashSet::new();
        for id in commands.iter().flat_map(|command| products_of(command, &working)).collect::<Vec<_>>() {
            if working.has_shelf(&id) || missing.contains(&id) {
                continue;
            }
            match self.shelves.pop(&id) {
                _ if distrusted.contains(&id) => {
                    let loaded = self.loader.shelf_anew(&id).await;
                    working.put_shelf(id, loaded.map_err(|fault| LoadFailure(Arc::new(fault))));
                }
                Some(shelf) => working.put_remembered_shelf(id, shelf),
                None => {
                    missing.insert(id);
                }
            }
        }
        for (id, loaded) in self.loader.shelves(missing.into_iter().collect()).await {
            working.put_shelf(id, loaded.map_err(|fault| LoadFailure(Arc::new(fault))));
        }
        working
    }

    /// Looks whether what these answers stand on, and no append will check, is still as the log has it. False: something
    /// is not; load and decide again. An answer whose streams could not be looked at becomes that fault.
    pub(super) async fn still_so(&self, working: &Working, answers: &mut [Unfenced<'_>]) -> bool {
        let of_answers: Vec<Vec<(StreamName, StreamVersion)>> =
            answers.iter().map(|answer| assumed(working, answer)).collect();
        let looks: BTreeMap<StreamName, StreamVersion> = of_answers.iter().flatten().cloned().collect();
        let looks = looks.into_iter().map(|(stream, version)| async move {
            let found = self.loader.is_at(&stream, version).await.map_err(Arc::new);
            (stream, found)
        });
        let found: HashMap<_, _> = futures::stream::iter(looks).buffer_unordered(LOOKS_AT_ONCE).collect().await;
        if found.values().any(|found| matches!(found, Ok(false))) {
            return false;
        }
        for (answer, streams) in answers.iter_mut().zip(&of_answers) {
            if let Some(fault) = streams.iter().find_map(|(stream, _)| found.get(stream)?.as_ref().err()) {
                *answer.reply = Err(share(fault));
            }
        }
        true
    }

    /// Remembers what a group was loaded and what it made durable, at `position`.
    pub(super) fn keep(&mut self, working: Working, position: Position) {
        let (shelves, slips) = working.into_durable(position);
        for (id, shelf) in shelves {
            self.shelves.put(id, shelf);
        }
        for (saga, slip) in slips {
            self.slips.put(saga, slip);
        }
    }
}

/// An answer to a command that recorded nothing.
pub(super) struct Unfenced<'a> {
    pub(super) command: &'a Command,
    pub(super) reply: &'a mut Result<Reply, Fault>,
}

/// The streams on whose remembered versions an answer stands.
fn assumed(working: &Working, answer: &Unfenced<'_>) -> Vec<(StreamName, StreamVersion)> {
    let saga = saga_of(answer.command);
    let held = saga.is_some_and(|saga| working.slip(saga).is_ok_and(|slip| slip.reservation.is_some()));
    // What is answered from a reservation that there is does not depend on any stock; unless that broke.
    let shelves = if held && answer.reply.is_ok() { Vec::new() } else { products_of(answer.command, working) };
    working.remembered(saga, &shelves)
}

/// The saga whose reservation a command is about.
pub(super) fn saga_of(command: &Command) -> Option<&SagaKey> {
    match command {
        Command::Reserve { saga, .. }
        | Command::Release { saga, .. }
        | Command::Confirm { saga }
        | Command::TakeBack { saga } => Some(saga),
        Command::ChangeStock { .. } | Command::ChangeProduct { .. } => None,
        Command::Once { command, .. } => saga_of(command),
    }
}

fn key_of(command: &Command) -> Option<&RequestKey> {
    match command {
        Command::Once { key, .. } => Some(key),
        _ => None,
    }
}

/// The products whose shelves a command may need. (A reservation that this same group makes names its own.)
fn products_of(command: &Command, working: &Working) -> Vec<ProductId> {
    match command {
        Command::Reserve { lines, .. } => lines.iter().filter_map(|(id, _)| ProductId::parse(id)).collect(),
        Command::Release { saga, .. } | Command::Confirm { saga } | Command::TakeBack { saga } => {
            let reservation = working.slip(saga).ok().and_then(|slip| slip.reservation.as_ref());
            let lines = reservation.map(|reservation| reservation.lines.as_slice()).unwrap_or_default();
            lines.iter().map(|line| line.product_id.clone()).collect()
        }
        Command::ChangeStock { product, .. } | Command::ChangeProduct { product, .. } => vec![product.clone()],
        Command::Once { command, .. } => products_of(command, working),
    }
}
