-- Progress of the list of rejects, in this life of the server alone: what it speaks of was written in the same one.
INSERT INTO ${t}rejects_progress (partition, next)
SELECT p.1, p.2
FROM (SELECT arrayJoin({rows: Array(Tuple(UInt16, UInt64))}) AS p)
WHERE throwIf((SELECT min(l.id) FROM ${t}life AS l) != {life: UInt64}, 'this server has started anew') = 0
