-- Who owns which account, newest names, each row as it was written. The last interval of an account comes last.
SELECT ${fields} FROM ${t}people FINAL ORDER BY account, valid_from
