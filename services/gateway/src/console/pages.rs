//! The pages of the rail: the one list.

/// Who sees a page's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Everybody.
    All,
    /// Who is logged in.
    Known,
    /// Operators.
    Operators,
}

/// A link of the rail.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// Where it leads; also the name by which a page says where it belongs.
    pub(crate) to: &'static str,
    /// Its words.
    pub(crate) name: &'static str,
    /// Who sees it.
    pub(crate) audience: Audience,
}

const fn entry(to: &'static str, name: &'static str, audience: Audience) -> Entry {
    Entry { to, name, audience }
}

/// The overview.
pub(crate) const OVERVIEW: &str = "/";
/// An order's story.
pub(crate) const STORY: &str = "/orders";
/// The events of every service.
pub(crate) const STREAMS: &str = "/streams";
/// Whether copies say what their owners say.
pub(crate) const CONSISTENCY: &str = "/consistency";
/// What carries changes to copies.
pub(crate) const SYNC: &str = "/sync";
/// Sagas.
pub(crate) const SAGAS: &str = "/sagas";
/// Projections.
pub(crate) const PROJECTIONS: &str = "/projections";
/// Search and order.
pub(crate) const SHOP: &str = "/shop";

/// Figures about orders.
pub(crate) const ANALYTICS: &str = "/analytics";
/// Who somebody is, and which of their values merges did not take.
pub(crate) const USERS: &str = "/users";

/// The groups of the rail in their order.
pub(crate) const RAIL: &[(&str, &[Entry])] = &[
    (
        "Listen",
        &[
            entry(OVERVIEW, "Overview", Audience::All),
            entry(STORY, "Orders", Audience::Known),
            entry(CONSISTENCY, "Consistency", Audience::Operators),
            entry(STREAMS, "Event streams", Audience::Operators),
        ],
    ),
    (
        "Work",
        &[
            entry(SAGAS, "Sagas", Audience::Known),
            entry(SYNC, "Sync", Audience::Operators),
            entry(PROJECTIONS, "Projections", Audience::Operators),
        ],
    ),
    (
        "Shop",
        &[
            entry(SHOP, "Search and order", Audience::All),
            entry(ANALYTICS, "Analytics", Audience::Operators),
            entry(USERS, "Profile", Audience::Known),
        ],
    ),
    (
        "Build on it",
        &[
            entry("/docs/", "API", Audience::All),
            entry("/docs/problems", "Problems", Audience::All),
            entry("/openapi.json", "OpenAPI", Audience::All),
        ],
    ),
];
