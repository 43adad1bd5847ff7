-- What the fold publishes: absolute values, keyed and versioned. Writing a row twice, late or from a stale
-- writer changes nothing, because the highest version of a key stands.

CREATE TABLE IF NOT EXISTS ${t}account_totals${on_cluster} (
    partition UInt16 COMMENT 'partition of the log that the account lives in',
    account FixedString(16) COMMENT 'keyed hash of the claimed (source, subject); show it with lower(hex(account))',
    model LowCardinality(String) COMMENT 'model, as reported',
    tool LowCardinality(String) COMMENT 'tool: claude-code, codex …',
    view ${view} COMMENT 'who reported it',
    service_tier LowCardinality(String) COMMENT 'service tier; empty = unsaid',
    region LowCardinality(String) COMMENT 'region; empty = unsaid',
    unsplit UInt8 COMMENT 'what the source cannot split: 1 reasoning in output, 2 life of cache writes, 4 cache in input',
    ${usage:24h},
    ${usage:7d},
    ${usage:30d},
    ${usage:lifetime},
    version UInt64 COMMENT 'incarnation (16 bits) and next offset (48 bits) of the state this was read from'
) ENGINE = ${replacing}(version)
ORDER BY (account, model, tool, view, service_tier, region, unsplit)
COMMENT 'Usage of one account and dims in all four windows. Key: account, dims. Newest row: argMax by version';

CREATE TABLE IF NOT EXISTS ${t}usage_hourly${on_cluster} (
    partition UInt16 COMMENT 'partition of the log that the account lives in',
    account FixedString(16) COMMENT 'keyed hash of the claimed (source, subject)',
    hour DateTime('UTC') COMMENT 'start of the hour of event time',
    model LowCardinality(String) COMMENT 'model, as reported',
    tool LowCardinality(String) COMMENT 'tool: claude-code, codex …',
    view ${view} COMMENT 'who reported it',
    service_tier LowCardinality(String) COMMENT 'service tier; empty = unsaid',
    region LowCardinality(String) COMMENT 'region; empty = unsaid',
    unsplit UInt8 COMMENT 'what the source cannot split: bits as in account_totals',
    input Int64 COMMENT 'uncached input tokens',
    cache_read Int64 COMMENT 'input tokens read from a cache',
    cache_write_5m Int64 COMMENT 'input tokens written to a cache for five minutes or an unknown life',
    cache_write_1h Int64 COMMENT 'input tokens written to a cache for an hour',
    output Int64 COMMENT 'output tokens, reasoning excepted where the source splits it',
    reasoning Int64 COMMENT 'reasoning tokens',
    requests Int64 COMMENT 'calls of a model',
    unpriced Int64 COMMENT 'tokens among the above for which the price book in force had no price',
    cost Decimal(18, 9) COMMENT 'list cost in US dollars',
    version UInt64 COMMENT 'as in account_totals'
) ENGINE = ${replacing}(version)
PARTITION BY toYYYYMM(hour)
ORDER BY (account, hour, model, tool, view, service_tier, region, unsplit)
COMMENT 'Usage of one account and dims in one hour of event time. Key: account, hour, dims';

CREATE TABLE IF NOT EXISTS ${t}receipts${on_cluster} (
    partition UInt16 COMMENT 'partition of the log that the account lives in',
    account FixedString(16) COMMENT 'keyed hash of the claimed (source, subject)',
    producer FixedString(16) COMMENT 'sender of the copies',
    epoch Int64 COMMENT 'its run: one start of it',
    day Date32 COMMENT 'UTC day in which the events occurred',
    model LowCardinality(String) COMMENT 'model, as reported',
    tool LowCardinality(String) COMMENT 'tool',
    view ${view} COMMENT 'who reported it',
    service_tier LowCardinality(String) COMMENT 'service tier; empty = unsaid',
    region LowCardinality(String) COMMENT 'region; empty = unsaid',
    unsplit UInt8 COMMENT 'what the source cannot split: bits as in account_totals',
    read UInt64 COMMENT 'usage records read = fresh + revised + duplicate + rejected',
    fresh UInt64 COMMENT 'first report of an event',
    revised UInt64 COMMENT 'a later report that stands',
    duplicate UInt64 COMMENT 'a copy, or a report that does not stand',
    rejected UInt64 COMMENT 'not accepted',
    conflicts UInt64 COMMENT 'copies that claim the same revision with another content; not a verdict',
    input Int64 COMMENT 'what the run added to the totals: fresh usage and the signed differences of revisions',
    cache_read Int64 COMMENT 'as input',
    cache_write_5m Int64 COMMENT 'as input',
    cache_write_1h Int64 COMMENT 'as input',
    output Int64 COMMENT 'as input',
    reasoning Int64 COMMENT 'as input',
    requests Int64 COMMENT 'as input',
    unpriced Int64 COMMENT 'as input',
    cost Decimal(18, 9) COMMENT 'list cost in US dollars, as input',
    version UInt64 COMMENT 'as in account_totals'
) ENGINE = ${replacing}(version)
ORDER BY (account, producer, epoch, day, model, tool, view, service_tier, region, unsplit)
COMMENT 'What one run of a producer did to one account, by day and dims. Key: account, producer, epoch, day, dims';

CREATE TABLE IF NOT EXISTS ${t}producers${on_cluster} (
    partition UInt16 COMMENT 'partition of the log that the account lives in',
    account FixedString(16) COMMENT 'keyed hash of the claimed (source, subject)',
    producer FixedString(16) COMMENT 'sender',
    epoch Int64 COMMENT 'its run: one start of it',
    mark Int64 COMMENT 'highest sequence seen',
    gaps Int64 COMMENT 'sequences up to the mark that were never seen: a loss',
    last DateTime64(3, 'UTC') COMMENT 'LogTime of its last record',
    version UInt64 COMMENT 'as in account_totals'
) ENGINE = ${replacing}(version)
ORDER BY (account, producer, epoch)
COMMENT 'How far one run of a producer has been read. Key: account, producer, epoch';

CREATE TABLE IF NOT EXISTS ${t}sessions${on_cluster} (
    partition UInt16 COMMENT 'partition of the log that the account lives in',
    account FixedString(16) COMMENT 'keyed hash of the claimed (source, subject)',
    session UInt64 COMMENT 'hash of the name of the session; 0 = the events named none',
    first DateTime64(3, 'UTC') COMMENT 'earliest occurred-at of any accepted report',
    last DateTime64(3, 'UTC') COMMENT 'latest occurred-at of any accepted report',
    input Int64 COMMENT 'uncached input tokens',
    cache_read Int64 COMMENT 'input tokens read from a cache',
    cache_write_5m Int64 COMMENT 'input tokens written to a cache for five minutes or an unknown life',
    cache_write_1h Int64 COMMENT 'input tokens written to a cache for an hour',
    output Int64 COMMENT 'output tokens',
    reasoning Int64 COMMENT 'reasoning tokens',
    requests Int64 COMMENT 'calls of a model',
    unpriced Int64 COMMENT 'tokens without a price',
    cost Decimal(18, 9) COMMENT 'list cost in US dollars',
    version UInt64 COMMENT 'as in account_totals'
) ENGINE = ${replacing}(version)
ORDER BY (account, session)
COMMENT 'Span and usage of one session. Key: account, session';

CREATE TABLE IF NOT EXISTS ${t}progress${on_cluster} (
    partition UInt16 COMMENT 'partition of the log',
    version UInt64 COMMENT 'every change up to this version is acknowledged by ClickHouse',
    clock DateTime('UTC') COMMENT 'minute up to which windows have moved at that version',
    log_time DateTime64(3, 'UTC') COMMENT 'LogTime at that version'
) ENGINE = ${replacing}(version)
ORDER BY partition
COMMENT 'How far everything published is acknowledged. Key: partition';
