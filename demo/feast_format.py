"""What Feast writes into PostgreSQL, and the statements it sends.

Feast itself is not needed: this file speaks its formats.  Entity keys follow
its serialization version 3, values are its ValueProto messages, the
statements have the form that its PostgreSQL stores send (online: create,
upsert, read; offline: latest rows, point-in-time join).

Copyright (c) 2026, the pg_steward authors
"""

import struct

# Feast's ValueType, which is also the field number in ValueProto
STRING, INT32, INT64, BOOL = 2, 3, 4, 7
TYPE_OF = {"text": STRING, "integer": INT32, "bigint": INT64, "boolean": BOOL}


def entity_key(join_key, value):
    """Serialize the key of an entity with one integer join key (version 3):
    count of keys, then type, length and bytes of the key's name, then type,
    length and bytes of its value, numbers as little-endian words."""
    name = join_key.encode()
    return (struct.pack("<III", 1, STRING, len(name)) + name
            + struct.pack("<IIq", INT64, 8, value))


def _varint(number):
    """Encode an unsigned number in protobuf's base 128."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def value_proto(kind, value):
    """Serialize a value as a ValueProto message with its one field set."""
    field = TYPE_OF[kind]
    if field == STRING:
        data = value.encode()
        return _varint(field << 3 | 2) + _varint(len(data)) + data
    # a negative int32 or int64 is written as its 64-bit two's complement
    return _varint(field << 3) + _varint(int(value) & 0xFFFFFFFFFFFFFFFF)


def parse_value(message):
    """Read a ValueProto message that value_proto wrote."""
    def varint(at):
        number = shift = 0
        while True:
            byte = message[at]
            number |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                return number, at

    tag, at = varint(0)
    number, at = varint(at)
    field = tag >> 3
    if field == STRING:
        return bytes(message[at:at + number]).decode()
    if field == BOOL:
        return bool(number)
    if field in (INT32, INT64):
        return number - (1 << 64) if number >> 63 else number
    raise ValueError(f"field {field} of ValueProto is not spoken here")


def create_online_table(table):
    """The online table of a feature view, with Feast's indexes."""
    return f'''
CREATE TABLE IF NOT EXISTS "{table}" (
    entity_key BYTEA,
    feature_name TEXT,
    value BYTEA,
    value_text TEXT NULL,
    vector_value BYTEA NULL,
    event_ts TIMESTAMPTZ,
    created_ts TIMESTAMPTZ,
    PRIMARY KEY (entity_key, feature_name)
);
CREATE INDEX IF NOT EXISTS "{table}_ek" ON "{table}" (entity_key);
CREATE INDEX IF NOT EXISTS "{table}_fts_idx" ON "{table}" USING GIN (to_tsvector('english', value_text));
'''


def online_write(table):
    """The upsert of one feature value."""
    columns = ["entity_key", "feature_name", "value", "value_text", "vector_value", "event_ts", "created_ts"]
    update = ", ".join(f'"{c}" = EXCLUDED."{c}"' for c in columns[2:])
    return (f'INSERT INTO "{table}" ({", ".join(columns)}) VALUES ({", ".join(["%s"] * len(columns))}) '
            f'ON CONFLICT (entity_key, feature_name) DO UPDATE SET {update};')


def online_row(key, name, kind, value, event_ts, created_ts):
    """The parameters of online_write for one value."""
    return (key, name, value_proto(kind, value), str(value), None, event_ts, created_ts)


def online_read(table, some_features):
    """The read of entities: all their features, or those named."""
    features = " AND feature_name = ANY(%s)" if some_features else ""
    return (f'SELECT entity_key, feature_name, value, event_ts FROM "{table}" '
            f'WHERE entity_key = ANY(%s){features};')


def latest_rows(table, join_key, features):
    """What materialization reads: the newest row of each entity in a span of time."""
    columns = [join_key] + features + ["event_timestamp", "created"]
    a = ", ".join(f'a."{c}"' for c in columns)
    b = ", ".join(f'b."{c}"' for c in columns)
    return f'''
SELECT {b}
FROM (
    SELECT {a},
        ROW_NUMBER() OVER (PARTITION BY a."{join_key}"
                           ORDER BY a."event_timestamp" DESC, a."created" DESC) AS _feast_row
    FROM "{table}" a
    WHERE a."event_timestamp" BETWEEN %s::timestamptz AND %s::timestamptz
) b
WHERE _feast_row = 1'''


def point_in_time(view, table, join_key, features, entity_df, entity_columns, ttl_seconds):
    """The training read: for each row of the entity data frame the features
    as they were known at its moment, not older than the time to live."""
    uid = f'"{view}__entity_row_unique_id"'
    columns = ", ".join(f'"{f}"' for f in features)
    out = ", ".join(f'"{c}"' for c in entity_columns + features)
    return f'''
WITH entity_dataframe AS (
    SELECT *, event_timestamp AS entity_timestamp,
        (CAST("{join_key}" AS VARCHAR) || CAST("event_timestamp" AS VARCHAR)) AS {uid}
    FROM {entity_df}
),
"{view}__entity_dataframe" AS (
    SELECT "{join_key}", entity_timestamp, {uid}
    FROM entity_dataframe
    GROUP BY "{join_key}", entity_timestamp, {uid}
),
"{view}__subquery" AS (
    SELECT "event_timestamp" AS event_timestamp, "created" AS created_timestamp, "{join_key}" AS "{join_key}", {columns}
    FROM "{table}" AS sub
    WHERE "event_timestamp" <= (SELECT MAX(entity_timestamp) FROM entity_dataframe)
      AND "event_timestamp" >= (SELECT MIN(entity_timestamp) FROM entity_dataframe) - {ttl_seconds} * interval '1' second
),
"{view}__base" AS (
    SELECT subquery.*, entity_dataframe.entity_timestamp, entity_dataframe.{uid}
    FROM "{view}__subquery" AS subquery
    INNER JOIN "{view}__entity_dataframe" AS entity_dataframe
       ON subquery.event_timestamp <= entity_dataframe.entity_timestamp
      AND subquery.event_timestamp >= entity_dataframe.entity_timestamp - {ttl_seconds} * interval '1' second
      AND subquery."{join_key}" = entity_dataframe."{join_key}"
),
"{view}__dedup" AS (
    SELECT {uid}, event_timestamp, MAX(created_timestamp) AS created_timestamp
    FROM "{view}__base"
    GROUP BY {uid}, event_timestamp
),
"{view}__latest" AS (
    SELECT event_timestamp, created_timestamp, {uid}
    FROM (
        SELECT *, ROW_NUMBER() OVER (PARTITION BY {uid}
                                     ORDER BY event_timestamp DESC, created_timestamp DESC) AS row_number
        FROM "{view}__base"
        INNER JOIN "{view}__dedup" USING ({uid}, event_timestamp, created_timestamp)
    ) AS sub
    WHERE row_number = 1
),
"{view}__cleaned" AS (
    SELECT base.*
    FROM "{view}__base" AS base
    INNER JOIN "{view}__latest" USING ({uid}, event_timestamp, created_timestamp)
)
SELECT {out}
FROM entity_dataframe
LEFT JOIN (SELECT {uid}, {columns} FROM "{view}__cleaned") AS "{view}" USING ({uid})'''
