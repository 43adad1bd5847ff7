-- Who owns each account since when, one row an account and interval.
CREATE OR REPLACE VIEW ${t}people_now${on_cluster} AS
SELECT
    account,
    valid_from,
    newest.1 AS valid_to,
    newest.2 AS person,
    newest.3 AS source,
    newest.4 AS subject,
    newest.5 AS name,
    newest.6 AS email,
    newest.7 AS team,
    newest.8 AS erased
FROM (
    SELECT account, valid_from, argMax((valid_to, person, source, subject, name, email, team, erased), version) AS newest
    FROM ${t}people
    GROUP BY account, valid_from
)
