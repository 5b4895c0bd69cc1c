/*-------------------------------------------------------------------------
 *
 * format.c
 *	  The logs that there are, and records on their way to them.
 *
 * Rooms above register their formats while libraries are preloaded, so every
 * process of the server knows the same.  docs/leaf-encoding.md says how fields
 * are encoded; codec.c reads what is built here.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/int.h"
#include "datatype/timestamp.h"
#include "ledger/ledger_internal.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

static const LogFormat *formats[LEDGER_MAX_LOGS];
static int	nformats = 0;

/* Registers a log.  Called while libraries are preloaded. */
void
ledger_register(const LogFormat *format)
{
	int			group = 0;

	if (!process_shared_preload_libraries_in_progress)
		elog(ERROR, "log \"%s\" is registered too late", format->name);
	if (nformats == LEDGER_MAX_LOGS || format->nfields > LEDGER_MAX_FIELDS ||
		format->ngroups > LEDGER_MAX_GROUPS)
		elog(ERROR, "log \"%s\" is larger than a log may be", format->name);
	for (int i = 0; i < nformats; i++)
		if (formats[i]->code == format->code || strcmp(formats[i]->name, format->name) == 0)
			elog(ERROR, "log \"%s\" is registered twice", format->name);
	for (int i = 0; i < format->nfields; i++)
	{
		if (format->fields[i].group != group && format->fields[i].group != group + 1)
			elog(ERROR, "field \"%s\" of log \"%s\" stands in the wrong group",
				 format->fields[i].name, format->name);
		group = format->fields[i].group;
	}
	if (group != format->ngroups)
		elog(ERROR, "log \"%s\" has %d groups, not %d", format->name, group, format->ngroups);
	formats[nformats++] = format;
}

/* The log by its name; NULL or an error where there is none. */
const LogFormat *
ledger_format(const char *name, bool missing_ok)
{
	for (int i = 0; i < nformats; i++)
		if (strcmp(formats[i]->name, name) == 0)
			return formats[i];
	if (!missing_ok)
	{
		StringInfoData names;

		initStringInfo(&names);
		for (int i = 0; i < nformats; i++)
			appendStringInfo(&names, "%s%s", i == 0 ? "" : ", ", formats[i]->name);
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("log \"%s\" does not exist", name),
				 errhint("The logs are %s.", names.data)));
	}
	return NULL;
}

/* The log by its code; NULL where there is none. */
const LogFormat *
ledger_format_by_code(uint8 code)
{
	for (int i = 0; i < nformats; i++)
		if (formats[i]->code == code)
			return formats[i];
	return NULL;
}

/* The logs one after the other, in the order of registration; NULL at the end. */
const LogFormat *
ledger_format_at(int index)
{
	return index < nformats ? formats[index] : NULL;
}

/* The type of the column that holds such a field. */
Oid
log_field_type(LogFieldType type)
{
	switch (type)
	{
		case LOG_BOOL:
			return BOOLOID;
		case LOG_INT:
			return INT8OID;
		case LOG_FLOAT:
			return FLOAT8OID;
		case LOG_TIME:
			return TIMESTAMPTZOID;
		case LOG_UUID:
			return UUIDOID;
		case LOG_TEXT:
			return TEXTOID;
		case LOG_BYTES:
			return BYTEAOID;
		case LOG_JSON:
			return JSONBOID;
		case LOG_TEXTS:
			return TEXTARRAYOID;
		case LOG_INTS:
			return INT8ARRAYOID;
	}
	elog(ERROR, "unknown type %d of a field", type);
}

/* The name of an encoding in docs/leaf-encoding.md. */
const char *
log_encoding_name(LogFieldType type)
{
	static const char *const names[] = {"bool", "int", "float", "time", "uuid",
	"text", "bytes", "json", "texts", "ints"};

	return names[type];
}

/* Appends a moment as microseconds since 1970. */
void
put_time(StringInfo out, TimestampTz value)
{
	int64		result;

	if (TIMESTAMP_NOT_FINITE(value))
		result = value;			/* the greatest and the least int64 */
	else if (pg_add_s64_overflow(value, LOG_EPOCH_OFFSET, &result))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_FIELD_OVERFLOW),
				 errmsg("timestamp is out of the range of a log"),
				 errhint("Logs hold times up to the year 294246.")));
	put_int64(out, result);
}

/* Appends a float; every NaN is the same. */
void
put_float(StringInfo out, double value)
{
	int64		bits;

	if (isnan(value))
		bits = INT64CONST(0x7ff8000000000000);
	else
		memcpy(&bits, &value, sizeof(bits));
	put_int64(out, bits);
}

/*
 * Appends text of the server's encoding as UTF-8, its length before it.  A
 * database without encoding (SQL_ASCII) gives its bytes as they are.
 */
void
put_text(StringInfo out, const char *value, int len)
{
	char	   *converted = (char *) value;

	if (GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII)
	{
		converted = pg_server_to_any(value, len, PG_UTF8);
		if (converted != value)
			len = strlen(converted);
	}
	put_uint32(out, len);
	appendBinaryStringInfo(out, converted, len);
	if (converted != value)
		pfree(converted);
}

/* Appends a jsonb value as the text of its output. */
void
put_json(StringInfo out, Jsonb *value)
{
	if (GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII)
	{
		int			at = out->len;
		uint32		len;

		/* the length, once it is known, goes before the text */
		put_uint32(out, 0);
		(void) JsonbToCString(out, &value->root, VARSIZE(value));
		len = out->len - at - 4;
		for (int i = 0; i < 4; i++)
			out->data[at + i] = (char) ((len >> (8 * (3 - i))) & 0xff);
	}
	else
	{
		char	   *text = JsonbToCString(NULL, &value->root, VARSIZE(value));

		put_text(out, text, strlen(text));
		pfree(text);
	}
}

/*
 * Appends an array of texts.  Returns what is wrong with it, NULL where
 * nothing is: only arrays of one dimension that begin at 1 have an encoding.
 */
const char *
put_texts(StringInfo out, ArrayType *array)
{
	Datum	   *values;
	bool	   *nulls;
	int			n;

	if (ARR_NDIM(array) > 1 || (ARR_NDIM(array) == 1 && ARR_LBOUND(array)[0] != 1))
		return "an array that has more than one dimension or does not begin at 1";
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &n);
	put_uint32(out, n);
	for (int i = 0; i < n; i++)
	{
		appendStringInfoChar(out, nulls[i] ? 0 : 1);
		if (!nulls[i])
			put_text(out, VARDATA_ANY(DatumGetPointer(values[i])),
					 VARSIZE_ANY_EXHDR(DatumGetPointer(values[i])));
	}
	pfree(values);
	pfree(nulls);
	return NULL;
}

/* Begins a record of the log; its memory is of the current context. */
void
log_record_begin(LogRecordBuilder *builder, const LogFormat *format, TimestampTz logged_at)
{
	if (TIMESTAMP_NOT_FINITE(logged_at))
		elog(ERROR, "a record is logged at a moment");
	builder->format = format;
	builder->next = 0;
	initStringInfo(&builder->data);
	put_time(&builder->data, logged_at);
}

/* Begins a field that has a value; what was left out before it is NULL. */
static StringInfo
begin_field(LogRecordBuilder *builder, int field, LogFieldType type)
{
	if (field < builder->next || field >= builder->format->nfields ||
		builder->format->fields[field].type != type)
		elog(ERROR, "field %d of log \"%s\" is out of order or of another type",
			 field, builder->format->name);
	for (; builder->next < field; builder->next++)
		appendStringInfoChar(&builder->data, 0);
	builder->next++;
	appendStringInfoChar(&builder->data, 1);
	return &builder->data;
}

void
log_record_bool(LogRecordBuilder *builder, int field, bool value)
{
	appendStringInfoChar(begin_field(builder, field, LOG_BOOL), value ? 1 : 0);
}

void
log_record_int(LogRecordBuilder *builder, int field, int64 value)
{
	put_int64(begin_field(builder, field, LOG_INT), value);
}

void
log_record_float(LogRecordBuilder *builder, int field, double value)
{
	put_float(begin_field(builder, field, LOG_FLOAT), value);
}

void
log_record_time(LogRecordBuilder *builder, int field, TimestampTz value)
{
	put_time(begin_field(builder, field, LOG_TIME), value);
}

/* A uuid by its 16 bytes. */
void
log_record_uuid(LogRecordBuilder *builder, int field, const void *value)
{
	appendBinaryStringInfo(begin_field(builder, field, LOG_UUID), value, 16);
}

/* A text of len bytes, or up to its end where len is -1; NULL is NULL. */
void
log_record_text(LogRecordBuilder *builder, int field, const char *value, int len)
{
	if (value != NULL)
		put_text(begin_field(builder, field, LOG_TEXT), value, len < 0 ? strlen(value) : len);
}

void
log_record_bytes(LogRecordBuilder *builder, int field, const void *value, Size len)
{
	StringInfo	out = begin_field(builder, field, LOG_BYTES);

	put_uint32(out, len);
	appendBinaryStringInfo(out, value, len);
}

void
log_record_json(LogRecordBuilder *builder, int field, Datum jsonb)
{
	put_json(begin_field(builder, field, LOG_JSON), DatumGetJsonbP(jsonb));
}

/* An array of texts; raises for one that has no encoding. */
void
log_record_texts(LogRecordBuilder *builder, int field, Datum array)
{
	const char *problem = put_texts(begin_field(builder, field, LOG_TEXTS),
									DatumGetArrayTypeP(array));

	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is %s", builder->format->fields[field].name, problem),
				 errhint("Give an array of one dimension, as ARRAY['a', 'b'] makes it.")));
}

void
log_record_ints(LogRecordBuilder *builder, int field, const int64 *values, int n)
{
	StringInfo	out = begin_field(builder, field, LOG_INTS);

	put_uint32(out, n);
	for (int i = 0; i < n; i++)
		put_int64(out, values[i]);
}

/* Ends the record; fields that were not added are NULL. */
void
log_record_end(LogRecordBuilder *builder)
{
	for (; builder->next < builder->format->nfields; builder->next++)
		appendStringInfoChar(&builder->data, 0);
}
