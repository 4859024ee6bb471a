-- Findings are amended: every revision is kept, each once. The column joins the
-- sorting key, which only a column can that the same statement adds and that has
-- no default of its own; rows from before are the first revision.
ALTER TABLE alerts_log {{on_cluster}}
    ADD COLUMN IF NOT EXISTS revision UInt32,
    ADD COLUMN IF NOT EXISTS state LowCardinality(String) DEFAULT 'open',
    ADD COLUMN IF NOT EXISTS replaces Array(String),
    ADD COLUMN IF NOT EXISTS replaced_by String,
    ADD COLUMN IF NOT EXISTS uncertainty Float64,
    MODIFY ORDER BY (tenant, id, revision)
