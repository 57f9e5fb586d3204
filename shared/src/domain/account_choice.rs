//! Which of a tenant's accounts a job goes to. Pure.

use std::time::Duration;

/// A pause shorter than this is waited for; a longer one moves the work to the next account.
pub const WAITED_FOR: Duration = Duration::from_secs(60);

/// An account as admission sees it. Times are on the caller's clock (time since any fixed moment).
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// `account.id`.
    pub id: i64,
    /// Lower is used first.
    pub order: i32,
    /// Its share among accounts of its order.
    pub weight: f64,
    /// Calls a second in force; `None`: no limit.
    pub per_second: Option<f64>,
    /// Its pause is a long one ([`WAITED_FOR`] or more from its beginning), and not over.
    pub rests: bool,
    /// The provider asked for a pause until then.
    pub paused_until: Duration,
    /// Its breaker is open; a probe may go out from then on.
    pub open_until: Option<Duration>,
    /// It was refused by its provider; from then on it is the last choice.
    pub down_until: Option<Duration>,
}

/// What to do with a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Send it through this account.
    Use(i64),
    /// Nothing can take it before then.
    Wait(Duration),
    /// There is no account that is in use.
    Nobody,
}

/// Chooses among a tenant's accounts, which are in order of `order`.
///
/// The first order with a usable account has the work, also while all of that order pause for less than a minute or are full
/// (`full_for`: how long one may not be given more). Among those of one order chance decides, by weight. Open breakers and
/// accounts that are down are left out; when all are, the answer is when the first of them may be tried.
pub fn choose(
    accounts: &[Candidate],
    now: Duration,
    mut full_for: impl FnMut(i64) -> Duration,
    mut roll: impl FnMut() -> f64,
) -> Choice {
    for group in accounts.chunk_by(|a, b| a.order == b.order) {
        let usable = || group.iter().filter(|account| is_usable(account, now));
        let ready: Vec<(&Candidate, Duration)> = usable()
            .map(|account| (account, (now + full_for(account.id)).max(account.paused_until).max(now)))
            .collect();
        let able = ready.iter().filter(|(_, at)| *at <= now).map(|(account, _)| *account);
        if let Some(account) = by_weight(able, |account| account.weight, &mut roll) {
            return Choice::Use(account.id);
        }
        if let Some(at) = ready.iter().map(|(_, at)| *at).min() {
            return Choice::Wait(at);
        }
    }
    last_resort(accounts, now)
}

/// Whether new work may go there, at once or after a short pause.
fn is_usable(account: &Candidate, now: Duration) -> bool {
    account.open_until.is_none()
        && account.down_until.is_none()
        && !(account.rests && account.paused_until > now)
}

/// One of `all` by chance: the one with the least of `-ln(random) / weight`, so each is first as often as its part of all weights.
pub fn by_weight<T>(
    all: impl Iterator<Item = T>,
    weight: impl Fn(&T) -> f64,
    mut roll: impl FnMut() -> f64,
) -> Option<T> {
    let keyed = all.map(|one| (-roll().max(f64::MIN_POSITIVE).ln() / weight(&one).max(1e-9), one));
    keyed.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, one)| one)
}

/// Nothing is in order: an account that has been down for long is tried, else the first that may be.
fn last_resort(accounts: &[Candidate], now: Duration) -> Choice {
    let at = |account: &Candidate| {
        let down = account.down_until.unwrap_or_default();
        down.max(account.open_until.unwrap_or_default()).max(account.paused_until)
    };
    let Some(first) = accounts.iter().min_by_key(|account| (at(account).max(now), account.order)) else {
        return Choice::Nobody;
    };
    // An open breaker lets single probes through, not the work.
    if at(first) <= now && first.open_until.is_none() {
        return Choice::Use(first.id);
    }
    Choice::Wait(at(first).max(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);
    const SECOND: Duration = Duration::from_secs(1);

    fn account(id: i64, order: i32) -> Candidate {
        Candidate {
            id,
            order,
            weight: 1.0,
            per_second: None,
            rests: false,
            paused_until: Duration::ZERO,
            open_until: None,
            down_until: None,
        }
    }

    fn chosen(accounts: &[Candidate]) -> Choice {
        choose(accounts, NOW, |_| Duration::ZERO, || 0.5)
    }

    #[test]
    fn the_first_order_that_is_in_order_has_the_work() {
        let open = Candidate { open_until: Some(NOW + SECOND), ..account(1, 1) };
        let down = Candidate { down_until: Some(NOW + SECOND), ..account(2, 1) };
        let long = Candidate { rests: true, paused_until: NOW + 20 * SECOND, ..account(3, 1) };
        let short = Candidate { paused_until: NOW + 59 * SECOND, ..account(4, 1) };
        let table = [
            (vec![account(1, 1), account(5, 2)], Choice::Use(1)),
            (vec![open.clone(), account(5, 2)], Choice::Use(5)),
            (vec![down.clone(), account(5, 2)], Choice::Use(5)),
            (vec![long.clone(), account(5, 2)], Choice::Use(5)),
            (vec![short.clone(), account(5, 2)], Choice::Wait(NOW + 59 * SECOND)),
            (vec![short, account(5, 1)], Choice::Use(5)),
            (vec![open.clone()], Choice::Wait(NOW + SECOND)),
            (vec![Candidate { open_until: Some(NOW), ..account(1, 1) }], Choice::Wait(NOW)),
            (vec![Candidate { down_until: Some(NOW), ..account(2, 1) }], Choice::Use(2)),
            (vec![Candidate { down_until: Some(NOW), ..account(2, 1) }, account(5, 2)], Choice::Use(5)),
            (vec![down, open, long], Choice::Wait(NOW + SECOND)),
            (vec![], Choice::Nobody),
        ];
        for (accounts, expected) in table {
            assert_eq!(chosen(&accounts), expected, "{accounts:?}");
        }
    }

    #[test]
    fn a_full_account_is_waited_for_and_its_equals_help_out() {
        let full = |id| if id == 1 { 2 * SECOND } else { Duration::ZERO };
        let choose = |accounts: &[Candidate]| choose(accounts, NOW, full, || 0.5);
        assert_eq!(choose(&[account(1, 1), account(2, 2)]), Choice::Wait(NOW + 2 * SECOND));
        assert_eq!(choose(&[account(1, 1), account(2, 1)]), Choice::Use(2));
    }

    #[test]
    fn equals_share_by_weight() {
        let mut random = fastrand::Rng::with_seed(7);
        for (weights, part) in [([1.0, 1.0], 0.5), ([3.0, 1.0], 0.75), ([0.0, 1.0], 0.0), ([9.0, 1.0], 0.9)] {
            let accounts: Vec<Candidate> =
                weights.iter().zip(1..).map(|(&weight, id)| Candidate { weight, ..account(id, 1) }).collect();
            let first = (0..10_000)
                .filter(|_| choose(&accounts, NOW, |_| Duration::ZERO, || random.f64()) == Choice::Use(1))
                .count();
            assert!((first as f64 / 10_000.0 - part).abs() < 0.03, "{weights:?}: {first}");
        }
    }
}
