/*-------------------------------------------------------------------------
 *
 * codec.c
 *	  Records as bytes and as columns of a log's table.
 *
 * The bytes come from format.c of this very library; they are read as if they
 * came from a stranger all the same, for the queue is shared memory.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "ledger/ledger_internal.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

/* What is left of a record. */
typedef struct Reader
{
	const LogFormat *format;
	const uint8 *next;
	const uint8 *end;
} Reader;

/* Finds a column that must be there and be of the type. */
static AttrNumber
find_column(Relation rel, const char *name, Oid type)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && strcmp(NameStr(att->attname), name) == 0 &&
			att->atttypid == type)
			return att->attnum;
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("table \"%s\" of a log has no column \"%s\" of type %s",
					RelationGetRelationName(rel), name, format_type_be(type)),
			 errhint("Somebody altered the table; pg_steward never does.")));
}

/* Finds the columns of the log in its table or in a partition of it. */
void
log_columns_find(LogColumns *columns, const LogFormat *format, Relation rel)
{
	columns->format = format;
	columns->natts = RelationGetDescr(rel)->natts;
	columns->seq = find_column(rel, "seq", INT8OID);
	columns->logged_at = find_column(rel, "logged_at", TIMESTAMPTZOID);
	columns->salt = find_column(rel, "salt", BYTEAOID);
	columns->erased = find_column(rel, "erased", BYTEAOID);
	columns->last = Max(Max(columns->seq, columns->logged_at), Max(columns->salt, columns->erased));
	for (int i = 0; i < format->nfields; i++)
	{
		columns->field[i] = find_column(rel, format->fields[i].name,
										log_field_type(format->fields[i].type));
		columns->last = Max(columns->last, columns->field[i]);
	}
}

/* Takes n bytes; raises where the record is shorter. */
static const uint8 *
take(Reader *reader, Size n)
{
	const uint8 *bytes = reader->next;

	if (n > reader->end - reader->next)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a record of log \"%s\" is shorter than it says", reader->format->name)));
	reader->next += n;
	return bytes;
}

static bool
take_presence(Reader *reader)
{
	uint8		presence = *take(reader, 1);

	if (presence > 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a record of log \"%s\" is damaged", reader->format->name)));
	return presence == 1;
}

static const uint8 *
take_counted(Reader *reader, uint32 *len)
{
	*len = get_uint32(take(reader, 4));
	return take(reader, *len);
}

/* ------------------------------------------------------------------------
 * Memory of rows
 * ------------------------------------------------------------------------
 */

#define ROW_MEMORY_BLOCK	(64 * 1024)

/* Forgets what was made, for the next rows. */
void
row_memory_reset(RowMemory *memory)
{
	MemoryContextReset(memory->context);
	memory->next = NULL;
	memory->left = 0;
}

/* Memory that is not freed alone; alignment is a power of two. */
void *
row_memory(RowMemory *memory, Size len, Size alignment)
{
	Size		skip = -(uintptr_t) memory->next & (alignment - 1);
	char	   *result;

	if (unlikely(memory->left < len + skip))
	{
		if (len > ROW_MEMORY_BLOCK / 4)
			return MemoryContextAllocHuge(memory->context, len);
		memory->next = MemoryContextAlloc(memory->context, ROW_MEMORY_BLOCK);
		memory->left = ROW_MEMORY_BLOCK;
		skip = 0;
	}
	result = memory->next + skip;
	memory->next = result + len;
	memory->left -= skip + len;
	return result;
}

/* ------------------------------------------------------------------------
 * From bytes to columns
 * ------------------------------------------------------------------------
 */

/* Bytes as a value of variable length, with the shortest header. */
static Datum
decode_bytes(RowMemory *memory, const uint8 *bytes, uint32 len)
{
	char	   *result;

	if (len + VARHDRSZ_SHORT <= VARATT_SHORT_MAX)
	{
		result = row_memory(memory, len + VARHDRSZ_SHORT, 1);
		SET_VARSIZE_SHORT(result, len + VARHDRSZ_SHORT);
		memcpy(result + VARHDRSZ_SHORT, bytes, len);
	}
	else
	{
		result = row_memory(memory, (Size) len + VARHDRSZ, sizeof(int32));
		SET_VARSIZE(result, len + VARHDRSZ);
		memcpy(result + VARHDRSZ, bytes, len);
	}
	return PointerGetDatum(result);
}

/* A text of the server's encoding. */
static Datum
decode_text(RowMemory *memory, const uint8 *bytes, uint32 len)
{
	const char *converted = (const char *) bytes;
	Datum		result;

	if (GetDatabaseEncoding() != PG_SQL_ASCII)
	{
		converted = pg_any_to_server((const char *) bytes, len, PG_UTF8);
		if (converted != (const char *) bytes)
			len = strlen(converted);
	}
	result = decode_bytes(memory, (const uint8 *) converted, len);
	if (converted != (const char *) bytes)
		pfree((void *) converted);
	return result;
}

static TimestampTz
decode_time(int64 value)
{
	int64		result;

	if (value == PG_INT64_MIN || value == PG_INT64_MAX)
		return value;
	if (pg_sub_s64_overflow(value, LOG_EPOCH_OFFSET, &result) || !IS_VALID_TIMESTAMP(result))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_FIELD_OVERFLOW),
				 errmsg("timestamp of a record is out of range")));
	return result;
}

static Datum
decode_texts(Reader *reader, RowMemory *memory)
{
	uint32		n = get_uint32(take(reader, 4));
	Datum	   *values;
	bool	   *nulls;
	int			lower = 1;
	int			dim;

	/* each takes a byte at least, so n is bounded by the record */
	if (n > reader->end - reader->next)
		(void) take(reader, n);
	if (n == 0)
		return PointerGetDatum(construct_empty_array(TEXTOID));
	values = palloc(n * sizeof(Datum));
	nulls = palloc(n * sizeof(bool));
	for (uint32 i = 0; i < n; i++)
	{
		nulls[i] = !take_presence(reader);
		if (!nulls[i])
		{
			uint32		len;
			const uint8 *bytes = take_counted(reader, &len);

			values[i] = decode_text(memory, bytes, len);
		}
	}
	dim = n;
	return PointerGetDatum(construct_md_array(values, nulls, 1, &dim, &lower, TEXTOID,
											  -1, false, TYPALIGN_INT));
}

static Datum
decode_ints(Reader *reader)
{
	uint32		n = get_uint32(take(reader, 4));
	const uint8 *bytes = take(reader, (Size) n * 8);
	Datum	   *values = palloc(Max(n, 1) * sizeof(Datum));

	for (uint32 i = 0; i < n; i++)
		values[i] = Int64GetDatum(get_int64(bytes + 8 * i));
	return PointerGetDatum(construct_array(values, n, INT8OID, sizeof(int64),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

static Datum
decode_field(Reader *reader, LogFieldType type, RowMemory *memory)
{
	uint32		len;
	const uint8 *bytes;
	int64		bits;
	double		number;
	pg_uuid_t  *uuid;
	Datum		value;

	switch (type)
	{
		case LOG_BOOL:
			return BoolGetDatum(*take(reader, 1) != 0);
		case LOG_INT:
			return Int64GetDatum(get_int64(take(reader, 8)));
		case LOG_FLOAT:
			bits = get_int64(take(reader, 8));
			memcpy(&number, &bits, sizeof(number));
			return Float8GetDatum(number);
		case LOG_TIME:
			return TimestampTzGetDatum(decode_time(get_int64(take(reader, 8))));
		case LOG_UUID:
			uuid = row_memory(memory, UUID_LEN, 1);
			memcpy(uuid->data, take(reader, UUID_LEN), UUID_LEN);
			return UUIDPGetDatum(uuid);
		case LOG_TEXT:
			bytes = take_counted(reader, &len);
			return decode_text(memory, bytes, len);
		case LOG_BYTES:
			bytes = take_counted(reader, &len);
			return decode_bytes(memory, bytes, len);
		case LOG_JSON:
			bytes = take_counted(reader, &len);
			value = decode_text(memory, bytes, len);
			return DirectFunctionCall1(jsonb_in, CStringGetDatum(text_to_cstring((text *) DatumGetPointer(value))));
		case LOG_TEXTS:
			return decode_texts(reader, memory);
		case LOG_INTS:
			return decode_ints(reader);
	}
	elog(ERROR, "unknown type %d of a field", type);
}

/*
 * Makes the columns of a record, save for seq, salt and erased, and finds where
 * its groups begin; raises for a damaged one.  The arrays have columns->natts
 * elements; what belongs to no column of the log is NULL.  The current memory
 * context is that of the memory for rows.
 */
void
log_record_decode(const LogColumns *columns, const LogRecord *record, RowMemory *memory,
				  Datum *values, bool *nulls, LogLayout *layout)
{
	const LogFormat *format = columns->format;
	Reader		reader = {format, record->data, record->data + record->len};
	int			group = 0;

	memset(nulls, true, columns->natts * sizeof(bool));
	layout->start[0] = 0;
	values[columns->logged_at - 1] = TimestampTzGetDatum(decode_time(get_int64(take(&reader, 8))));
	nulls[columns->logged_at - 1] = false;
	for (int i = 0; i < format->nfields; i++)
	{
		AttrNumber	attnum = columns->field[i];

		if (format->fields[i].group > group)
			layout->start[++group] = reader.next - record->data;
		if (take_presence(&reader))
		{
			values[attnum - 1] = decode_field(&reader, format->fields[i].type, memory);
			nulls[attnum - 1] = false;
		}
	}
	layout->start[format->ngroups + 1] = record->len;
	if (reader.next != reader.end)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a record of log \"%s\" is longer than it says", format->name)));
}

/* Appends one field that is not NULL; tells what is wrong with it, if anything. */
static const char *
encode_field(StringInfo out, LogFieldType type, Datum value)
{
	struct varlena *packed;
	ArrayType  *array;

	switch (type)
	{
		case LOG_BOOL:
			appendStringInfoChar(out, DatumGetBool(value) ? 1 : 0);
			break;
		case LOG_INT:
			put_int64(out, DatumGetInt64(value));
			break;
		case LOG_FLOAT:
			put_float(out, DatumGetFloat8(value));
			break;
		case LOG_TIME:
			put_time(out, DatumGetTimestampTz(value));
			break;
		case LOG_UUID:
			appendBinaryStringInfo(out, (const char *) DatumGetUUIDP(value)->data, UUID_LEN);
			break;
		case LOG_TEXT:
			packed = PG_DETOAST_DATUM_PACKED(value);
			put_text(out, VARDATA_ANY(packed), VARSIZE_ANY_EXHDR(packed));
			break;
		case LOG_BYTES:
			packed = PG_DETOAST_DATUM_PACKED(value);
			put_uint32(out, VARSIZE_ANY_EXHDR(packed));
			appendBinaryStringInfo(out, VARDATA_ANY(packed), VARSIZE_ANY_EXHDR(packed));
			break;
		case LOG_JSON:
			put_json(out, DatumGetJsonbP(value));
			break;
		case LOG_TEXTS:
			return put_texts(out, DatumGetArrayTypeP(value));
		case LOG_INTS:
			array = DatumGetArrayTypeP(value);
			if (ARR_NDIM(array) > 1 || ARR_HASNULL(array) ||
				(ARR_NDIM(array) == 1 && ARR_LBOUND(array)[0] != 1))
				return "an array that has nulls or more than one dimension, or does not begin at 1";
			else
			{
				int			n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
				const int64 *elements = (const int64 *) ARR_DATA_PTR(array);

				put_uint32(out, n);
				for (int i = 0; i < n; i++)
					put_int64(out, elements[i]);
			}
			break;
	}
	return NULL;
}

/*
 * Appends the fields of one group of a row, for group 0 logged_at before
 * them, in the encoding of a record.  Returns what is wrong, NULL where
 * nothing is.
 */
const char *
log_fields_encode(StringInfo out, const LogColumns *columns, int group,
				  const Datum *values, const bool *nulls)
{
	const LogFormat *format = columns->format;

	if (group == 0)
	{
		if (nulls[columns->logged_at - 1])
			return "logged_at is null";
		put_time(out, DatumGetTimestampTz(values[columns->logged_at - 1]));
	}
	for (int i = 0; i < format->nfields; i++)
	{
		int			column = columns->field[i] - 1;
		const char *problem;

		if (format->fields[i].group < group)
			continue;
		if (format->fields[i].group > group)
			break;
		appendStringInfoChar(out, nulls[column] ? 0 : 1);
		if (nulls[column])
			continue;
		problem = encode_field(out, format->fields[i].type, values[column]);
		if (problem != NULL)
			return psprintf("%s is %s", format->fields[i].name, problem);
	}
	return NULL;
}
