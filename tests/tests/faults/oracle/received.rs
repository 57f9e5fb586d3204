//! What providers and inboxes received, against what the database says was sent: invariants 2 and 6.

use std::collections::HashMap;

use herald_shared::domain::ids;
use uuid::Uuid;

use super::Findings;
use super::truth::{self, Delivery, Plan, State};
use crate::world::{Tenancy, World};

/// Invariant 2, and 6 as providers see it.
pub(super) async fn check(
    plans: &[Plan],
    deliveries: &HashMap<Delivery, State>,
    world: &World,
    findings: &mut Findings,
) {
    let by_id: HashMap<i64, &Plan> = plans.iter().map(|plan| (plan.id, plan)).collect();
    let taken = taken(world, &by_id, findings).await;
    for (delivery, times) in &taken {
        if !deliveries.contains_key(delivery) {
            findings.breach("nobody asked for it", format!("{delivery:?} was received {times} times"));
        }
    }
    for (delivery, state) in deliveries {
        let times = taken.get(delivery).copied().unwrap_or(0);
        let holds = by_id.get(&delivery.plan).is_some_and(|plan| plan.holds);
        findings.duplicated += times.saturating_sub(1);
        match state.status {
            3 if times == 0 => {
                findings.lost += 1;
                findings.breach("lost", format!("{delivery:?} is sent, and nobody has received it"));
            }
            3 => findings.sent += 1,
            6 if holds => findings.left_unknown += 1,
            _ => {
                findings.lost += 1;
                findings.breach("lost", format!("{delivery:?} is {state}, received {times} times"));
            }
        }
        if holds && times > 1 {
            findings.duplicated_hold += times - 1;
            findings.breach("twice under hold", format!("{delivery:?} was received {times} times, {state}"));
        }
        // An attempt that had an outcome and was followed by another one with `sent` was unknown in between.
        if times > state.possible {
            findings.breach(
                "more often than unknown",
                format!("{delivery:?} was received {times} times, {state}"),
            );
        }
    }
}

/// How often each delivery was received. What a tenant's provider got must be that tenant's.
async fn taken(
    world: &World,
    plans: &HashMap<i64, &Plan>,
    findings: &mut Findings,
) -> HashMap<Delivery, u64> {
    let mut taken = truth::inbox(&world.database, findings).await;
    for tenant in &world.tenants {
        let mails = tenant.mail.read(|received| {
            let ids = received.by_message_id.iter();
            ids.map(|(id, tally)| (id.trim_matches(['<', '>']).to_owned(), tally.count)).collect::<Vec<_>>()
        });
        let calls = tenant.hook.read(|received| {
            received.accepted_by_id.iter().map(|(id, tally)| (id.clone(), tally.count)).collect::<Vec<_>>()
        });
        for (id, count) in mails.into_iter().chain(calls) {
            let text = id.split('@').next().unwrap_or_default();
            let packed = text.parse::<Uuid>().ok().and_then(ids::parse);
            let Some(packed) = packed else {
                findings.breach("nobody asked for it", format!("{} received {id}", tenant.name));
                continue;
            };
            let delivery = Delivery { plan: packed.plan.id, slot: packed.slot, no: packed.no };
            *taken.entry(delivery).or_default() += u64::from(count);
            if plans.get(&delivery.plan).is_some_and(|plan| plan.tenant != tenant.name) {
                findings.mixed += 1;
                findings.breach("tenants mixed", format!("{} received {delivery:?}", tenant.name));
            }
        }
        strangers(tenant, findings);
    }
    taken
}

/// Addresses at a tenant's providers that are not its own.
fn strangers(tenant: &Tenancy, findings: &mut Findings) {
    let own = |address: &String| address.trim_start_matches('/').starts_with(&tenant.name);
    let mut strange: Vec<String> =
        tenant.mail.read(|received| received.by_recipient.keys().filter(|key| !own(key)).cloned().collect());
    strange.extend(
        tenant
            .hook
            .read(|received| received.by_path.keys().filter(|key| !own(key)).cloned().collect::<Vec<_>>()),
    );
    findings.mixed += strange.len();
    strange.into_iter().for_each(|address| {
        findings.breach("tenants mixed", format!("{} received something for {address}", tenant.name));
    });
}
