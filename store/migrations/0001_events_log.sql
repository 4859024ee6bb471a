-- Every delivery of every event. The sorting key holds only what is the same
-- for all deliveries of one event; version lets the last written one win.
CREATE TABLE IF NOT EXISTS events_log {{on_cluster}}
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
ENGINE = {{engine "events_log" "version"}}
PARTITION BY toYYYYMM(kept_from)
PRIMARY KEY (tenant, toDate(time), source, actor_id)
ORDER BY (tenant, toDate(time), source, actor_id, time, id)
TTL kept_from + toIntervalDay({{ttl_days}})
SETTINGS ttl_only_drop_parts = 1, {{insert_settings}}
