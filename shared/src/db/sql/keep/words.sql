-- What a plan said is gone, after everybody's data. Its title stays: lists would have nothing to call it by. $1 plan.
UPDATE plan SET content = '{}', erased_at = now() WHERE id = $1 AND erased_at IS NULL
