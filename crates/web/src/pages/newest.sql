-- The newest complete snapshot; no row before the first.
SELECT snapshot, people_version, toInt64(toUnixTimestamp(as_of)) * 1000 AS as_of_ms, people FROM ${t}snapshot_newest
