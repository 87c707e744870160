//! Nothing to call: the tests of the whole shop are in `tests/it`.
