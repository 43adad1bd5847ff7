-- Each person's usage in each window, from the newest rows of account_totals: as fresh as publishing is.
-- Everything up to as_of is in it. An account that no person owns stands under its own hash.
CREATE OR REPLACE VIEW ${t}live_totals${on_cluster} AS
SELECT
    person,
    span AS window,
    input + cache_read + cache_write_5m + cache_write_1h + output + reasoning AS tokens,
    sum(toInt128(u.1)) AS input,
    sum(toInt128(u.2)) AS cache_read,
    sum(toInt128(u.3)) AS cache_write_5m,
    sum(toInt128(u.4)) AS cache_write_1h,
    sum(toInt128(u.5)) AS output,
    sum(toInt128(u.6)) AS reasoning,
    sum(toInt128(u.7)) AS requests,
    sum(toInt128(u.8)) AS unpriced,
    sum(u.9) AS cost,
    assumeNotNull((SELECT min(clock) FROM ${t}progress_now)) AS as_of
FROM (
    SELECT
        if(p.person = toFixedString('', 16), a.account, p.person) AS person,
        ['24h', '7d', '30d', 'lifetime'] AS spans,
        [a.newest.1, a.newest.2, a.newest.3, a.newest.4] AS usages
    FROM (
        SELECT account, argMax(((${lanes:24h}), (${lanes:7d}), (${lanes:30d}), (${lanes:lifetime})), version) AS newest
        FROM ${t}account_totals
        GROUP BY account, model, tool, view, service_tier, region, unsplit
    ) AS a
    LEFT JOIN (SELECT account, argMax(person, valid_from) AS person FROM ${t}people_now GROUP BY account) AS p
        ON a.account = p.account
)
ARRAY JOIN spans AS span, usages AS u
GROUP BY person, span
