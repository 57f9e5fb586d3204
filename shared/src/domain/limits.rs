//! What an account's owner allows it: calls a second, units a minute and a day, calls at once.

use serde_json::Value;

use super::words;

/// Limits of an account; a missing one does not bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Calls a second, over any sliding second of the whole fleet.
    pub per_second: Option<u32>,
    /// Units over any sliding minute.
    pub per_minute: Option<u32>,
    /// Units over any sliding day.
    pub per_day: Option<u32>,
    /// Calls at once, of the whole fleet.
    pub concurrency: Option<u32>,
    /// What a unit is.
    pub per: Per,
}

words! {
    /// What `per_minute` and `per_day` count.
    #[derive(Default)]
    Per, "unit of a limit", {
        /// Provider calls.
        #[default]
        Call = 0: "call",
        /// People in them.
        Recipient = 1: "recipient",
    }
}

impl Limits {
    /// Reads `account.limits`; what is not a positive number does not bind.
    #[must_use]
    pub fn read(limits: &Value) -> Self {
        let number = |name: &str| {
            let number = limits.get(name).and_then(Value::as_u64)?;
            u32::try_from(number).ok().filter(|&n| n > 0)
        };
        let per = limits.get("per").and_then(Value::as_str).and_then(|word| word.parse().ok());
        Limits {
            per_second: number("per_second"),
            per_minute: number("per_minute"),
            per_day: number("per_day"),
            concurrency: number("concurrency"),
            per: per.unwrap_or_default(),
        }
    }

    /// Whether calls need leave beyond a place among those at once.
    #[must_use]
    pub fn is_paced(&self) -> bool {
        self.per_second.is_some() || self.is_counted()
    }

    /// Whether units are counted over a minute or a day.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        self.per_minute.is_some() || self.per_day.is_some()
    }

    /// Most people one call can carry under the counted limits.
    #[must_use]
    pub fn most_in_a_call(&self) -> u32 {
        match self.per {
            Per::Call => u32::MAX,
            Per::Recipient => self.per_minute.unwrap_or(u32::MAX).min(self.per_day.unwrap_or(u32::MAX)),
        }
    }

    /// Units of a call to `people`.
    #[must_use]
    pub fn units(&self, people: usize) -> u32 {
        match self.per {
            Per::Call => 1,
            Per::Recipient => u32::try_from(people).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn limits_are_read_as_stored() {
        let limits =
            Limits::read(&json!({"per_second": 50, "per_day": 1000, "per": "recipient", "concurrency": 0}));
        assert_eq!((limits.per_second, limits.per_minute, limits.per_day), (Some(50), None, Some(1000)));
        assert_eq!((limits.concurrency, limits.units(7)), (None, 7));
        assert_eq!(limits.most_in_a_call(), 1000);
        assert_eq!(Limits::read(&json!({"per_minute": 5})).most_in_a_call(), u32::MAX);
        assert!(!Limits::read(&json!({"concurrency": 3})).is_paced());
        assert_eq!(Limits::read(&Value::Null), Limits::default());
    }
}
