//! The binary `madrigal`.

fn main() {}
