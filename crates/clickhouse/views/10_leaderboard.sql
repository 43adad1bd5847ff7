-- The newest complete snapshot, one row per person and window. Filter by window; page by place_tokens or place_cost.
CREATE OR REPLACE VIEW ${t}leaderboard${on_cluster} AS
SELECT
    r.span AS window,
    r.as_of AS as_of,
    r.snapshot AS snapshot,
    r.person AS person,
    n.name AS name,
    n.team AS team,
    r.standing.tokens AS tokens,
    r.standing.cache_read AS cache_read,
    if(r.standing.tokens > 0, toFloat64(r.standing.cache_read) / toFloat64(r.standing.tokens), 0) AS cache_read_share,
    r.standing.requests AS requests,
    r.standing.unpriced AS unpriced,
    r.standing.cost AS cost,
    r.standing.rank_tokens AS rank_tokens,
    r.standing.place_tokens AS place_tokens,
    r.standing.climbed_tokens AS climbed_tokens,
    r.standing.rank_cost AS rank_cost,
    r.standing.place_cost AS place_cost,
    r.standing.climbed_cost AS climbed_cost,
    r.tier AS tier,
    r.titles AS titles
FROM (
    SELECT
        '24h' AS span, snapshot, as_of, person, tier, titles, h24 AS standing
    FROM ${t}rankings
    WHERE (snapshot, people_version) IN (SELECT snapshot, people_version FROM ${t}snapshot_newest)
    LIMIT 1 BY person
    UNION ALL
    SELECT
        '7d' AS span, snapshot, as_of, person, tier, titles, d7 AS standing
    FROM ${t}rankings
    WHERE (snapshot, people_version) IN (SELECT snapshot, people_version FROM ${t}snapshot_newest)
    LIMIT 1 BY person
    UNION ALL
    SELECT
        '30d' AS span, snapshot, as_of, person, tier, titles, d30 AS standing
    FROM ${t}rankings
    WHERE (snapshot, people_version) IN (SELECT snapshot, people_version FROM ${t}snapshot_newest)
    LIMIT 1 BY person
    UNION ALL
    SELECT
        'lifetime' AS span, snapshot, as_of, person, tier, titles, lifetime AS standing
    FROM ${t}rankings
    WHERE (snapshot, people_version) IN (SELECT snapshot, people_version FROM ${t}snapshot_newest)
    LIMIT 1 BY person
) AS r
LEFT JOIN (
    SELECT person, argMax(name, (name != '', valid_from)) AS name, argMax(team, valid_from) AS team
    FROM ${t}people_now
    GROUP BY person
) AS n ON r.person = n.person
