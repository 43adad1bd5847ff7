-- How far each partition is acknowledged.
SELECT partition, version, clock, log_time FROM ${t}progress_now ORDER BY partition
