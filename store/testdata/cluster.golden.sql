-- 0000_schema_journal.sql
-- Which migrations were applied, with the checksum of the file as it was. This
-- one statement runs at every start, before the journal can be read.
CREATE TABLE IF NOT EXISTS schema_journal ON CLUSTER '{cluster}'
(
    version    UInt32,
    name       String,
    checksum   String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/crmwatch/schema_journal', '{replica}', applied_at)
ORDER BY version
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800

-- 0001_events_log.sql
-- Every delivery of every event. The sorting key holds only what is the same
-- for all deliveries of one event; version lets the last written one win.
CREATE TABLE IF NOT EXISTS events_log ON CLUSTER '{cluster}'
(
    id               String CODEC(ZSTD(1)),
    time             DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    collected        DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    tenant           LowCardinality(String),
    source           LowCardinality(String),
    type             LowCardinality(String),
    action           LowCardinality(String),
    actor_id         String CODEC(ZSTD(1)),
    actor_name       String CODEC(ZSTD(1)),
    actor_email      String CODEC(ZSTD(1)),
    actor_person     String CODEC(ZSTD(1)),
    actor_type       LowCardinality(String),
    actor_role       LowCardinality(String),
    actor_department LowCardinality(String),
    object_type      LowCardinality(String),
    object_id        String CODEC(ZSTD(1)),
    object_name      String CODEC(ZSTD(1)),
    rows             Int64 CODEC(T64, ZSTD(1)),
    bytes            Int64 CODEC(T64, ZSTD(1)),
    src_ip           String CODEC(ZSTD(1)),
    country          LowCardinality(String),
    user_agent       String CODEC(ZSTD(1)),
    device_id        String CODEC(ZSTD(1)),
    app              LowCardinality(String),
    session          String CODEC(ZSTD(1)),
    outcome          LowCardinality(String),
    reason           LowCardinality(String),
    raw              String CODEC(ZSTD(3)),
    kafka_partition  Int32 CODEC(ZSTD(1)),
    kafka_offset     Int64 CODEC(DoubleDelta, ZSTD(1)),
    version          UInt64 CODEC(DoubleDelta, ZSTD(1)),
    kept_from        Date CODEC(ZSTD(1)),

    INDEX by_id id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_person actor_person TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_object object_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_src_ip src_ip TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_session session TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/crmwatch/events_log', '{replica}', version)
PARTITION BY toYYYYMM(kept_from)
PRIMARY KEY (tenant, toDate(time), source, actor_id)
ORDER BY (tenant, toDate(time), source, actor_id, time, id)
TTL kept_from + toIntervalDay(400)
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800

-- 0002_events.sql
-- The events, each once, whatever was delivered how often and in which month.
CREATE VIEW IF NOT EXISTS events ON CLUSTER '{cluster}' AS
SELECT * EXCEPT (version, kept_from)
FROM events_log FINAL
SETTINGS do_not_merge_across_partitions_select_final = 0

-- 0003_alerts_log.sql
-- Every delivery of every finding. Few rows, looked up by id: the sorting key is
-- the identity alone, since a replay with late events may move a window's bounds.
CREATE TABLE IF NOT EXISTS alerts_log ON CLUSTER '{cluster}'
(
    id               String,
    tenant           LowCardinality(String),
    rule_id          LowCardinality(String),
    rule_version     LowCardinality(String),
    rule_name        LowCardinality(String),
    rule_title       LowCardinality(String),
    level            LowCardinality(String),
    response         LowCardinality(String),
    subject          String,
    person           String,
    subject_name     String,
    email            String,
    department       LowCardinality(String),
    employment       LowCardinality(String),
    start            DateTime64(3, 'UTC'),
    end              DateTime64(3, 'UTC'),
    detected         DateTime64(3, 'UTC'),
    events           Int64,
    rows             Int64,
    bytes            Int64,
    measured         Int64,
    threshold        Int64,
    unit             LowCardinality(String),
    action           LowCardinality(String),
    sources          Array(LowCardinality(String)),
    object_types     Array(LowCardinality(String)),
    ips              Array(String),
    countries        Array(LowCardinality(String)),
    user_agents      Array(String),
    apps             Array(String),
    event_ids        Array(String),
    reasons          Array(String),
    ocsf             String CODEC(ZSTD(3)),
    kafka_partition  Int32,
    kafka_offset     Int64,
    version          UInt64,
    kept_from        Date,

    INDEX by_detected detected TYPE minmax GRANULARITY 1,
    INDEX by_subject subject TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/crmwatch/alerts_log', '{replica}', version)
PARTITION BY toYYYYMM(kept_from)
ORDER BY (tenant, id)
TTL kept_from + toIntervalDay(1095)
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800

-- 0004_alerts.sql
-- The alerts, each once.
CREATE VIEW IF NOT EXISTS alerts ON CLUSTER '{cluster}' AS
SELECT * EXCEPT (version, kept_from)
FROM alerts_log FINAL
SETTINGS do_not_merge_across_partitions_select_final = 0

-- 0005_roster_log.sql
-- Every state of every person. No TTL: a person who has not changed for years is
-- still a person. A deletion is a row with deleted = 1 and nothing but its key.
CREATE TABLE IF NOT EXISTS roster_log ON CLUSTER '{cluster}'
(
    id               String,
    tenant           LowCardinality(String),
    name             String,
    email            String,
    department       LowCardinality(String),
    role             LowCardinality(String),
    manager          String,
    time_zone        LowCardinality(String),
    work_days        UInt8 COMMENT 'bit 1<<weekday, Sunday is 0',
    work_from        Int32 COMMENT 'minutes after local midnight',
    work_to          Int32 COMMENT 'minutes after local midnight',
    first_day        Int32 COMMENT 'as 20260131, 0 where not set',
    last_day         Int32 COMMENT 'as 20260131, 0 where not set',
    account_sources  Array(LowCardinality(String)),
    account_ids      Array(String),
    account_active   Array(DateTime64(3, 'UTC')) COMMENT '1970-01-01 where the CRM does not say',
    deleted          UInt8,
    kafka_partition  Int32,
    kafka_offset     Int64,
    version          UInt64
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/crmwatch/roster_log', '{replica}', version)
ORDER BY (tenant, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800

-- 0006_roster.sql
-- The people as they are now.
CREATE VIEW IF NOT EXISTS roster ON CLUSTER '{cluster}' AS
SELECT * EXCEPT (version, deleted)
FROM roster_log FINAL
WHERE NOT deleted

-- 0007_dead_letters_log.sql
-- Every delivery of every record that could not be processed.
CREATE TABLE IF NOT EXISTS dead_letters_log ON CLUSTER '{cluster}'
(
    id               String,
    time             DateTime64(3, 'UTC'),
    tenant           LowCardinality(String),
    stage            LowCardinality(String),
    origin           String,
    line             Int64,
    field            String,
    reason           LowCardinality(String),
    detail           String,
    size             Int64,
    record           String CODEC(ZSTD(3)),
    kafka_partition  Int32,
    kafka_offset     Int64,
    version          UInt64,
    kept_from        Date,

    INDEX by_time time TYPE minmax GRANULARITY 1
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/crmwatch/dead_letters_log', '{replica}', version)
PARTITION BY toYYYYMM(kept_from)
ORDER BY (tenant, stage, id)
TTL kept_from + toIntervalDay(400)
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800

-- 0008_dead_letters.sql
-- The dead letters, each once.
CREATE VIEW IF NOT EXISTS dead_letters ON CLUSTER '{cluster}' AS
SELECT * EXCEPT (version, kept_from)
FROM dead_letters_log FINAL
SETTINGS do_not_merge_across_partitions_select_final = 0

-- 0009_alert_revisions.sql
-- Findings are amended: every revision is kept, each once. The column joins the
-- sorting key, which only a column can that the same statement adds and that has
-- no default of its own; rows from before are the first revision.
ALTER TABLE alerts_log ON CLUSTER '{cluster}'
    ADD COLUMN IF NOT EXISTS revision UInt32,
    ADD COLUMN IF NOT EXISTS state LowCardinality(String) DEFAULT 'open',
    ADD COLUMN IF NOT EXISTS replaces Array(String),
    ADD COLUMN IF NOT EXISTS replaced_by String,
    ADD COLUMN IF NOT EXISTS uncertainty Float64,
    MODIFY ORDER BY (tenant, id, revision)

-- 0010_alerts_newest.sql
-- The alerts, each once, as the newest revision has it. The newest is looked for
-- among all rows, whatever is asked of the view, so that no condition finds an
-- older one.
CREATE OR REPLACE VIEW alerts ON CLUSTER '{cluster}' AS
SELECT * EXCEPT (version, kept_from)
FROM alerts_log FINAL
WHERE (tenant, id, revision) IN (SELECT tenant, id, max(revision) FROM alerts_log GROUP BY tenant, id)
SETTINGS do_not_merge_across_partitions_select_final = 0

-- 0011_rules_log.sql
-- Every version that every rule has had, with the texts that it follows from. No
-- TTL: an alert is kept for years, and names the version that made it.
CREATE TABLE IF NOT EXISTS rules_log ON CLUSTER '{cluster}'
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/crmwatch/rules_log', '{replica}', version)
ORDER BY (id, rule_version, text)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 1000, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800

-- 0012_rules.sql
-- The versions of rules, each once.
CREATE VIEW IF NOT EXISTS rules ON CLUSTER '{cluster}' AS
SELECT * EXCEPT (version)
FROM rules_log FINAL

