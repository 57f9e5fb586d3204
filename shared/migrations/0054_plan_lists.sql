-- Lists of plans by status, among a million that have run to their end. Not of those that run or are finished: every plan becomes both,
-- and would pay for its place here; finished ones are met at once in the order of the list.
CREATE INDEX plan_status ON plan (tenant_id, status, id) WHERE status IN (0, 1, 2, 3, 5, 7, 8, 9);
