-- The newest complete snapshot; no row before the first.
SELECT snapshot, people_version, policy_version, as_of, people, earlier, vector FROM ${t}snapshot_newest
