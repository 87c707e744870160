//! What an order costs as the shop's history grows.

use madrigal_core::tasks;
use serde_json::{Value, json};

use super::{Loaded, Options, load, settle};
use crate::cold;
use crate::process::own_cpu;
use crate::report::{Report, Wanted};

/// Places orders in a closed loop until there are so many; a line at 1, 2, 5, 10, 20, 50 … thousand about what came since the line
/// before. Returns how many were acknowledged.
pub(super) async fn measure(
    orders: u64,
    options: &Options,
    loaded: &Loaded,
    report: &mut Report,
) -> anyhow::Result<u64> {
    let process = &loaded.process;
    let marks = marks(orders);
    report.line(&format!(
        "{:>9} {:>9} {:>7} {:>8} {:>8} {:>9} {:>9} {:>7} {:>12}",
        "orders", "orders/s", "failed", "p50 ms", "p99 ms", "server µs", "client µs", "RSS MiB", "disk B/order"
    ));
    let mut rows: Vec<Value> = Vec::new();
    let mut before = (0, tasks::instant(), process.cpu()?, own_cpu()?, cold::bytes_below(&loaded.data));
    let connections = usize::try_from(options.until_connections)?;
    let told = &*report;
    load::until(process.address(), &loaded.workload, connections, &marks, |mark, part| {
        let now = (mark, tasks::instant(), process.cpu()?, own_cpu()?, cold::bytes_below(&loaded.data));
        let count = (now.0 - before.0) as f64;
        let rate = count / now.1.duration_since(before.1).as_secs_f64();
        let (server, own) =
            ((now.2 - before.2).as_secs_f64() * 1e6 / count, (now.3 - before.3).as_secs_f64() * 1e6 / count);
        let disk = now.4.saturating_sub(before.4) as f64 / count;
        let (resident, most) = process.memory()?;
        let at = |quantile| part.latencies.millis(quantile);
        told.line(&format!(
            "{mark:>9} {rate:>9.0} {:>7} {:>8.2} {:>8.2} {server:>9.0} {own:>9.0} {:>7} {disk:>12.0}",
            part.failed(),
            at(0.5),
            at(0.99),
            resident >> 20
        ));
        rows.push(json!({
            "orders": mark, "ordersPerSecond": rate, "failed": part.failed(), "failures": part.failures,
            "latencyMillis": { "p50": at(0.5), "p99": at(0.99), "p999": at(0.999), "max": at(1.0) },
            "serverCpuMicrosPerOrder": server.round(), "clientCpuMicrosPerOrder": own.round(),
            "residentBytes": resident, "mostResidentBytes": most, "diskBytesPerOrder": disk.round(),
        }));
        before = now;
        Ok(())
    })
    .await?;
    let settled = settle::settle(process.address(), &loaded.operator).await?;
    report.line(&format!(
        "at rest     after {:.1} s; the view after {:.1} s",
        settled.view_at_rest.as_secs_f64(),
        settled.view.as_secs_f64()
    ));
    let of = |mark: u64, field: &str| rows.iter().find(|row| row["orders"] == mark)?[field].as_f64();
    let ratio = |field: &str, late: u64, early: u64| Some(of(late, field)? / of(early, field)?);
    if let Some(cost) = ratio("serverCpuMicrosPerOrder", 1_000_000, 10_000) {
        report.goal("an order's CPU time at 1,000,000 orders to that at 10,000", Wanted::AtMost(1.1), cost);
    }
    if let Some(memory) = ratio("residentBytes", 1_000_000, 100_000) {
        report.goal("memory at 1,000,000 orders to that at 100,000", Wanted::AtMost(1.2), memory);
    }
    report.put("growth", Value::Array(rows));
    Ok(orders)
}

/// 1, 2, 5, 10, 20, 50 … thousand below the end, and the end.
fn marks(end: u64) -> Vec<u64> {
    let decades = std::iter::successors(Some(1_000u64), |decade| decade.checked_mul(10));
    let mut marks: Vec<u64> =
        decades.flat_map(|decade| [1, 2, 5].map(|of| of * decade)).take_while(|mark| *mark < end).collect();
    marks.push(end);
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_three_lines_a_decade_and_one_at_the_end() {
        assert_eq!(marks(5), [5]);
        assert_eq!(marks(10_000), [1_000, 2_000, 5_000, 10_000]);
        assert_eq!(marks(12_345), [1_000, 2_000, 5_000, 10_000, 12_345]);
    }
}
