-- Which migrations were applied, with the checksum of the file as it was. This
-- one statement runs at every start, before the journal can be read.
CREATE TABLE IF NOT EXISTS schema_journal {{on_cluster}}
(
    version    UInt32,
    name       String,
    checksum   String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = {{engine "schema_journal" "applied_at"}}
ORDER BY version
SETTINGS {{insert_settings}}
