//! The example does what it says.

#[path = "../../examples/strict_endpoint.rs"]
mod strict_endpoint;

#[test]
fn the_example_of_a_strict_endpoint_runs() {
    strict_endpoint::main();
}
