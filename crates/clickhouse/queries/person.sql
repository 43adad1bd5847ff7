-- One person's row of a snapshot.
SELECT ${fields}
FROM ${t}rankings
WHERE snapshot = {snapshot: UInt64} AND people_version = {people_version: UInt64}
    AND person = toFixedString(unhex({person: String}), 16)
LIMIT 1
