//! Runs seeds, or a mutant, and says what does not hold.
#![expect(clippy::print_stdout, reason = "a command line tool")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::Parser;
use madrigal_core::{Host, tasks};
use madrigal_simulation::{Mutant, Outcome, run, seeds};

/// Simulates the order path.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many seeds are run, from the first one on.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first seed; by default a random one.
    #[arg(long)]
    from: Option<u64>,
    /// Runs this seed alone and prints its trace.
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Runs the seeds that ever failed.
    #[arg(long)]
    kept: bool,
    /// Takes a guarantee out, and looks for the first seed in which that is seen.
    #[arg(long, value_enum)]
    mutant: Option<Mutant>,
    /// Runs every mutant.
    #[arg(long, conflicts_with = "mutant")]
    mutants: bool,
    /// Runs every seed twice and compares the traces as well.
    #[arg(long)]
    twice: bool,
    /// How many threads run seeds; by default one for each core.
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> std::io::Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(seed) = arguments.seed {
        let outcome = run(seed, arguments.mutant)?;
        print!("{}", outcome.trace);
        return Ok(verdict(outcome.violations.is_empty()));
    }
    let from = arguments.from.unwrap_or_else(|| Host::system().random_u64() >> 16);
    let range: Vec<u64> = if arguments.kept { seeds::kept() } else { (from..from + arguments.seeds).collect() };
    if arguments.mutants || arguments.mutant.is_some() {
        let all = arguments.mutant.map_or_else(Mutant::all, |mutant| vec![mutant]);
        let caught = all.into_iter().map(|mutant| hunt(mutant, &range)).collect::<Result<Vec<_>, _>>()?;
        let missed = caught.iter().filter(|caught| !**caught).count();
        println!("{} mutants, {missed} not caught", caught.len());
        return Ok(verdict(missed == 0));
    }
    match (range.first(), range.last()) {
        (Some(first), Some(last)) if !arguments.kept => println!("seeds {first} to {last}"),
        _ => println!("the seeds that ever failed"),
    }
    let begun = tasks::instant();
    let differing = AtomicUsize::new(0);
    let failed = seeds::run_all(&range, arguments.threads, |done: usize, outcome: &Outcome| {
        for violation in &outcome.violations {
            println!("seed {}: {violation}", outcome.seed);
        }
        if arguments.twice && run(outcome.seed, None).is_ok_and(|again| again.trace != outcome.trace) {
            differing.fetch_add(1, Ordering::Relaxed);
            println!("seed {}: another trace the second time", outcome.seed);
        }
        if done.is_multiple_of(1_000) {
            println!("{done} seeds");
        }
    })?;
    let took = begun.elapsed().max(Duration::from_millis(1));
    let rate = range.len() as f64 / took.as_secs_f64();
    println!("{} seeds in {:.1} s, {rate:.1} a second; {} failed", range.len(), took.as_secs_f64(), failed.len());
    Ok(verdict(failed.is_empty() && differing.into_inner() == 0))
}

/// Looks for a seed that catches a mutant.
fn hunt(mutant: Mutant, seeds: &[u64]) -> std::io::Result<bool> {
    for (number, seed) in seeds.iter().enumerate() {
        let outcome = run(*seed, Some(mutant))?;
        let expected = outcome.violations.iter().find(|violation| mutant.caught_by().contains(&violation.invariant));
        if let Some(violation) = expected {
            println!("{}: caught by seed {seed}, the {}. tried: {violation}", mutant.name(), number + 1);
            return Ok(true);
        }
    }
    println!("{}: not caught by {} seeds", mutant.name(), seeds.len());
    Ok(false)
}

fn verdict(holds: bool) -> ExitCode {
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
