-- Begins the present life, unless somebody has.
INSERT INTO ${t}life SELECT greatest(rand64(), 1) WHERE (SELECT count() FROM ${t}life) = 0
