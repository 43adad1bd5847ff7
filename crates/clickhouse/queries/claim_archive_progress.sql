-- Progress of the archive, in this life of the server alone: what it speaks of was written in the same one.
INSERT INTO ${t}archive_progress (partition, version, log_time)
SELECT p.1, p.2, fromUnixTimestamp64Milli(p.3, 'UTC')
FROM (SELECT arrayJoin({rows: Array(Tuple(UInt16, UInt64, Int64))}) AS p)
WHERE throwIf((SELECT min(l.id) FROM ${t}life AS l) != {life: UInt64}, 'this server has started anew') = 0
