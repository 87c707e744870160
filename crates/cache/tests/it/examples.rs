//! The example program.

#[path = "../../examples/prices.rs"]
mod prices;

#[test]
fn the_example_runs() {
    prices::main().unwrap();
}
