-- Each person's usage in each window, from the newest rows of account_totals: as fresh as publishing is.
-- Everything up to as_of is in it. An account that no person owns stands under its own hash.
CREATE OR REPLACE VIEW ${t}live_totals${on_cluster} AS
SELECT
    person,
    span AS window,
    input + cache_read + cache_write_5m + cache_write_1h + output + reasoning AS tokens,
    sum(toInt128(u.input)) AS input,
    sum(toInt128(u.cache_read)) AS cache_read,
    sum(toInt128(u.cache_write_5m)) AS cache_write_5m,
    sum(toInt128(u.cache_write_1h)) AS cache_write_1h,
    sum(toInt128(u.output)) AS output,
    sum(toInt128(u.reasoning)) AS reasoning,
    sum(toInt128(u.requests)) AS requests,
    sum(toInt128(u.unpriced)) AS unpriced,
    sum(u.cost) AS cost,
    assumeNotNull((SELECT min(clock) FROM ${t}progress_now)) AS as_of
FROM (
    SELECT
        if(p.person = toFixedString('', 16), a.account, p.person) AS person,
        ['24h', '7d', '30d', 'lifetime'] AS spans,
        [a.newest.1, a.newest.2, a.newest.3, a.newest.4] AS usages
    FROM (
        SELECT account, argMax((h24, d7, d30, lifetime), version) AS newest
        FROM ${t}account_totals
        GROUP BY account, model, tool, view, service_tier, region, unsplit
    ) AS a
    LEFT JOIN (SELECT account, argMax(person, valid_from) AS person FROM ${t}people_now GROUP BY account) AS p
        ON a.account = p.account
)
ARRAY JOIN spans AS span, usages AS u
GROUP BY person, span
