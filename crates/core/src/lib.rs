//! What every other crate of Madrigal stands on: identifiers, versions, positions, the event envelope, money, time,
//! randomness, tasks, sealed personal fields and the one error type for things that break.
//!
//! Nothing here knows a service, an engine or a protocol. Modules in reading order:
//!
//! * [`fault`]: what broke, whether it certainly did not happen, and whether to try again;
//! * [`host`]: clock and randomness, so that simulation can own them; [`tasks`]: spawning, sleeping, stopping;
//! * [`time`]: [`Timestamp`]; [`id`]: identifiers; [`stream`], [`version`], [`position`]: where an event stands;
//!   [`row_version`]: how new a copy of a row is;
//! * [`event`]: the envelope; [`context`]: who asks, on whose behalf, and until when; [`spans`]: what took how long, as part
//!   of which trace;
//! * [`money`]: integer minor units; [`sealed`]: personal fields, encrypted per person; [`secret`]: values that never print.

pub mod context;
pub mod environment;
pub mod event;
pub mod fault;
pub mod fingerprint;
pub mod host;
pub mod id;
pub mod money;
pub mod position;
pub mod row_version;
pub mod sealed;
pub mod secret;
pub mod spans;
pub mod stream;
pub mod tasks;
pub mod time;
pub mod version;

pub use context::CallContext;
pub use event::{EventType, JsonBytes, Metadata, NewEvent, RecordedEvent};
pub use fault::{Fault, FaultCause, FaultOutcome, FaultRetry, error_chain};
pub use fingerprint::Fingerprint;
pub use host::{Clock, Host, Randomness};
pub use id::{CorrelationId, EventId};
pub use money::{BasisPoints, Currency, Money, MoneyError};
pub use position::{LogEpoch, LogName, Position, PositionToken};
pub use row_version::{RowVersion, RowVersionError};
pub use sealed::{Opened, PersonId, PersonKey, PersonKeys, SealError, Sealed};
pub use secret::Secret;
pub use stream::{StreamName, StreamNameError};
pub use time::Timestamp;
pub use version::{ExpectedVersion, StreamVersion};
