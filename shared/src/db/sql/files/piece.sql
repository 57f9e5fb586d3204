-- A piece of a file. $1 internal id, $2 bytes before it, $3 bytes at most.
SELECT substring(bytes FROM $2::integer + 1 FOR $3::integer) AS piece FROM file WHERE id = $1
