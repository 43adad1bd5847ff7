-- Who some accounts are, as they claimed it last.
SELECT account, argMax(source, valid_from) AS source, argMax(subject, valid_from) AS subject
FROM ${t}people_now
WHERE account IN (SELECT toFixedString(unhex(arrayJoin({accounts: Array(String)})), 16))
GROUP BY account
ORDER BY account
