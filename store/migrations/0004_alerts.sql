-- The alerts, each once.
CREATE VIEW IF NOT EXISTS alerts {{on_cluster}} AS
SELECT * EXCEPT (version, kept_from)
FROM alerts_log FINAL
SETTINGS do_not_merge_across_partitions_select_final = 0
