-- Rows of snapshots that never got their marker row: all are newer than the newest that did.
SELECT sum(rows) AS unfinished
FROM (
    SELECT count() AS rows FROM ${t}rankings WHERE (snapshot, people_version) > (${number}, ${people_version})
    UNION ALL
    SELECT count() AS rows FROM ${t}user_totals WHERE version > ${number}
)
