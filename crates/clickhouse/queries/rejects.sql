-- The newest records that could not become events.
SELECT incarnation, partition, offset, any(r.appended_at) AS appended_at, toString(any(r.reason)) AS reason,
    any(r.detail) AS detail, any(r.record_key) AS record_key, any(r.body) AS body
FROM ${t}rejects AS r
GROUP BY incarnation, partition, offset
ORDER BY appended_at DESC, partition, offset DESC
LIMIT {limit: UInt32}
