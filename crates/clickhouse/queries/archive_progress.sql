-- How far the archive of each partition is contiguous.
SELECT partition, max(a.version) AS version, argMax(a.log_time, a.version) AS log_time
FROM ${t}archive_progress AS a
GROUP BY partition
ORDER BY partition
