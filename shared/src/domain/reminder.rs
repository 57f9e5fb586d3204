//! Reminders: a further round of a plan to some of its people (rule 20 of docs/ESCALATION.md). The database chooses and checks people by
//! the same rules (`sql/remind/make.sql`, `reminder_over` in shared/migrations); a test compares the second.

use super::words;

/// Step number of the first reminder's slots; those below are the ladder's.
pub const FIRST_STEP: u8 = 128;
/// Reminders a plan may have: every one makes a look at a person of it a little longer.
pub const MOST: u8 = 50;

words! {
    /// Whom a reminder is for.
    Who, "who", {
        /// Whom nothing has reached and nothing is on its way to.
        Failed = 1: "failed",
        /// Who has not read.
        Unread = 2: "unread",
        /// Who has not answered.
        Unanswered = 3: "unanswered",
        /// People named one by one, whatever they have done.
        Named = 4: "named",
    }
}

impl Who {
    /// What a caller may say; people are named by giving them.
    pub const WORDS: &'static [&'static str] = &["failed", "unread", "unanswered"];

    /// Whether somebody is not one of them any more: asked just before it goes out.
    #[must_use]
    pub const fn is_over(self, known: Known) -> bool {
        match self {
            Who::Failed => known.reached || known.read,
            Who::Unread => known.read,
            Who::Unanswered => known.answered,
            Who::Named => false,
        }
    }
}

/// What is known of a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known {
    /// Something was sent to them or arrived, in another round or tier.
    pub reached: bool,
    /// They have read; whoever has answered has.
    pub read: bool,
    /// They have answered.
    pub answered: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_did_what_is_asked_for_is_left_out() {
        let known = |reached, read, answered| Known { reached, read, answered };
        let cases = [
            (known(false, false, false), [false; 4]),
            (known(true, false, false), [true, false, false, false]),
            (known(true, true, false), [true, true, false, false]),
            (known(true, true, true), [true, true, true, false]),
            (known(false, true, false), [true, true, false, false]),
        ];
        for (known, over) in cases {
            let told: Vec<bool> = Who::ALL.iter().map(|who| who.is_over(known)).collect();
            assert_eq!(told, over, "{known:?}");
        }
    }
}
