//! Closed and open loops of a fixed time.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::anyhow;
use serde_json::{Value, json};

use super::load::{self, Pace};
use super::{CONNECTIONS, Loaded, Options, settle};
use crate::process::own_cpu;
use crate::report::{Report, Wanted};

/// Returns how many orders were acknowledged.
pub(super) async fn measure(options: &Options, loaded: &Loaded, report: &mut Report) -> anyhow::Result<u64> {
    let mut connections = options.connections.iter().map(|&n| usize::try_from(n)).collect::<Result<Vec<_>, _>>()?;
    if connections.is_empty() && options.rates.is_empty() && options.until.is_none() {
        connections.extend(CONNECTIONS);
    }
    if !connections.is_empty() || !options.rates.is_empty() {
        report.line(&format!(
            "{:>12} {:>9} {:>7} {:>8} {:>8} {:>8} {:>8} {:>9} {:>9} {:>7} {:>8} {:>8} {:>9}",
            "load",
            "orders/s",
            "failed",
            "p50 ms",
            "p90 ms",
            "p99 ms",
            "max ms",
            "server µs",
            "client µs",
            "RSS MiB",
            "view ms",
            "rest ms",
            "lag"
        ));
    }
    let (mut loads, mut acknowledged) = (Vec::new(), 0);
    let mut best = 0.0f64;
    for connections in connections {
        let (told, rate) = one(options, loaded, connections, Pace::Closed, report, &mut acknowledged).await?;
        best = best.max(rate);
        loads.push(told);
    }
    if best > 0.0 {
        report.goal("orders a second, the best closed loop", Wanted::AtLeast(5_000.0), best);
    }
    let open = usize::try_from(options.open_connections)?;
    let rates = options.rates.iter().map(|rate| *rate as f64);
    let half = (options.half && best > 0.0).then(|| (best / 2.0).round());
    for rate in rates.chain(half) {
        let (told, _) = one(options, loaded, open, Pace::Open(rate), report, &mut acknowledged).await?;
        if half == Some(rate)
            && let Some(p99) = told["latencyMillis"]["p99"].as_f64()
        {
            report.goal("p99 in ms at half of that", Wanted::AtMost(50.0), p99);
        }
        loads.push(told);
    }
    let slowest = loads.iter().filter_map(|load| load["viewCaughtUpMillis"].as_f64()).reduce(f64::max);
    if let Some(millis) = slowest {
        report.goal("ms until the order view shows the whole load, the slowest", Wanted::AtMost(1_000.0), millis);
    }
    report.put("loads", Value::Array(loads));
    Ok(acknowledged)
}

async fn one(
    options: &Options,
    loaded: &Loaded,
    connections: usize,
    pace: Pace,
    report: &Report,
    acknowledged: &mut u64,
) -> anyhow::Result<(Value, f64)> {
    let process = &loaded.process;
    let spans = (Duration::from_secs_f64(options.warm_up), Duration::from_secs_f64(options.seconds));
    let marks = RefCell::new(Vec::new());
    let mark = || marks.borrow_mut().push((process.cpu(), own_cpu()));
    let outcome = load::run(process.address(), &loaded.workload, connections, pace, spans, mark).await?;
    let settled = settle::settle(process.address(), &loaded.operator).await?;
    *acknowledged += outcome.completed_ever;
    let mut cpu = Vec::new();
    for (server, own) in marks.into_inner() {
        cpu.push((server?, own?));
    }
    let [(server_from, own_from), (server_to, own_to)] = cpu[..] else { return Err(anyhow!("two marks are expected")) };
    let per_order = |cpu: Duration| cpu.as_secs_f64() * 1e6 / (outcome.completed.max(1) as f64);
    let (server, own) = (per_order(server_to - server_from), per_order(own_to - own_from));
    let rate = outcome.completed as f64 / outcome.measured.as_secs_f64();
    let at = |quantile| outcome.latencies.millis(quantile);
    let (resident, most) = process.memory()?;
    let name = match pace {
        Pace::Closed => format!("{connections} closed"),
        Pace::Open(rate) => format!("{rate}/s open"),
    };
    let millis = |span: Duration| span.as_secs_f64() * 1e3;
    report.line(&format!(
        "{name:>12} {rate:>9.0} {:>7} {:>8.2} {:>8.2} {:>8.2} {:>8.1} {server:>9.0} {own:>9.0} {:>7} {:>8.0} {:>8.0} {:>9}",
        outcome.failed(), at(0.5), at(0.9), at(0.99), at(1.0), resident >> 20, millis(settled.view),
        millis(settled.view_at_rest), settled.lag
    ));
    let told = json!({
        "load": name, "connections": connections, "ordersPerSecond": rate, "completed": outcome.completed,
        "completedWithWarmUp": outcome.completed_ever, "failed": outcome.failed(), "failures": outcome.failures,
        "latencyMillis": { "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p999": at(0.999), "max": at(1.0) },
        "serverCpuMicrosPerOrder": server.round(), "clientCpuMicrosPerOrder": own.round(),
        "residentBytes": resident, "mostResidentBytes": most, "threads": process.threads()?,
        "lagAtEnd": settled.lag, "viewCaughtUpMillis": millis(settled.view), "sagasEndedMillis": millis(settled.sagas),
        "viewAtRestMillis": millis(settled.view_at_rest),
    });
    Ok((told, rate))
}
