//! Lines of an order, and how they are stored: a few bytes each, since every order has some and they are read as a whole.

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<P> {
    /// The product.
    pub product: P,
    /// How many.
    pub quantity: u64,
    /// What the line came to in minor units: after its discount, before tax.
    pub amount: i64,
}

/// Lines as they are stored: three numbers each (product, quantity, amount), seven bits in a byte, the lowest first, the
/// eighth bit set where more follow.
///
/// # Source
/// LEB128, unsigned.
pub fn write_lines(lines: &[Line<i64>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(lines.len() * 6);
    for line in lines {
        write(&mut bytes, line.product.unsigned_abs());
        write(&mut bytes, line.quantity);
        write(&mut bytes, line.amount.unsigned_abs());
    }
    bytes
}

/// The lines that were written so; `None` for other bytes.
pub fn read_lines(bytes: &[u8]) -> Option<Vec<Line<i64>>> {
    let mut rest = bytes.iter();
    let mut lines = Vec::with_capacity(bytes.len() / 4);
    while !rest.as_slice().is_empty() {
        let (product, quantity, amount) = (read(&mut rest)?, read(&mut rest)?, read(&mut rest)?);
        lines.push(Line { product: product.try_into().ok()?, quantity, amount: amount.try_into().ok()? });
    }
    Some(lines)
}

fn write(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read(rest: &mut std::slice::Iter<'_, u8>) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *rest.next()?;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn lines_survive_their_bytes(lines in proptest::collection::vec((0i64.., 0u64.., 0i64..), 0..20)) {
            let line = |(product, quantity, amount)| Line { product, quantity, amount };
            let lines: Vec<_> = lines.into_iter().map(line).collect();
            assert_eq!(read_lines(&write_lines(&lines)), Some(lines));
        }

        #[test]
        fn other_bytes_are_no_panic(bytes in proptest::collection::vec(0u8.., 0..40)) {
            let _ = read_lines(&bytes);
        }
    }

    #[test]
    fn cut_bytes_are_no_lines() {
        let bytes = write_lines(&[Line { product: 300, quantity: 2, amount: 1_000 }]);
        assert_eq!(read_lines(&bytes[..bytes.len() - 1]), None);
        assert_eq!(read_lines(&[0xff; 11]), None);
    }
}
