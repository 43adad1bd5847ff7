-- Fails in any other life of the server.
SELECT throwIf((SELECT min(l.id) FROM ${t}life AS l) != {life: UInt64}, 'this server has started anew') AS is_other
