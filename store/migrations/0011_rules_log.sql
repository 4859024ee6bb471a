-- Every version that every rule has had, with the texts that it follows from. No
-- TTL: an alert is kept for years, and names the version that made it.
CREATE TABLE IF NOT EXISTS rules_log {{on_cluster}}
(
    id               String,
    rule_version     String COMMENT 'what alerts carry',
    text             String COMMENT 'hash of the texts: title, level and comments do not change rule_version',
    name             LowCardinality(String),
    title            String,
    level            LowCardinality(String),
    first_seen       DateTime64(3, 'UTC'),
    last_seen        DateTime64(3, 'UTC'),
    source_files     Array(String),
    source_lines     Array(Int32),
    source_texts     Array(String) CODEC(ZSTD(3)),
    source_left      Array(Int64) COMMENT 'bytes of a text that was too long to be kept',
    kafka_partition  Int32,
    kafka_offset     Int64,
    version          UInt64
)
ENGINE = {{engine "rules_log" "version"}}
ORDER BY (id, rule_version, text)
SETTINGS {{insert_settings}}
