-- The dead letters, each once.
CREATE VIEW IF NOT EXISTS dead_letters {{on_cluster}} AS
SELECT * EXCEPT (version, kept_from)
FROM dead_letters_log FINAL
SETTINGS do_not_merge_across_partitions_select_final = 0
