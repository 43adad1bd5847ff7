-- The newest of what could not become an event.
SELECT topic, incarnation, partition, offset, appended_at, toString(reason) AS reason, detail, record_key, body
FROM ${t}rejects FINAL
ORDER BY appended_at DESC, topic, partition, offset DESC
LIMIT {limit: UInt32}
