//! madrigal-contracts: being built.
