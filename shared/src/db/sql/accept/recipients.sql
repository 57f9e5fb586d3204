-- Recipients of one or more plans, at most 1000 a statement.
-- $1 plan ids, $2 nos, $3 keys, $4 names, $5 addresses, $6 skips, $7 variables, $8 locales, $9 time zones: parallel arrays.
INSERT INTO recipient (plan_id, no, key, name, addresses, skips, variables, locale, time_zone)
SELECT * FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::jsonb[], $6::jsonb[], $7::jsonb[], $8::text[], $9::text[])
