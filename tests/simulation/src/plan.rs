//! What a run will be like, drawn from its seed.

use std::time::Duration;

use madrigal_sim::{Dice, Weather};

use crate::mutants::Mutant;
use crate::shop::Role;

/// What a run will be like.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The network.
    pub weather: Weather,
    /// Customers at the same time.
    pub customers: u32,
    /// Orders of each customer.
    pub orders: u32,
    /// Services whose store is on a machine of its own, as on an engine: appends may be late or lost, and an old instance
    /// may go on after a new one has started.
    pub remote: Vec<Role>,
    /// Blows dealt in the first part of the run.
    pub blows: u32,
    /// Further blows, of the kinds that came later, dealt at the same time.
    pub further_blows: u32,
    /// How long blows are dealt.
    pub trouble: Duration,
    /// Pieces of each product at the beginning: few enough that some orders find none left.
    pub stock: i64,
}

impl Plan {
    /// The plan of a seed; a mutant may need a store of its own kind to be seen.
    ///
    /// What came later is drawn from `further`, and is not there in a third of the seeds: those go on as they did.
    pub fn drawn(dice: &Dice, further: &Dice, mutant: Option<Mutant>) -> Self {
        let more = !further.percent(33);
        let late_answers = if more { *further.pick(&[0, 0, 2, 8]) } else { 0 };
        let further_blows = if more { 1 + u32::try_from(further.below(5)).unwrap_or_default() } else { 0 };
        let mut remote: Vec<Role> = Role::SERVICES.into_iter().filter(|_| dice.percent(35)).collect();
        let needed = mutant.and_then(Mutant::needs_remote);
        if let Some(needed) = needed.filter(|needed| !remote.contains(needed)) {
            remote.push(needed);
        }
        Self {
            weather: Weather { late_answers, ..Weather::drawn(dice) },
            customers: 2 + u32::try_from(dice.below(4)).unwrap_or_default(),
            orders: 2 + u32::try_from(dice.below(5)).unwrap_or_default(),
            remote,
            blows: u32::try_from(dice.below(9)).unwrap_or_default(),
            further_blows,
            trouble: dice.millis(2_000..40_000),
            stock: 6 + i64::try_from(dice.below(60)).unwrap_or_default(),
        }
    }
}
