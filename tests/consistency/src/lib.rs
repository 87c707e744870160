//! Nothing to call: the tests of copies against their owners, in a whole shop, are in `tests/it`.
