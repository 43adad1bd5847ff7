-- The partitions in which snapshots are kept, each with the newest minute in it.
SELECT id, any(kept) AS keep, max(minute) AS newest
FROM (
    SELECT _partition_id AS id, keep AS kept, as_of AS minute FROM ${t}snapshots
    UNION ALL
    SELECT _partition_id AS id, any(keep) AS kept, max(as_of) AS minute FROM ${t}rankings GROUP BY id
)
GROUP BY id
ORDER BY id
