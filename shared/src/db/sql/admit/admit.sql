-- Due jobs of one queue become published. $1 lane, $2 channel, $3 jobs at most, $4 units (the first job always fits), $5 visibility in ms.
WITH due AS (
    SELECT j.id, j.tenant_id, j.account_id, j.units, j.due_at
      FROM job j
     WHERE j.kind = 1 AND j.lane = $1 AND (j.slot & 15::smallint) = $2 AND j.due_at <= now() AND j.state < 2
     ORDER BY j.due_at LIMIT $3 FOR UPDATE SKIP LOCKED
), fitting AS (
    SELECT * FROM (SELECT due.*, sum(units) OVER (ORDER BY due_at, id) - units AS before FROM due) AS d WHERE before < $4
), chosen AS (
    SELECT f.id,
           (SELECT a.id FROM account a
             WHERE a.tenant_id = f.tenant_id AND a.channel = $2 AND a.enabled AND a.deleted_at IS NULL
               -- An account that is down is tried again each minute, when no other is left.
               AND (a.state = 0 OR a.since < now() - interval '60 s')
             ORDER BY a.state <> 0, a.failover_order, a.id <> coalesce(f.account_id, 0), a.id LIMIT 1) AS account_id
      FROM fitting f
), marked AS (
    UPDATE job j
       SET account_id = c.account_id,
           state = CASE WHEN c.account_id IS NULL THEN 0 ELSE 1 END,
           publishes = CASE WHEN c.account_id IS NULL THEN j.publishes ELSE least(j.publishes + 1, 6) END,
           due_at = CASE WHEN c.account_id IS NULL THEN now() + interval '5 s'
                         ELSE now() + $5::double precision * power(2, least(j.publishes, 5)) * interval '1 ms' END
      FROM chosen c WHERE j.id = c.id
    RETURNING j.id, j.account_id, j.units, j.due_at
)
SELECT id, account_id, units FROM marked WHERE account_id IS NOT NULL ORDER BY id
