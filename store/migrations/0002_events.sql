-- The events, each once, whatever was delivered how often and in which month.
CREATE VIEW IF NOT EXISTS events {{on_cluster}} AS
SELECT * EXCEPT (version, kept_from)
FROM events_log FINAL
SETTINGS do_not_merge_across_partitions_select_final = 0
