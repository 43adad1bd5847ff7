-- How far each partition of the topic rejects is archived.
SELECT partition, max(p.next) AS next
FROM ${t}rejects_progress AS p
GROUP BY partition
ORDER BY partition
