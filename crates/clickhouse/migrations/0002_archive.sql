-- What the audit writes, independently of the aggregator: every record of the log, and how far it is contiguous.

CREATE TABLE IF NOT EXISTS ${t}events${on_cluster} (
    incarnation UInt16 COMMENT 'number of the newest barrier before the record, itself included; 0 = none yet',
    partition UInt16 COMMENT 'partition of the log',
    offset UInt64 COMMENT 'place of the record in its partition',
    appended_at DateTime64(3, 'UTC') COMMENT 'when the log took the record',
    log_time DateTime64(3, 'UTC') COMMENT 'LogTime: greatest appended-at of the partition so far',
    entry Enum8('usage' = 0, 'prices' = 1, 'policy' = 2, 'heartbeat' = 3, 'barrier' = 4, 'unreadable' = 5) COMMENT 'what the record is',
    reason LowCardinality(String) COMMENT 'why it is not accepted; empty = accepted, or a control record',
    detail String COMMENT 'which field had which value, when not accepted',
    account FixedString(16) COMMENT 'keyed hash of the claimed (source, subject); zeros for control records',
    event_key FixedString(16) COMMENT 'hash of (account, event id): what is counted once',
    event_id String COMMENT 'id of the event within its account',
    minted UInt8 COMMENT '1 = the id names a producer, epoch and sequence',
    minted_producer FixedString(16) COMMENT 'producer that the id names',
    minted_epoch Int64 COMMENT 'epoch that the id names',
    minted_sequence Int64 COMMENT 'sequence that the id names',
    minted_at Nullable(DateTime64(3, 'UTC')) COMMENT 'mint time that the id itself carries',
    producer FixedString(16) COMMENT 'sender of this copy',
    epoch Int64 COMMENT 'start of that sender',
    sequence Int64 COMMENT 'dense from 1 per account and epoch; 0 = unnumbered',
    revision UInt32 COMMENT 'a later report of the same event has a higher one',
    kind Enum8('report' = 0, 'correction' = 1, 'retraction' = 2) COMMENT 'what the record wants',
    occurred_at DateTime64(3, 'UTC') COMMENT 'when it happened, by the clock of the producer',
    session Nullable(String) COMMENT 'session of the tool',
    request_id Nullable(String) COMMENT 'the id of the call that its provider gave; never identity',
    model LowCardinality(String) COMMENT 'model, as reported',
    tool LowCardinality(String) COMMENT 'tool',
    view ${view} COMMENT 'who reported it',
    service_tier LowCardinality(String) COMMENT 'service tier; empty = unsaid',
    region LowCardinality(String) COMMENT 'region; empty = unsaid',
    unsplit UInt8 COMMENT 'what the source cannot split: bits as in account_totals',
    client_version LowCardinality(String) COMMENT 'version of the tool',
    agent LowCardinality(String) COMMENT 'agent within the tool',
    input Int64 COMMENT 'uncached input tokens',
    cache_read Int64 COMMENT 'input tokens read from a cache',
    cache_write_5m Int64 COMMENT 'input tokens written to a cache for five minutes or an unknown life',
    cache_write_1h Int64 COMMENT 'input tokens written to a cache for an hour',
    output Int64 COMMENT 'output tokens',
    reasoning Int64 COMMENT 'reasoning tokens',
    requests Int64 COMMENT 'calls of a model',
    content_hash UInt64 COMMENT 'hash over what the report says, cost excepted',
    actor Nullable(String) COMMENT 'who corrects or retracts',
    motive Nullable(String) COMMENT 'why it is corrected or retracted',
    record_key String COMMENT 'key of the record, where it is not the account',
    body String COMMENT 'bytes of the record, for control and unreadable records'
) ENGINE = ${replacing}
PARTITION BY toYYYYMM(log_time)
ORDER BY (account, event_key, incarnation, partition, offset)
COMMENT 'Every record of the usage log. Key: incarnation, partition, offset; copies of one row are equal';

CREATE TABLE IF NOT EXISTS ${t}archive_progress${on_cluster} (
    partition UInt16 COMMENT 'partition of the log',
    version UInt64 COMMENT 'every record before this version (incarnation and next offset) is in events',
    log_time DateTime64(3, 'UTC') COMMENT 'LogTime at that version'
) ENGINE = ${replacing}(version)
ORDER BY partition
COMMENT 'How far events is contiguous. Key: partition';

CREATE TABLE IF NOT EXISTS ${t}rejects${on_cluster} (
    incarnation UInt16 COMMENT 'as in events',
    partition UInt16 COMMENT 'partition of the log',
    offset UInt64 COMMENT 'place of the record in its partition',
    appended_at DateTime64(3, 'UTC') COMMENT 'when the log took the record',
    reason LowCardinality(String) COMMENT 'why it could not become an event',
    detail String COMMENT 'which field had which value, and what it should be',
    record_key String COMMENT 'key of the record',
    body String COMMENT 'original bytes of the record'
) ENGINE = ${replacing}
ORDER BY (incarnation, partition, offset)
COMMENT 'Records of the log that could not become events. Key: incarnation, partition, offset';
