-- One person's row of a snapshot.
SELECT snapshot, people_version, keep, as_of, person, h24, d7, d30, lifetime, tier, titles
FROM ${t}rankings
WHERE snapshot = {snapshot: UInt64} AND people_version = {people_version: UInt64}
    AND person = toFixedString(unhex({person: String}), 16)
LIMIT 1
