-- The first recipient of a plan with this mail address (in any case) or phone number; none of a plan that did not go out, was recalled or erased.
-- $1 plan, $2 address.
SELECT r.no
  FROM recipient r
 WHERE r.plan_id = $1
   AND (lower(r.addresses ->> 'email') = lower($2) OR r.addresses ->> 'phone' = $2)
   AND EXISTS (SELECT FROM plan p WHERE p.id = $1 AND p.status + 0 NOT IN (0, 1, 2, 7) AND p.erased_at IS NULL)
 ORDER BY r.no
 LIMIT 1
