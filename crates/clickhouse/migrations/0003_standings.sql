-- What the ranker writes. A snapshot is readable once its marker row stands in snapshots.
-- Snapshots are kept by partition: all of the last hours, one an hour for days, one a day for a year.

CREATE TABLE IF NOT EXISTS ${t}people${on_cluster} (
    account FixedString(16) COMMENT 'account that the person owns',
    valid_from DateTime('UTC') COMMENT 'first hour in which the person owns the account',
    valid_to DateTime('UTC') COMMENT 'hour at which that ends; 2106-01-01 = open',
    person FixedString(16) COMMENT 'person; show it with lower(hex(person))',
    source LowCardinality(String) COMMENT 'tool or integration that speaks for the subject',
    subject String COMMENT 'whom it speaks for, verbatim; empty when erased',
    name String COMMENT 'name for display; empty when unknown or erased',
    email String COMMENT 'e-mail; empty when unknown or erased',
    team LowCardinality(String) COMMENT 'team; empty until an org is loaded',
    erased UInt8 COMMENT '1 = the person is forgotten: names are empty',
    version UInt64 COMMENT 'next offset in the identities topic'
) ENGINE = ${replacing}(version)
ORDER BY (account, valid_from)
COMMENT 'Accounts and the people who own them; the only table with names. Key: account, valid_from';

CREATE TABLE IF NOT EXISTS ${t}user_totals${on_cluster} (
    person FixedString(16) COMMENT 'person',
    window ${window} COMMENT 'span of the totals',
    tokens Int128 COMMENT 'all tokens: the sum of the six classes',
    input Int128 COMMENT 'uncached input tokens',
    cache_read Int128 COMMENT 'input tokens read from a cache',
    cache_write_5m Int128 COMMENT 'input tokens written to a cache for five minutes or an unknown life',
    cache_write_1h Int128 COMMENT 'input tokens written to a cache for an hour',
    output Int128 COMMENT 'output tokens',
    reasoning Int128 COMMENT 'reasoning tokens',
    requests Int128 COMMENT 'calls of a model',
    unpriced Int128 COMMENT 'tokens without a price',
    cost Decimal(38, 9) COMMENT 'list cost in US dollars',
    as_of DateTime('UTC') COMMENT 'minute that the totals are true for',
    version UInt64 COMMENT 'number of the snapshot'
) ENGINE = ${replacing}(version)
ORDER BY (person, window)
COMMENT 'Usage of one person in one window, as of the newest snapshot. Key: person, window';

CREATE TABLE IF NOT EXISTS ${t}rankings${on_cluster} (
    snapshot UInt64 COMMENT 'number of the snapshot: incarnation and sum of next offsets',
    people_version UInt64 COMMENT 'version of the mapping of accounts to people that it was made with',
    keep ${keep} COMMENT 'how long the snapshot is kept',
    as_of DateTime('UTC') COMMENT 'least clock of the partitions: the minute that the ranks are true for',
    person FixedString(16) COMMENT 'person',
    ${standing:24h},
    ${standing:7d},
    ${standing:30d},
    ${standing:lifetime},
    tier LowCardinality(String) COMMENT 'percentile band of the 30-day token board; empty = none',
    titles Array(LowCardinality(String)) COMMENT 'titles held'
) ENGINE = ${replacing}
PARTITION BY (keep, multiIf(keep = 'all', toStartOfHour(as_of), keep = 'hourly', toDateTime(toStartOfDay(as_of), 'UTC'), toDateTime(toStartOfMonth(as_of), 'UTC')))
ORDER BY (snapshot, people_version, person)
COMMENT 'One row per person and snapshot. Read the newest complete one through leaderboard';

CREATE TABLE IF NOT EXISTS ${t}snapshots${on_cluster} (
    snapshot UInt64 COMMENT 'number of the snapshot: incarnation and sum of next offsets',
    people_version UInt64 COMMENT 'version of the mapping of accounts to people',
    policy_version UInt64 COMMENT 'version of the policies; 0 = none',
    keep ${keep} COMMENT 'how long the snapshot is kept',
    as_of DateTime('UTC') COMMENT 'least clock of the partitions',
    people UInt64 COMMENT 'how many people are ranked',
    earlier UInt64 COMMENT 'snapshot that movement is measured against; 0 = none',
    vector Array(Tuple(UInt16, UInt64)) COMMENT 'progress of every partition: (partition, version)'
) ENGINE = ${replacing}
PARTITION BY (keep, multiIf(keep = 'all', toStartOfHour(as_of), keep = 'hourly', toDateTime(toStartOfDay(as_of), 'UTC'), toDateTime(toStartOfMonth(as_of), 'UTC')))
ORDER BY (snapshot, people_version)
COMMENT 'Marker rows: a snapshot with a row here is complete. Key: snapshot, people_version';

CREATE TABLE IF NOT EXISTS ${t}awards${on_cluster} (
    person FixedString(16) COMMENT 'person',
    award LowCardinality(String) COMMENT 'title or milestone',
    season LowCardinality(String) COMMENT 'span that it is for; empty = for ever',
    held UInt8 COMMENT '1 = held; 0 = no longer',
    since DateTime('UTC') COMMENT 'as_of of the snapshot in which it was first held',
    policy_version UInt64 COMMENT 'version of the rules',
    version UInt64 COMMENT 'number of the snapshot'
) ENGINE = ${replacing}(version)
ORDER BY (person, award, season)
COMMENT 'Titles and milestones, recomputed from state. Key: person, award, season';

CREATE TABLE IF NOT EXISTS ${t}alerts${on_cluster} (
    scope LowCardinality(String) COMMENT 'what is watched: person, team, model …',
    scope_id String COMMENT 'which one',
    rule LowCardinality(String) COMMENT 'rule that was broken',
    period DateTime('UTC') COMMENT 'start of the period; one alert per rule and period',
    raised UInt8 COMMENT '1 = raised; 0 = cleared',
    value Decimal(38, 9) COMMENT 'measured value',
    bound Decimal(38, 9) COMMENT 'bound of the rule',
    detail String COMMENT 'one line for people',
    as_of DateTime('UTC') COMMENT 'minute that the value is true for',
    version UInt64 COMMENT 'number of the snapshot'
) ENGINE = ${replacing}(version)
ORDER BY (scope, scope_id, rule, period)
COMMENT 'Alerts. Key: scope, scope_id, rule, period';

CREATE TABLE IF NOT EXISTS ${t}prices${on_cluster} (
    number UInt32 COMMENT 'number of the price book',
    model LowCardinality(String) COMMENT 'model',
    service_tier LowCardinality(String) COMMENT 'service tier; empty = any other',
    context_tokens_min Int64 COMMENT 'for calls with at least so many input tokens',
    valid_from Date COMMENT 'UTC day from whose start it is valid',
    input Nullable(Decimal(18, 9)) COMMENT 'US dollars per million tokens; NULL = unpriced',
    cache_read Nullable(Decimal(18, 9)) COMMENT 'as input',
    cache_write_5m Nullable(Decimal(18, 9)) COMMENT 'as input',
    cache_write_1h Nullable(Decimal(18, 9)) COMMENT 'as input',
    output Nullable(Decimal(18, 9)) COMMENT 'as input',
    reasoning Nullable(Decimal(18, 9)) COMMENT 'as input'
) ENGINE = ${replacing}
ORDER BY (number, model, service_tier, context_tokens_min, valid_from)
COMMENT 'Price books. Key: number, model, service_tier, context_tokens_min, valid_from';
