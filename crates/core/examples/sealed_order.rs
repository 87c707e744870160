//! What an order costs, and how its buyer is kept out of an immutable log: totals in integers, a sealed name, and what is
//! left of it when the person's key is destroyed.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use madrigal_core::money::{PricedLine, Totals};
use madrigal_core::{BasisPoints, Host, Opened, PersonId, PersonKey, Sealed};

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let host = Host::system();
    let ten_percent = BasisPoints::new(1_000).ok_or("a discount is at most 10,000 basis points")?;
    let totals = Totals::of([
        PricedLine { unit_amount: 1_999, quantity: 3, discount: ten_percent },
        PricedLine { unit_amount: 7, quantity: 1, discount: BasisPoints::ZERO },
    ])?;
    println!("{}", serde_json::to_string(&totals)?);
    assert_eq!((totals.discount_amount, totals.tax_amount, totals.final_amount), (600, 432, 5_836));

    let (anna, key) = (PersonId(42), PersonKey::generate(&host));
    let sealed = Sealed::seal(&host, anna, &key, &"Anna Rossi".to_owned())?;
    let written = serde_json::to_string(&sealed)?;
    println!("{written}");
    assert!(!written.contains("Anna"), "nobody reads her name in the log");

    let read: Sealed<String> = serde_json::from_str(&written)?;
    assert_eq!(read.open(Some(&key))?, Opened::Value("Anna Rossi".to_owned()));
    // Her key is gone: the event stays, her name does not, and whoever folds it goes on.
    assert_eq!(read.open(None)?, Opened::Erased);
    Ok(())
}
