//! Products have short numbers here: every line of every order names one.

use std::collections::HashMap;

use madrigal_sqlite::sql::{self, OptionalExtension, Transaction, params};

/// Numbers that were looked up lately. What a transaction that was undone put in must be forgotten: [`Dictionary::forget`].
#[derive(Debug, Default)]
pub struct Dictionary {
    numbers: HashMap<Box<str>, i64>,
}

/// Numbers remembered, some 100 bytes each; all are forgotten where there are more.
const REMEMBERED: usize = 10_000;

impl Dictionary {
    /// The product's number; a product that was never met gets one, with this name until the catalogue tells its own.
    ///
    /// # Errors
    /// An SQL error if the engine broke.
    pub fn number(&mut self, tx: &Transaction<'_>, product_id: &str, name: &str) -> sql::Result<i64> {
        if let Some(number) = self.numbers.get(product_id) {
            return Ok(*number);
        }
        let mut select = tx.prepare_cached("SELECT id FROM products WHERE product_id = ?1")?;
        let number = match select.query_row([product_id], |row| row.get(0)).optional()? {
            Some(number) => number,
            None => {
                let mut insert =
                    tx.prepare_cached("INSERT INTO products (product_id, version, name) VALUES (?1, 0, ?2)")?;
                insert.insert(params![product_id, name])?
            }
        };
        if self.numbers.len() >= REMEMBERED {
            self.numbers.clear();
        }
        self.numbers.insert(product_id.into(), number);
        Ok(number)
    }

    /// Forgets everything.
    pub fn forget(&mut self) {
        self.numbers.clear();
    }
}
