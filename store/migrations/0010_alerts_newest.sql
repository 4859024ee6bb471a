-- The alerts, each once, as the newest revision has it. The newest is looked for
-- among all rows, whatever is asked of the view, so that no condition finds an
-- older one.
CREATE OR REPLACE VIEW alerts {{on_cluster}} AS
SELECT * EXCEPT (version, kept_from)
FROM alerts_log FINAL
WHERE (tenant, id, revision) IN (SELECT tenant, id, max(revision) FROM alerts_log GROUP BY tenant, id)
SETTINGS do_not_merge_across_partitions_select_final = 0
