-- Every state of every person. No TTL: a person who has not changed for years is
-- still a person. A deletion is a row with deleted = 1 and nothing but its key.
CREATE TABLE IF NOT EXISTS roster_log {{on_cluster}}
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
ENGINE = {{engine "roster_log" "version"}}
ORDER BY (tenant, id)
SETTINGS {{insert_settings}}
