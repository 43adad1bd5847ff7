-- Rows of a table in memory end with the server's process, and no copy of its directory holds them: whoever finds
-- another id, or none, talks to a server that has started anew since.
CREATE TABLE IF NOT EXISTS ${t}life${on_cluster} (
    id UInt64 COMMENT 'drawn by whoever asks first after a start; the least counts'
) ENGINE = Memory
COMMENT 'Which life of the server this is, from one start to its end';
