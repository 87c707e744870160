//! The journal's tests: what it promises, and what a crash or a fault leaves.

