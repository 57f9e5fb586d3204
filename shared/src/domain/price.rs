//! Prices: decimals in a string, exact. Pure.

/// Digits behind the point that a price may have.
const PLACES: u32 = 6;

/// An amount of money in the tenant's currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(i128);

impl Amount {
    /// Reads `account.price`; `None` when it is no decimal.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > PLACES as usize || whole.is_empty() {
            return None;
        }
        format!("{whole}{part:0<width$}", width = PLACES as usize).parse().ok().map(Amount)
    }

    /// So many times.
    #[must_use]
    pub fn times(self, count: i64) -> Self {
        Amount(self.0.saturating_mul(count.into()))
    }
}

impl std::iter::Sum for Amount {
    fn sum<I: Iterator<Item = Amount>>(amounts: I) -> Self {
        Amount(amounts.fold(0, |sum, amount| sum.saturating_add(amount.0)))
    }
}

impl std::fmt::Display for Amount {
    /// With two digits behind the point, or as many as are needed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scale = 10_i128.pow(PLACES);
        let part = format!("{:06}", self.0 % scale);
        let needed = part.trim_end_matches('0').len().max(2);
        write!(f, "{}.{}", self.0 / scale, &part[..needed])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_exact() {
        for (price, count, amount) in [
            ("0.00", 1_000_000, "0.00"),
            ("0.045", 3, "0.135"),
            ("0.1", 3, "0.30"),
            ("7", 2, "14.00"),
            ("999999999.999999", 1_000_000, "999999999999999.00"),
            ("0.000001", 1, "0.000001"),
        ] {
            assert_eq!(Amount::read(price).unwrap().times(count).to_string(), amount, "{price} x {count}");
        }
        for text in ["", ".5", "-1", "1.0000001", "1e3", "a"] {
            assert_eq!(Amount::read(text), None, "{text}");
        }
        let sum: Amount = ["0.10", "0.20"].iter().filter_map(|text| Amount::read(text)).sum();
        assert_eq!(sum.to_string(), "0.30");
    }
}
