//! Which order comes next: 1 to 5 lines, products by Zipf's law, customers evenly; the same seed makes the same orders.

use madrigal_core::Host;

use super::wire;

/// The exponent of the products' popularity.
pub const SKEW: f64 = 0.99;

/// A small generator of random numbers.
///
/// # Source
/// Steele, Lea and Flood, *Fast splittable pseudorandom number generators*, 2014 (SplitMix64).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator that repeats itself for the same seed.
    pub const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to and not including `end`.
    pub const fn below(&mut self, end: u64) -> u64 {
        ((self.bits() as u128 * end as u128) >> 64) as u64
    }

    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Orders without end.
#[derive(Debug)]
pub struct Workload {
    /// The share of all orders' lines that goes to a product or a more popular one.
    shares: Vec<f64>,
    /// Of each customer.
    tokens: Vec<String>,
    random: Random,
    /// Makes the idempotency keys: UUIDs of version 7, as the console and the commands send.
    host: Host,
    made: u64,
}

impl Workload {
    /// Orders of so many products, by customers with these tokens; idempotency keys are the host's.
    pub fn new(products: usize, tokens: Vec<String>, seed: u64, host: Host) -> Self {
        let weights = (1..=products).map(|rank| (rank as f64).powf(-SKEW));
        let total: f64 = weights.clone().sum();
        let shares = weights
            .scan(0.0, |sum, weight| {
                *sum += weight / total;
                Some(*sum)
            })
            .collect();
        Self { shares, tokens, random: Random::seeded(seed), host, made: 0 }
    }

    /// The next order's request.
    pub fn next_order(&mut self) -> Vec<u8> {
        self.made += 1;
        let lines = 1 + self.random.below(5) as usize;
        let mut products: Vec<usize> = Vec::with_capacity(lines);
        while products.len() < lines.min(self.shares.len()) {
            let at = self.random.unit();
            let product = self.shares.partition_point(|share| *share < at).min(self.shares.len() - 1);
            if !products.contains(&product) {
                products.push(product);
            }
        }
        let mut items = String::with_capacity(256);
        for product in products {
            let quantity = 1 + self.random.below(3);
            if !items.is_empty() {
                items.push(',');
            }
            items.push_str(&format!(r#"{{"productId":"{}","quantity":{quantity}}}"#, product_id(product)));
        }
        let body = format!(
            r#"{{"items":[{items}],"paymentMethod":{{"token":"tok_visa"}},"shippingAddress":{{"street":"Via dei Liutai {}","city":"Cremona"}}}}"#,
            self.made % 200
        );
        let key = self.host.uuid_v7().to_string();
        let token = &self.tokens[self.random.below(self.tokens.len() as u64) as usize];
        wire::request("POST", "/v1/orders", token, &[("idempotency-key", &key), ("prefer", "wait=30")], &body)
    }
}

/// The id of the product of this rank, counted from zero.
pub fn product_id(rank: usize) -> String {
    format!("P{rank:05}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use madrigal_core::Timestamp;
    use madrigal_core::host::{Clock, SeededRandomness};

    use super::*;

    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(1_000_000_000_000_000)
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_orders() {
        let host = || Host::new(Arc::new(Noon), Arc::new(SeededRandomness::new(1)));
        let tokens = || vec!["a".to_owned(), "b".to_owned()];
        let mut one = Workload::new(100, tokens(), 7, host());
        let mut two = Workload::new(100, tokens(), 7, host());
        for _ in 0..50 {
            assert_eq!(one.next_order(), two.next_order());
        }
    }

    #[test]
    fn the_most_popular_product_has_its_share_by_zipf() {
        let workload = Workload::new(10_000, Vec::new(), 7, Host::system());
        // 1 / sum of k^-0.99 for k up to 10,000 is 0.0976.
        assert!((workload.shares[0] - 0.0976).abs() < 0.002, "{}", workload.shares[0]);
        assert!((workload.shares[9_999] - 1.0).abs() < 1e-9);
    }
}
