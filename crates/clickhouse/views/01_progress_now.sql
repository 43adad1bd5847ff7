-- How far each partition is acknowledged, one row a partition.
CREATE OR REPLACE VIEW ${t}progress_now${on_cluster} AS
SELECT
    partition,
    max(p.version) AS version,
    argMax(p.clock, p.version) AS clock,
    argMax(p.log_time, p.version) AS log_time
FROM ${t}progress AS p
GROUP BY partition
