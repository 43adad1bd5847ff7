-- Everyone's rank on each board of a snapshot: by tokens over each window, then by list cost.
SELECT
    person,
    [rank_tokens_24h, rank_tokens_7d, rank_tokens_30d, rank_tokens_lifetime,
        rank_cost_24h, rank_cost_7d, rank_cost_30d, rank_cost_lifetime] AS ranks
FROM ${t}rankings
WHERE snapshot = {snapshot: UInt64} AND people_version = {people_version: UInt64}
LIMIT 1 BY person
