-- Replaces a sealed secret by the same secret under another master key; nothing else changes.
-- $1 public id, $2 sealed secret.
UPDATE subscription SET secret = $2 WHERE uid = $1
