-- The files of a plan in its order, without their bytes. $1 plan.
SELECT f.id, f.uid, f.name, f.media_type, f.size, f.sha256, f.created_at
  FROM plan_file u JOIN file f ON f.id = u.file_id WHERE u.plan_id = $1 ORDER BY u.n
