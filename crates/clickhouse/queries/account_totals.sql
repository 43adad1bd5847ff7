-- The newest version of every account total.
SELECT
    any(t.partition) AS partition, account, model, tool, view, service_tier, region, unsplit,
    argMax(t.h24, t.version) AS h24, argMax(t.d7, t.version) AS d7, argMax(t.d30, t.version) AS d30,
    argMax(t.lifetime, t.version) AS lifetime, max(t.version) AS version
FROM ${t}account_totals AS t
GROUP BY account, model, tool, view, service_tier, region, unsplit
