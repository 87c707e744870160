//! The verdict can fail: for every rule something is planted that breaks it, and it is named with whom it is about.

mod planted;
mod world;
