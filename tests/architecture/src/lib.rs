//! Nothing to call: the checks of this crate are its tests (`tests/it`). They read what cargo says of the workspace and
//! hold the rules of `ARCHITECTURE.md`: who may name whom, which licences are taken, what the default build leaves out.
