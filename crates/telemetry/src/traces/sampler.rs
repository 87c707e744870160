//! Which traces are kept.

use madrigal_core::spans::TraceId;

/// Which traces are kept, by the names that OpenTelemetry gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sampler {
    /// By whether the id lies in a share of all ids: 0 is none, 1 every one. `always_on`, `always_off`, `traceidratio`.
    Share(f64),
    /// As whoever began the trace decided; those that begin here by a share. `parentbased_…`.
    ParentOrShare(f64),
}

impl Sampler {
    /// The sampler of this name and argument (a share of 1, where it takes one); `None` where there is none, or the share is
    /// not between 0 and 1.
    pub fn named(name: &str, argument: Option<&str>) -> Option<Self> {
        let share = || match argument {
            None => Some(1.0),
            Some(text) => text.trim().parse().ok().filter(|share| (0.0..=1.0).contains(share)),
        };
        Some(match name {
            "always_on" => Self::Share(1.0),
            "always_off" => Self::Share(0.0),
            "traceidratio" => Self::Share(share()?),
            "parentbased_always_on" => Self::ParentOrShare(1.0),
            "parentbased_always_off" => Self::ParentOrShare(0.0),
            "parentbased_traceidratio" => Self::ParentOrShare(share()?),
            _ => return None,
        })
    }

    pub(super) fn samples(self, trace: TraceId, parent: Option<bool>) -> bool {
        match (self, parent) {
            (Self::ParentOrShare(_), Some(sampled)) => sampled,
            (Self::Share(share) | Self::ParentOrShare(share), _) => lies_in(share, trace),
        }
    }
}

/// Whether the trace's id lies in this share of all ids: the same traces in every process.
///
/// # Source
/// OpenTelemetry's SDKs, `TraceIdRatioBased`: the last eight bytes without their highest bit, below the share of 2^63.
fn lies_in(share: f64, trace: TraceId) -> bool {
    let [_, _, _, _, _, _, _, _, last @ ..] = trace.0;
    let place = u64::from_be_bytes(last) >> 1;
    #[expect(clippy::cast_precision_loss, reason = "a share of all traces, not of one more or less")]
    let (place, all) = (place as f64, (1_u64 << 63) as f64);
    share >= 1.0 || place < share * all
}

#[cfg(test)]
mod tests {
    use madrigal_core::Host;

    use super::*;

    #[test]
    fn a_share_of_traces_is_kept_and_a_parent_decides_where_it_may() {
        let host = Host::seeded(5);
        let traces: Vec<TraceId> = (0..2_000).map(|_| TraceId::new(&host)).collect();
        let kept = |name: &str, argument, parent| {
            let sampler = Sampler::named(name, argument).unwrap();
            traces.iter().filter(|trace| sampler.samples(**trace, parent)).count()
        };
        assert_eq!((kept("always_on", None, Some(false)), kept("always_off", None, Some(true))), (2_000, 0));
        assert!((450..550).contains(&kept("traceidratio", Some("0.25"), Some(false))));
        assert!((450..550).contains(&kept("parentbased_traceidratio", Some("0.25"), None)));
        for (parent, expected) in [(Some(true), 2_000), (Some(false), 0)] {
            assert_eq!(kept("parentbased_traceidratio", Some("0.25"), parent), expected);
            assert_eq!(kept("parentbased_always_on", None, parent), expected);
            assert_eq!(kept("parentbased_always_off", None, parent), expected);
        }
        assert_eq!(Sampler::named("jaeger_remote", None), None);
        assert_eq!(Sampler::named("traceidratio", Some("1.5")), None);
    }
}
