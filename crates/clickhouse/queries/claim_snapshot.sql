-- Markers of snapshots, in this life of the server alone: the rows that they speak of were written in the same one.
INSERT INTO ${t}snapshots (snapshot, people_version, policy_version, keep, as_of, people, earlier, vector)
SELECT s.1, s.2, s.3, s.4, toDateTime(s.5, 'UTC'), s.6, s.7, s.8
FROM (SELECT arrayJoin({rows: Array(Tuple(UInt64, UInt64, UInt64, String, UInt32, UInt64, UInt64, Array(Tuple(UInt16, UInt64))))}) AS s)
WHERE throwIf((SELECT min(l.id) FROM ${t}life AS l) != {life: UInt64}, 'this server has started anew') = 0
