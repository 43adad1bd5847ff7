-- The newest complete snapshot that is true for the given minute or an earlier one.
SELECT snapshot, people_version, policy_version, as_of, people, earlier, vector
FROM ${t}snapshots
WHERE as_of <= toDateTime({as_of: UInt32}, 'UTC')
ORDER BY snapshot DESC, people_version DESC
LIMIT 1
