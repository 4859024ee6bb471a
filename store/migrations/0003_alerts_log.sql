-- Every delivery of every finding. Few rows, looked up by id: the sorting key is
-- the identity alone, since a replay with late events may move a window's bounds.
CREATE TABLE IF NOT EXISTS alerts_log {{on_cluster}}
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
ENGINE = {{engine "alerts_log" "version"}}
PARTITION BY toYYYYMM(kept_from)
ORDER BY (tenant, id)
TTL kept_from + toIntervalDay({{alert_ttl_days}})
SETTINGS ttl_only_drop_parts = 1, {{insert_settings}}
