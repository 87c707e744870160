//! The example of this crate; its rules are tested beside the code.

#[path = "../../examples/sealed_order.rs"]
mod sealed_order;

#[test]
fn the_example_runs() {
    sealed_order::main().unwrap();
}
