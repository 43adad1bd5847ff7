-- How much could not become an event, by reason.
SELECT toString(r.reason) AS reason, count() AS records
FROM ${t}rejects AS r FINAL
GROUP BY reason
ORDER BY records DESC, reason
