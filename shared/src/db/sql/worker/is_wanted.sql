-- Whether a call may go out: its plan runs and has not had enough answers, and of a plan with ladders nobody in the call has read or answered; of a reminder, everybody
-- is still one of those it is for. $1 plan, $2 recipients, $3 slot.
SELECT (p.status + 0 = 4 OR p.status + 0 = 8 AND p.finished_at IS NOT NULL) AND p.expires_at > now() AND (p.enough_at IS NULL OR $3::smallint >> 4 > 127)
       AND CASE WHEN $3::smallint >= 2048
                THEN NOT EXISTS (SELECT FROM unnest($2::integer[]) AS w(no) WHERE reminder_over(p.id, $3, w.no))
                ELSE p.untils IS NULL
                     OR NOT EXISTS (SELECT FROM unnest($2::integer[]) AS w(no)
                                     CROSS JOIN LATERAL (SELECT r.result FROM recipient r WHERE r.plan_id = p.id AND r.no = w.no OFFSET 0) AS r
                                     WHERE r.result IN (1, 2)) END
  FROM plan p WHERE p.id = $1
