/*-------------------------------------------------------------------------
 *
 * codec.c
 *	  The columns of a log's table, and their values as bytes of a record;
 *	  row.c goes the other way.
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
