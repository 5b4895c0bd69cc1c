/*-------------------------------------------------------------------------
 *
 * row.c
 *	  From a record to the row that stores it.
 *
 * The row is made in one go, in the form of heap_form_tuple(), for rows of
 * logs are what the writer spends its time with.  The bytes come from format.c
 * of this very library; they are read as if they came from a stranger all the
 * same, for the queue is shared memory.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tupmacs.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "executor/tuptable.h"
#include "ledger/ledger_internal.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

/* A column of the row that is being made. */
typedef enum CellKind
{
	CELL_NULL,
	CELL_BOOL,
	CELL_NUMBER,				/* 8 bytes by value */
	CELL_UUID,
	CELL_BYTES,					/* of which a value of variable length is made */
	CELL_VALUE					/* such a value with a header of 4 bytes */
} CellKind;

typedef struct Cell
{
	CellKind	kind;
	uint32		len;
	const uint8 *bytes;
	int64		number;			/* CELL_BOOL, CELL_NUMBER */
} Cell;

/* What is left of a record. */
typedef struct Reader
{
	const LogFormat *format;
	const uint8 *next;
	const uint8 *end;
} Reader;

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

/* No byte is zero or beyond ASCII. */
static inline bool
is_plain(const uint8 *bytes, uint32 len)
{
	uint64		word = UINT64CONST(0x0101010101010101);

	for (; len >= sizeof(word); len -= sizeof(word), bytes += sizeof(word))
	{
		memcpy(&word, bytes, sizeof(word));
		if (((word - UINT64CONST(0x0101010101010101)) | word) & UINT64CONST(0x8080808080808080))
			return false;
	}
	word = UINT64CONST(0x0101010101010101);
	memcpy(&word, bytes, len);
	return (((word - UINT64CONST(0x0101010101010101)) | word) & UINT64CONST(0x8080808080808080)) == 0;
}

/* The same text in the server's encoding; raises where it is none. */
static const uint8 *
server_text(const uint8 *bytes, uint32 *len)
{
	char	   *converted;

	if (GetDatabaseEncoding() == PG_SQL_ASCII || is_plain(bytes, *len))
		return bytes;
	converted = pg_any_to_server((const char *) bytes, *len, PG_UTF8);
	if (converted != (const char *) bytes)
		*len = strlen(converted);
	return (const uint8 *) converted;
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
decode_texts(Reader *reader)
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

			bytes = server_text(bytes, &len);
			values[i] = PointerGetDatum(cstring_to_text_with_len((const char *) bytes, len));
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
	ArrayType  *array;
	Size		len = ARR_OVERHEAD_NONULLS(1) + (Size) n * sizeof(int64);
	int64	   *elements;

	if (n == 0)
		return PointerGetDatum(construct_empty_array(INT8OID));
	array = palloc0(len);
	SET_VARSIZE(array, len);
	array->ndim = 1;
	array->elemtype = INT8OID;
	ARR_DIMS(array)[0] = n;
	ARR_LBOUND(array)[0] = 1;
	elements = (int64 *) ARR_DATA_PTR(array);
	for (uint32 i = 0; i < n; i++)
		elements[i] = get_int64(bytes + 8 * i);
	return PointerGetDatum(array);
}

static inline void
set_value(Cell *cell, Datum value)
{
	cell->kind = CELL_VALUE;
	cell->bytes = (const uint8 *) DatumGetPointer(value);
	cell->len = VARSIZE(DatumGetPointer(value));
}

static void
read_field(Reader *reader, LogFieldType type, Cell *cell)
{
	const uint8 *bytes;
	uint32		len;

	switch (type)
	{
		case LOG_BOOL:
			cell->kind = CELL_BOOL;
			cell->number = *take(reader, 1) != 0;
			break;
		case LOG_INT:
		case LOG_FLOAT:
			/* the bits of a float are its value */
			cell->kind = CELL_NUMBER;
			cell->number = get_int64(take(reader, 8));
			break;
		case LOG_TIME:
			cell->kind = CELL_NUMBER;
			cell->number = decode_time(get_int64(take(reader, 8)));
			break;
		case LOG_UUID:
			cell->kind = CELL_UUID;
			cell->bytes = take(reader, UUID_LEN);
			break;
		case LOG_TEXT:
			cell->kind = CELL_BYTES;
			bytes = take_counted(reader, &cell->len);
			cell->bytes = server_text(bytes, &cell->len);
			break;
		case LOG_BYTES:
			cell->kind = CELL_BYTES;
			cell->bytes = take_counted(reader, &cell->len);
			break;
		case LOG_JSON:
			bytes = take_counted(reader, &len);
			bytes = server_text(bytes, &len);
			set_value(cell, DirectFunctionCall1(jsonb_in,
												CStringGetDatum(pnstrdup((const char *) bytes, len))));
			break;
		case LOG_TEXTS:
			set_value(cell, decode_texts(reader));
			break;
		case LOG_INTS:
			set_value(cell, decode_ints(reader));
			break;
	}
}

/* Reads a record into cells; tells where its groups begin. */
static void
read_record(const LogColumns *columns, const LogRecord *record, Cell *cells, LogLayout *layout)
{
	const LogFormat *format = columns->format;
	Reader		reader = {format, record->data, record->data + record->len};
	int			group = 0;

	layout->start[0] = 0;
	cells[columns->logged_at - 1].kind = CELL_NUMBER;
	cells[columns->logged_at - 1].number = decode_time(get_int64(take(&reader, 8)));
	for (int i = 0; i < format->nfields; i++)
	{
		if (format->fields[i].group > group)
			layout->start[++group] = reader.next - record->data;
		if (take_presence(&reader))
			read_field(&reader, format->fields[i].type, &cells[columns->field[i] - 1]);
	}
	layout->start[format->ngroups + 1] = record->len;
	if (reader.next != reader.end)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a record of log \"%s\" is longer than it says", format->name)));
}

/* Puts a value of variable length into the row; its header is of 4 bytes or of one. */
static inline char *
fill_varlena(char *next, Form_pg_attribute att, const uint8 *bytes, Size len, Datum *value)
{
	if (len + VARHDRSZ_SHORT <= VARATT_SHORT_MAX && att->attstorage != TYPSTORAGE_PLAIN)
	{
		SET_VARSIZE_SHORT(next, len + VARHDRSZ_SHORT);
		memcpy(next + VARHDRSZ_SHORT, bytes, len);
		*value = PointerGetDatum(next);
		return next + VARHDRSZ_SHORT + len;
	}
	next = (char *) att_align_nominal((uintptr_t) next, att->attalign);
	SET_VARSIZE(next, len + VARHDRSZ);
	memcpy(next + VARHDRSZ, bytes, len);
	*value = PointerGetDatum(next);
	return next + VARHDRSZ + len;
}

/*
 * Stores the row of a record in a slot of heap tuples, and finds where its
 * groups begin; raises for a damaged record.  Columns that are not the log's,
 * and "erased", are NULL.  The row is of the current memory context.
 */
void
log_row_of_record(const LogColumns *columns, TupleDesc desc, uint64 seq, const LogRecord *record,
				  const uint8 *seed, TupleTableSlot *slot, LogLayout *layout)
{
	int			natts = desc->natts;
	Cell	   *cells = palloc0(natts * sizeof(Cell));
	Size		hoff = MAXALIGN(SizeofHeapTupleHeader + BITMAPLEN(natts));
	Size		size = hoff;
	HeapTuple	tuple;
	HeapTupleHeader header;
	char	   *next;
	Datum	   *values = slot->tts_values;
	bool	   *nulls = slot->tts_isnull;

	read_record(columns, record, cells, layout);
	cells[columns->seq - 1].kind = CELL_NUMBER;
	cells[columns->seq - 1].number = (int64) seq;
	if (columns->format->ngroups > 0)
	{
		cells[columns->salt - 1].kind = CELL_BYTES;
		cells[columns->salt - 1].bytes = seed;
		cells[columns->salt - 1].len = LEDGER_SEED_LENGTH;
	}

	/* each takes eight bytes, or its length, a header and what aligns it */
	for (int i = 0; i < natts; i++)
		size += cells[i].kind == CELL_NULL ? 0 : 2 * MAXIMUM_ALIGNOF + cells[i].len;
	tuple = palloc0(HEAPTUPLESIZE + size);
	header = tuple->t_data = (HeapTupleHeader) ((char *) tuple + HEAPTUPLESIZE);
	next = (char *) header + hoff;
	for (int i = 0; i < natts; i++)
	{
		const Cell *cell = &cells[i];
		Form_pg_attribute att = TupleDescAttr(desc, i);

		nulls[i] = cell->kind == CELL_NULL;
		if (!nulls[i])
			header->t_bits[i >> 3] |= 1 << (i & 7);
		switch (cell->kind)
		{
			case CELL_NULL:
				values[i] = (Datum) 0;
				break;
			case CELL_BOOL:
				*next++ = (char) cell->number;
				values[i] = BoolGetDatum(cell->number != 0);
				break;
			case CELL_NUMBER:
				next = (char *) att_align_nominal((uintptr_t) next, TYPALIGN_DOUBLE);
				memcpy(next, &cell->number, sizeof(int64));
				values[i] = fetch_att(next, FLOAT8PASSBYVAL, sizeof(int64));
				next += sizeof(int64);
				break;
			case CELL_UUID:
				memcpy(next, cell->bytes, UUID_LEN);
				values[i] = PointerGetDatum(next);
				next += UUID_LEN;
				break;
			case CELL_BYTES:
				next = fill_varlena(next, att, cell->bytes, cell->len, &values[i]);
				break;
			case CELL_VALUE:
				next = fill_varlena(next, att, cell->bytes + VARHDRSZ, cell->len - VARHDRSZ, &values[i]);
				break;
		}
	}
	Assert(next <= (char *) header + size);
	header->t_infomask = HEAP_HASNULL | HEAP_HASVARWIDTH;
	header->t_hoff = hoff;
	HeapTupleHeaderSetNatts(header, natts);
	HeapTupleHeaderSetDatumLength(header, next - (char *) header);
	HeapTupleHeaderSetTypeId(header, desc->tdtypeid);
	HeapTupleHeaderSetTypMod(header, desc->tdtypmod);
	ItemPointerSetInvalid(&header->t_ctid);
	tuple->t_len = next - (char *) header;
	ItemPointerSetInvalid(&tuple->t_self);
	tuple->t_tableOid = InvalidOid;

	/* As a tuple for the table, and taken apart for the indexes. */
	ExecStoreHeapTuple(tuple, slot, true);
	slot->tts_nvalid = natts;
	pfree(cells);
}
