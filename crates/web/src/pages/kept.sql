-- A snapshot by its number, as long as it is kept: its newest people.
SELECT snapshot, people_version, toInt64(toUnixTimestamp(as_of)) * 1000 AS as_of_ms, people
FROM ${t}snapshots
WHERE snapshot = {snapshot: UInt64}
ORDER BY people_version DESC
LIMIT 1
