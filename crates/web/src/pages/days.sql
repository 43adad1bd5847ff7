-- Tokens of each of the last days of some people, and of everybody: the sparklines of a live page. {people} are ids.
-- Who used nothing has no line.
WITH
    page AS (SELECT toFixedString(unhex(arrayJoin({people: Array(String)})), 16) AS person),
    ${page_days}
SELECT
    d.person AS person,
    arrayMap(day -> d.tokens[indexOf(d.days, day)], range({first_day: Int32}, {last_day: Int32} + 1)) AS days
FROM (SELECT person, groupArray(day) AS days, groupArray(tokens) AS tokens FROM days GROUP BY person) AS d
