-- Rejects of the topic rejects stand beside those of the usage log, each once by its record key. Both tables can be
-- made anew at any time: from events, and from the log.
DROP TABLE IF EXISTS ${t}rejects${on_cluster} SYNC;

DROP TABLE IF EXISTS ${t}rejects_progress${on_cluster} SYNC;

CREATE TABLE IF NOT EXISTS ${t}rejects${on_cluster} (
    topic Enum8('usage' = 0, 'rejects' = 1) COMMENT 'where it lies: usage = a record of the usage log; rejects = it never got there: a sender or the collector kept it in the topic rejects',
    incarnation UInt16 COMMENT 'as in events; 0 = not said: it lies in the topic rejects, or only the fold refused it',
    partition UInt16 COMMENT 'partition of the topic',
    offset UInt64 COMMENT 'place of the record in its partition',
    appended_at DateTime64(3, 'UTC') COMMENT 'when the log took the record',
    reason LowCardinality(String) COMMENT 'why it could not become an event',
    detail String COMMENT 'which field had which value, and what it should be',
    record_key String COMMENT 'key of the record; in the topic rejects it names what was refused: source and position',
    body String COMMENT 'original bytes of the record'
) ENGINE = ${replacing}(offset)
ORDER BY (topic, incarnation, partition, if(topic = 'usage', offset, 0), record_key)
COMMENT 'What could not become an event. Key: topic, incarnation, partition and offset; in the topic rejects record_key in place of offset: what is kept again is listed once';

CREATE TABLE IF NOT EXISTS ${t}rejects_progress${on_cluster} (
    partition UInt16 COMMENT 'partition of the topic rejects',
    next UInt64 COMMENT 'every record before this offset is in rejects'
) ENGINE = ${replacing}(next)
ORDER BY partition
COMMENT 'How far the topic rejects is archived. Key: partition';

INSERT INTO ${t}rejects
SELECT 'usage', incarnation, partition, offset, appended_at, reason, detail, record_key, body
FROM ${t}events WHERE reason != '';
