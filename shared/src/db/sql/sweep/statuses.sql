-- What plans are now: read after the hold. $1 plans.
SELECT p.id, p.status FROM unnest($1::bigint[]) AS w(id) JOIN plan p ON p.id = w.id
