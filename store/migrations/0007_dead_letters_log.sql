-- Every delivery of every record that could not be processed.
CREATE TABLE IF NOT EXISTS dead_letters_log {{on_cluster}}
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
ENGINE = {{engine "dead_letters_log" "version"}}
PARTITION BY toYYYYMM(kept_from)
ORDER BY (tenant, stage, id)
TTL kept_from + toIntervalDay({{ttl_days}})
SETTINGS ttl_only_drop_parts = 1, {{insert_settings}}
