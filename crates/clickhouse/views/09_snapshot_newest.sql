-- The newest complete snapshot: the marker row is written last.
CREATE OR REPLACE VIEW ${t}snapshot_newest${on_cluster} AS
SELECT snapshot, people_version, policy_version, as_of, people, earlier, vector
FROM ${t}snapshots
ORDER BY snapshot DESC, people_version DESC
LIMIT 1
