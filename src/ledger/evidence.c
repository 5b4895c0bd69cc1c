/*-------------------------------------------------------------------------
 *
 * evidence.c
 *	  What the change log tells of records that were erased or dropped.
 *
 * verify() believes that a record was erased, or that records were dropped,
 * where the change log says so; what the writer has not yet moved there stands
 * in the outbox.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "ledger/ledger_internal.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"

typedef struct RedactedRecord
{
	uint64		seq;			/* key */
	uint32		groups;			/* one bit each; bit 0: group 1 */
} RedactedRecord;

/* Rows of the change log and of the outbox, of one kind and action. */
#define CHANGES(kind, action) \
	"(SELECT object_name, after FROM steward.change_log " \
	" WHERE object_kind = '" kind "' AND action = '" action "' " \
	" UNION ALL SELECT object_name, after FROM steward.change_outbox " \
	" WHERE object_kind = '" kind "' AND action = '" action "')"

/* Gives the rows of a query, of two bigint columns, to a function. */
static void
read_numbers(const char *query, const char *log, void (*take) (Evidence *, int64, int64), Evidence *evidence)
{
	Oid			type = TEXTOID;
	Datum		value = CStringGetTextDatum(log);

	if (SPI_execute_with_args(query, 1, &type, &value, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "the change log could not be read");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		bool		null1;
		bool		null2;
		Datum		first = SPI_getbinval(tuple, SPI_tuptable->tupdesc, 1, &null1);
		Datum		second = SPI_getbinval(tuple, SPI_tuptable->tupdesc, 2, &null2);

		if (!null1 && !null2)
			take(evidence, DatumGetInt64(first), DatumGetInt64(second));
	}
}

static void
take_redacted(Evidence *evidence, int64 seq, int64 groups)
{
	uint64		key = seq;
	bool		found;
	RedactedRecord *record = hash_search(evidence->redacted, &key, HASH_ENTER, &found);

	record->groups = groups;
}

static void
take_dropped(Evidence *evidence, int64 first, int64 last)
{
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(evidence));
	DroppedRange *range = palloc(sizeof(DroppedRange));

	range->first = first;
	range->last = last;
	evidence->dropped = lappend(evidence->dropped, range);
	MemoryContextSwitchTo(old);
}

/* Reads all that the change log tells of a log. */
Evidence *
evidence_read(const LogFormat *format)
{
	Evidence   *evidence = palloc0(sizeof(Evidence));
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(uint64);
	ctl.entrysize = sizeof(RedactedRecord);
	ctl.hcxt = CurrentMemoryContext;
	evidence->redacted = hash_create("redacted records", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	if (!OidIsValid(ledger_table("change_log", true)) || !OidIsValid(ledger_table("change_outbox", true)))
		return evidence;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	read_numbers("SELECT seq, pg_catalog.bit_or(bits) FROM ("
				 " SELECT CASE WHEN object_name ~ '/[0-9]{1,18}$' THEN pg_catalog.split_part(object_name, '/', 2)::bigint END AS seq,"
				 "  CASE WHEN g ~ '^[1-8]$' THEN 1::bigint << (g::integer - 1) END AS bits"
				 " FROM " CHANGES("log record", "redact") " c,"
				 " LATERAL pg_catalog.jsonb_array_elements_text(CASE pg_catalog.jsonb_typeof(after -> 'groups')"
				 "  WHEN 'array' THEN after -> 'groups' END) g"
				 " WHERE pg_catalog.split_part(object_name, '/', 1) = $1) r GROUP BY 1",
				 format->name, take_redacted, evidence);
	read_numbers("SELECT CASE WHEN after ->> 'from_seq' ~ '^[0-9]{1,18}$' THEN (after ->> 'from_seq')::bigint END,"
				 " CASE WHEN after ->> 'to_seq' ~ '^[0-9]{1,18}$' THEN (after ->> 'to_seq')::bigint END"
				 " FROM " CHANGES("log", "drop records") " c WHERE object_name = $1"
				 " ORDER BY 1, 2",
				 format->name, take_dropped, evidence);
	SPI_finish();
	return evidence;
}

/* The groups of a record whose erasure was logged, one bit each. */
uint32
evidence_redacted(const Evidence *evidence, uint64 seq)
{
	RedactedRecord *record = hash_search(evidence->redacted, &seq, HASH_FIND, NULL);

	return record == NULL ? 0 : record->groups;
}

/* Was it logged that all these records were dropped? */
bool
evidence_dropped(const Evidence *evidence, uint64 first, uint64 last)
{
	ListCell   *lc;

	/* the ranges are in order */
	foreach(lc, evidence->dropped)
	{
		DroppedRange *range = lfirst(lc);

		if (range->first <= first && range->last >= first)
			first = range->last + 1;
		if (first > last)
			return true;
	}
	return false;
}
