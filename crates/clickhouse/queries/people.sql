-- Who owns which account, newest names.
SELECT account, valid_from, valid_to, person, source, subject, name, email, team, erased
FROM ${t}people_now
ORDER BY account, valid_from
