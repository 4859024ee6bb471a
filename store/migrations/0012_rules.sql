-- The versions of rules, each once.
CREATE VIEW IF NOT EXISTS rules {{on_cluster}} AS
SELECT * EXCEPT (version)
FROM rules_log FINAL
