//! How far copies are.

use madrigal_core::{Host, LogEpoch, Position};
use madrigal_sqlite::{Database, DatabaseOptions, applied};

#[tokio::test]
async fn a_copys_place_never_goes_back_within_an_epoch_and_falls_with_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(dir.path().join("copy.db"), DatabaseOptions::REBUILDABLE).await.unwrap();
    applied::prepare(&database).await.unwrap();
    let (one, other) = (LogEpoch::new(&Host::system()), LogEpoch::new(&Host::system()));
    let steps = [("a", one, 7, 7), ("a", one, 5, 7), ("a", one, 9, 9), ("a", other, 2, 2), ("b", one, 1, 2)];
    for (copy, epoch, position, expected) in steps {
        let at = Position(position);
        database.write("advance", move |tx| applied::advance(tx, copy, "users", epoch, at)).await.unwrap();
        let found = database.read("of", |connection| applied::of(connection, "a")).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].0.as_str(), found[0].2), ("users", Position(expected)), "{copy} {position}");
    }
    let undone = database.decide("advance", move |tx| {
        applied::advance(tx, "a", "users", other, Position(50))?;
        Ok(Err::<(), _>("the rows were refused"))
    });
    assert!(undone.await.unwrap().is_err());
    let found = database.read("of", |connection| applied::of(connection, "a")).await.unwrap();
    assert_eq!(found, [("users".to_owned(), other, Position(2))]);
}
