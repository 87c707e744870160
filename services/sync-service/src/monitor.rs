//! The monitor: owners and copies compared, fenced by positions.
