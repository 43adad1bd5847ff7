-- The present life of the server; 0 while nobody has begun it.
SELECT min(l.id) AS id FROM ${t}life AS l
