//! What becomes of a message that is withdrawn after it went out, and of a recalled plan for one person.

use super::{DeliveryStatus, words};

words! {
    /// What became of one message.
    Withdrawal, "withdrawal", {
        /// The provider took it back.
        Taken = 1: "taken",
        /// The provider can take messages back, but not this one any more.
        TooLate = 2: "too_late",
        /// It cannot be taken back.
        NotPossible = 3: "not_possible",
    }
}

words! {
    /// What a recall came to for one person.
    RecallResult, "recall", {
        /// Nothing of it is with them: it never went out, or was taken back.
        Recalled = 1: "recalled",
        /// They have it or have read it, and it was too late to take it back.
        TooLate = 2: "too_late",
        /// They have it, by a provider that cannot take messages back.
        NotPossible = 3: "not_possible",
    }
}

/// One of a person's deliveries in a recalled plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Out {
    /// Where it is.
    pub status: DeliveryStatus,
    /// Some provider of its channel takes messages back.
    pub recallable: bool,
    /// What became of it, where somebody asked.
    pub became: Option<Withdrawal>,
}

/// What a recall came to for one person; `None`: it is not known yet.
#[must_use]
pub fn result(has_read: bool, deliveries: &[Out]) -> Option<RecallResult> {
    use DeliveryStatus as D;
    if deliveries.iter().any(|out| !out.status.is_final()) {
        return None;
    }
    if has_read {
        return Some(RecallResult::TooLate);
    }
    let mut worst = RecallResult::Recalled;
    let went_out = |out: &&Out| matches!(out.status, D::Sent | D::Delivered | D::Unknown);
    for out in deliveries.iter().filter(went_out) {
        let became = if out.recallable { out.became? } else { Withdrawal::NotPossible };
        worst = worst.max(match became {
            Withdrawal::Taken => RecallResult::Recalled,
            Withdrawal::TooLate => RecallResult::TooLate,
            Withdrawal::NotPossible => RecallResult::NotPossible,
        });
    }
    Some(worst)
}

#[cfg(test)]
mod tests {
    use super::*;
    use DeliveryStatus as D;
    use RecallResult as R;
    use Withdrawal as W;

    #[test]
    fn whoever_still_has_it_somewhere_is_told_so() {
        let out = |status, recallable, became| Out { status, recallable, became };
        let cases = [
            (false, vec![], Some(R::Recalled)),
            (false, vec![out(D::Cancelled, true, None), out(D::Failed, false, None)], Some(R::Recalled)),
            (false, vec![out(D::Pending, true, None)], None),
            (false, vec![out(D::Sent, true, None)], None),
            (false, vec![out(D::Sent, true, Some(W::Taken))], Some(R::Recalled)),
            (false, vec![out(D::Sent, true, Some(W::TooLate))], Some(R::TooLate)),
            (false, vec![out(D::Sent, false, None)], Some(R::NotPossible)),
            (false, vec![out(D::Unknown, true, Some(W::NotPossible))], Some(R::NotPossible)),
            (
                false,
                vec![out(D::Sent, true, Some(W::Taken)), out(D::Sent, false, None)],
                Some(R::NotPossible),
            ),
            (
                false,
                vec![out(D::Sent, true, Some(W::TooLate)), out(D::Sent, true, Some(W::Taken))],
                Some(R::TooLate),
            ),
            (true, vec![out(D::Sent, true, Some(W::Taken))], Some(R::TooLate)),
            (true, vec![], Some(R::TooLate)),
        ];
        for (has_read, deliveries, expected) in cases {
            assert_eq!(result(has_read, &deliveries), expected, "{has_read} {deliveries:?}");
        }
    }
}
