//! The example does what it says.

#[path = "../../examples/book_a_trip.rs"]
mod book_a_trip;

#[test]
fn the_example_of_a_trip_runs() {
    book_a_trip::main().unwrap();
}
