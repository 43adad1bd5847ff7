"""The ordinary operations of clickhouse-connect against an engine: host, port and database are arguments."""

import datetime
import sys

import clickhouse_connect
from clickhouse_connect.driver.exceptions import DatabaseError

host, port, database = sys.argv[1], int(sys.argv[2]), sys.argv[3]
client = clickhouse_connect.get_client(host=host, port=port, database=database)

assert client.command("SELECT 1") == 1
client.command("CREATE TABLE t (a UInt32, b String, c DateTime('UTC'), d Array(Int64), e Nullable(Float64)) ENGINE = MergeTree ORDER BY a")
when = datetime.datetime(2026, 4, 7, 12, 34, 56)
rows = [[n, f"blank\n\nline {n}", when, [n, -n], None if n % 2 else n / 4] for n in range(1000)]
summary = client.insert("t", rows, column_names=["a", "b", "c", "d", "e"])
assert summary.written_rows == 1000, summary.summary

result = client.query("SELECT * FROM t ORDER BY a")
assert result.column_names == ("a", "b", "c", "d", "e")
without_time = lambda row: (row[0], row[1], row[3], row[4])
assert [without_time(row) for row in result.result_rows] == [without_time(row) for row in rows]
assert result.result_rows[0][2].replace(tzinfo=None) == when

assert client.query("SELECT {n:UInt32} + 1, {s:String}", parameters={"n": 41, "s": "it's"}).result_rows == [(42, "it's")]
assert client.query("SELECT count() FROM t WHERE a IN %(ids)s", parameters={"ids": [1, 2, 3]}).result_rows == [(3,)]
assert client.query("SELECT toString(getSetting('max_threads'))", settings={"max_threads": 3}).result_rows == [("3",)]
assert client.query("SELECT a FROM t WHERE a > 5000").result_rows == []

with client.query_row_block_stream("SELECT number FROM numbers(500000)") as stream:
    assert sum(number for block in stream for (number,) in block) == 499999 * 500000 // 2

assert client.raw_query("SELECT 1 AS x FORMAT JSONEachRow") == b'{"x":1}\n'
client.raw_insert("t", column_names=["a", "b"], insert_block="2000,x\n2001,y\n", fmt="CSV")
assert client.command("SELECT count() FROM t") == 1002

for compress in ("lz4", "zstd", "gzip"):
    compressed = clickhouse_connect.get_client(host=host, port=port, database=database, compress=compress)
    compressed.insert("t", [[3000, compress]], column_names=["a", "b"])
    assert compressed.query("SELECT b FROM t WHERE a = 3000 ORDER BY b").result_rows, compress
    compressed.command("ALTER TABLE t DELETE WHERE a = 3000", settings={"mutations_sync": 1})

session = clickhouse_connect.get_client(host=host, port=port, database=database, session_id="python-session")
session.command("CREATE TEMPORARY TABLE mine (a UInt8)")
session.command("INSERT INTO mine VALUES (3)")
assert session.query("SELECT a FROM mine").result_rows == [(3,)]

for sql, code in [("SELECT * FROM nothing", "60"), ("SELEC 1", "62")]:
    try:
        client.query(sql)
    except DatabaseError as error:
        assert code in str(error), error
    else:
        raise AssertionError(f"{sql} should fail")

try:
    client.query("SELECT throwIf(number = 300000) FROM numbers(600000) SETTINGS max_block_size = 10000")
except Exception as error:
    assert "395" in str(error) or "throwIf" in str(error), error
else:
    raise AssertionError("an error within the rows was lost")

print("all of it worked")
