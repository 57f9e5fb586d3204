//! The state graph. `shared/migrations` enforces the same graph in SQL; `tests` compares the two.

use super::words;

words! {
    /// Where a plan is in its life.
    PlanStatus, "plan status", {
        /// Being written.
        Draft = 0: "draft",
        /// Waits for a second person.
        AwaitingApproval = 1: "awaiting_approval",
        /// Refused by that person.
        Rejected = 2: "rejected",
        /// Accepted, waits for `send_at`.
        Scheduled = 3: "scheduled",
        /// Being sent.
        Running = 4: "running",
        /// Halted by its owner.
        Paused = 5: "paused",
        /// Nothing is open.
        Finished = 6: "finished",
        /// Withdrawn by its owner.
        Recalled = 7: "recalled",
        /// Its ladders were ended by its owner.
        Stopped = 8: "stopped",
        /// `expires_at` came before everything was sent.
        Expired = 9: "expired",
    }
}

impl PlanStatus {
    /// Whether work may still be sent for it.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, PlanStatus::Scheduled | PlanStatus::Running | PlanStatus::Paused)
    }

    /// Whether its recipients may have been written to.
    #[must_use]
    pub const fn went_out(self) -> bool {
        !matches!(self, PlanStatus::Draft | PlanStatus::AwaitingApproval | PlanStatus::Rejected)
    }

    /// Whether it was ended before everything was sent: whoever has no delivery yet will have none.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        matches!(self, PlanStatus::Recalled | PlanStatus::Stopped | PlanStatus::Expired)
    }

    /// Whether `self -> next` is an edge of the declared graph.
    #[must_use]
    pub fn may_become(self, next: PlanStatus) -> bool {
        use PlanStatus as P;
        let edges: &[P] = match self {
            P::Draft => &[P::AwaitingApproval, P::Scheduled, P::Running],
            P::AwaitingApproval => {
                &[P::Draft, P::Rejected, P::Scheduled, P::Running, P::Recalled, P::Expired]
            }
            P::Rejected => &[P::Draft],
            P::Scheduled => &[P::Running, P::Paused, P::Recalled, P::Stopped, P::Expired],
            P::Running => &[P::Paused, P::Finished, P::Recalled, P::Stopped, P::Expired],
            P::Paused => &[P::Scheduled, P::Running, P::Finished, P::Recalled, P::Stopped, P::Expired],
            P::Finished => &[P::Running, P::Recalled],
            P::Recalled | P::Stopped | P::Expired => &[],
        };
        edges.contains(&next)
    }
}

words! {
    /// Where a delivery is. `queued` and `sending` are never stored: they are read off its job and open attempt.
    DeliveryStatus, "delivery status", {
        /// Waits: for its time, a retry, an account.
        Pending = 0: "pending",
        /// Its job is in the broker or in a worker's hands.
        Queued = 1: "queued",
        /// An attempt for it is open.
        Sending = 2: "sending",
        /// The provider accepted it.
        Sent = 3: "sent",
        /// The provider reported that it arrived.
        Delivered = 4: "delivered",
        /// It will not be sent any more.
        Failed = 5: "failed",
        /// The provider may or may not have accepted it.
        Unknown = 6: "unknown",
        /// Nothing was tried, for a reason known before.
        Suppressed = 7: "suppressed",
        /// Withdrawn before it went out.
        Cancelled = 8: "cancelled",
        /// Its plan expired before it went out.
        Expired = 9: "expired",
    }
}

impl DeliveryStatus {
    /// Whether nothing more happens to it by itself.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, DeliveryStatus::Pending | DeliveryStatus::Queued | DeliveryStatus::Sending)
    }

    /// Whether a row may move from `self` to `next`; `newer` says that the attempt number grew.
    ///
    /// The order is on (attempt, stage): a new attempt is the only way back to pending.
    #[must_use]
    pub fn may_become(self, next: DeliveryStatus, newer: bool) -> bool {
        use DeliveryStatus as D;
        match (self, next) {
            (D::Queued | D::Sending, _) | (_, D::Queued | D::Sending) => false,
            (D::Pending | D::Failed | D::Unknown, D::Pending) => newer,
            (D::Pending, _) => true,
            (D::Unknown, D::Sent | D::Delivered | D::Failed) => true,
            (D::Sent, D::Delivered | D::Failed) | (D::Failed, D::Delivered) => true,
            (a, b) => a == b,
        }
    }
}
