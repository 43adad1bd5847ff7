-- How many records could not become events, by reason.
SELECT toString(reason) AS reason, count() AS records
FROM (SELECT any(r.reason) AS reason FROM ${t}rejects AS r GROUP BY incarnation, partition, offset)
GROUP BY reason
ORDER BY records DESC, reason
