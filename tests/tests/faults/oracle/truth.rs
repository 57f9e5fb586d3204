//! What the database says.

use std::collections::HashMap;

use herald_tests::Database;

use super::Findings;

/// A delivery's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Delivery {
    pub(crate) plan: i64,
    pub(crate) slot: i16,
    pub(crate) no: i32,
}

/// How it ended.
pub(super) struct State {
    pub(super) status: i16,
    reason: Option<String>,
    /// Attempts that may have reached the provider: sent or unknown.
    pub(super) possible: u64,
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let reason = self.reason.as_deref().unwrap_or("no reason");
        write!(f, "status {} ({reason}) with {} attempts sent or unknown", self.status, self.possible)
    }
}

/// A plan, and the request it came from.
pub(super) struct Plan {
    pub(super) id: i64,
    pub(super) number: usize,
    pub(super) tenant: String,
    pub(super) holds: bool,
}

pub(super) async fn plans(database: &Database) -> Vec<Plan> {
    let sql = "SELECT p.id, (p.metadata->>'log')::bigint, t.name, p.on_unknown
                 FROM plan p JOIN tenant t ON t.id = p.tenant_id";
    let plan = |row: &tokio_postgres::Row| Plan {
        id: row.get(0),
        number: usize::try_from(row.get::<_, i64>(1)).unwrap(),
        tenant: row.get(2),
        holds: row.get::<_, i16>(3) != 0,
    };
    database.rows(sql, &[]).await.iter().map(plan).collect()
}

pub(super) async fn deliveries(database: &Database) -> HashMap<Delivery, State> {
    let sql = "SELECT d.plan_id, d.slot, d.no, d.status, d.reason,
                      (SELECT count(*) FROM attempt a
                        WHERE a.plan_id = d.plan_id AND a.slot = d.slot AND a.lo BETWEEN d.no - 999 AND d.no AND a.hi >= d.no
                          AND (a.members IS NULL OR d.no = ANY(a.members)) AND a.outcome IN (0, 3))
                 FROM delivery d";
    let delivery = |row: &tokio_postgres::Row| {
        let state = State {
            status: row.get(3),
            reason: row.get(4),
            possible: u64::try_from(row.get::<_, i64>(5)).unwrap(),
        };
        (key(row), state)
    };
    database.rows(sql, &[]).await.iter().map(delivery).collect()
}

fn key(row: &tokio_postgres::Row) -> Delivery {
    Delivery { plan: row.get(0), slot: row.get(1), no: row.get(2) }
}

/// Calls given up as unknown: those still called so, and those a late answer has corrected after the next one had begun.
pub(super) async fn unknown(database: &Database, findings: &mut Findings) {
    let sql = "SELECT (SELECT count(*) FROM attempt WHERE outcome = 3)
                    + (SELECT count(*) FROM attempt a WHERE a.outcome = 0 AND EXISTS (
                         SELECT FROM attempt n WHERE n.plan_id = a.plan_id AND n.slot = a.slot AND n.lo = a.lo
                            AND n.number > a.number AND n.outcome = 0))";
    findings.unknown = u64::try_from(database.number(sql).await).unwrap();
}

/// Messages in inboxes; each must lie in one of its own tenant.
pub(super) async fn inbox(database: &Database, findings: &mut Findings) -> HashMap<Delivery, u64> {
    let sql = "SELECT m.plan_id, m.slot, m.no, m.owner, t.name
                 FROM inbox_message m JOIN tenant t ON t.id = m.tenant_id JOIN plan p ON p.id = m.plan_id
                WHERE p.tenant_id <> m.tenant_id OR NOT starts_with(m.owner, t.name)";
    for row in database.rows(sql, &[]).await {
        findings.mixed += 1;
        findings.breach(
            "tenants mixed",
            format!("{} lies in {}'s inbox", row.get::<_, String>(3), row.get::<_, String>(4)),
        );
    }
    let rows = database.rows("SELECT plan_id, slot, no FROM inbox_message", &[]).await;
    rows.iter().map(|row| (key(row), 1)).collect()
}
