-- The people as they are now.
CREATE VIEW IF NOT EXISTS roster {{on_cluster}} AS
SELECT * EXCEPT (version, deleted)
FROM roster_log FINAL
WHERE NOT deleted
