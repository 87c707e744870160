//! Sums over days that stay at the highest number, as the sums of a day do.

/// The SQL of a sum of this column that stays at the highest number of 64 bits; SQLite's own `sum` fails beyond it. Exact for
/// 2³¹ rows: the upper and the lower 31 bits are summed apart.
pub(super) fn sum(column: &str) -> String {
    let (upper, lower) = (format!("sum({column} >> 31)"), format!("sum({column} & 2147483647)"));
    let upper = format!("({upper} + ({lower} >> 31))");
    format!(
        "CASE WHEN {upper} > 4294967295 THEN 9223372036854775807
           ELSE ({upper} << 31) | ({lower} & 2147483647) END"
    )
}

#[cfg(test)]
mod tests {
    use madrigal_sqlite::sql::Connection;

    use super::*;

    #[test]
    fn a_sum_is_exact_and_stays_at_the_highest_number() {
        let connection = Connection::open_in_memory().unwrap();
        let half = i64::MAX / 2;
        for values in [
            &[0][..],
            &[1, 2, 3],
            &[2_147_483_647, 2_147_483_647, 1],
            &[half, half, 1],
            &[half, half, 1, 1],
            &[i64::MAX],
            &[i64::MAX, 1],
            &[i64::MAX, i64::MAX, i64::MAX],
            &[-5, 3],
            &[i64::MAX, -1],
        ] {
            let rows: Vec<_> = values.iter().map(|value| format!("({value})")).collect();
            let select = format!("SELECT {} FROM (VALUES {})", sum("column1"), rows.join(", "));
            let summed: i64 = connection.query_row(&select, [], |row| row.get(0)).unwrap();
            let exact: i128 = values.iter().map(|value| i128::from(*value)).sum();
            assert_eq!(i128::from(summed), exact.min(i128::from(i64::MAX)), "{values:?}");
        }
    }
}
