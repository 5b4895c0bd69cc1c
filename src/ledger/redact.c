/*-------------------------------------------------------------------------
 *
 * redact.c
 *	  redact(): erases payloads and personal data of a record, while every
 *	  proof still holds.
 *
 * Of an erased group its commitment stays, so that the leaf is what it always
 * was; that is checked before anything is erased.  The erasure is told to the
 * change log in the same transaction.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "ledger/ledger_internal.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/snapmgr.h"

/* The groups that the caller names, one bit each; NULL: all of the log. */
static uint32
groups_of(const LogFormat *format, ArrayType *array)
{
	uint32		all = (1 << format->ngroups) - 1;
	uint32		groups = 0;
	Datum	   *values;
	bool	   *nulls;
	int			n;

	if (all == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("log \"%s\" has nothing that could be erased", format->name)));
	if (array == NULL)
		return all;
	deconstruct_array(array, INT4OID, sizeof(int32), true, TYPALIGN_INT, &values, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		int			group = nulls[i] ? 0 : DatumGetInt32(values[i]);

		if (group < 1 || group > format->ngroups)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("log \"%s\" has no group %d", format->name, group),
					 errhint("log_format(log) lists the groups.")));
		groups |= 1 << (group - 1);
	}
	return groups;
}

/*
 * Changes of logs and of their records are the evidence for what is missing
 * from them; that evidence is not erased.
 */
static void
refuse_evidence(const LogColumns *columns, const Datum *values, const bool *nulls)
{
	const LogFormat *format = columns->format;

	if (strcmp(format->name, "change_log") != 0)
		return;
	for (int i = 0; i < format->nfields; i++)
	{
		int			column = columns->field[i] - 1;
		char	   *kind;

		if (strcmp(format->fields[i].name, "object_kind") != 0 || nulls[column])
			continue;
		kind = TextDatumGetCString(values[column]);
		if (strcmp(kind, "log") == 0 || strcmp(kind, "log record") == 0 || strcmp(kind, "signing key") == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("what the change log tells of logs is not erased"),
					 errhint("It is the evidence for what is missing from them.")));
	}
}

/* Finds the row of a record; NULL where there is none. */
static HeapTuple
find_row(Relation rel, const LogColumns *columns, uint64 seq)
{
	Relation	index = index_open(STEWARD_PRIMARY_KEY(rel), AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, columns->seq, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(seq));
	scan = systable_beginscan_ordered(rel, index, snapshot, 1, &key);
	tuple = systable_getnext_ordered(scan, ForwardScanDirection);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan_ordered(scan);
	UnregisterSnapshot(snapshot);
	index_close(index, AccessShareLock);
	return tuple;
}

/* Makes column "erased" anew: which groups are kept by their salt. */
static Datum
make_erased(const LogColumns *columns, const Datum *values, const bool *nulls,
			uint32 erased, const StringInfoData *entry)
{
	const LogFormat *format = columns->format;
	const uint8 *commitments = (const uint8 *) entry->data + entry->len - format->ngroups * LEDGER_HASH_LENGTH;
	StringInfoData out;
	const uint8 *old = NULL;
	const uint8 *seed = NULL;

	if (nulls[columns->salt - 1])
		old = (const uint8 *) VARDATA_ANY(PG_DETOAST_DATUM_PACKED(values[columns->erased - 1]));
	else
		seed = (const uint8 *) VARDATA_ANY(PG_DETOAST_DATUM_PACKED(values[columns->salt - 1]));
	initStringInfo(&out);
	for (int g = 1; g <= format->ngroups; g++)
	{
		uint8		salt[LEDGER_SALT_LENGTH];
		bool		gone = (erased & (1 << (g - 1))) != 0;

		if (seed != NULL)
			leaf_salt(seed, g, salt);
		else
		{
			if (*old == 0)
				memcpy(salt, old + 1, LEDGER_SALT_LENGTH);
			old += 1 + (*old == 0 ? LEDGER_SALT_LENGTH : LEDGER_HASH_LENGTH);
		}
		appendStringInfoChar(&out, gone ? 1 : 0);
		if (gone)
			appendBinaryStringInfo(&out, (const char *) commitments + (g - 1) * LEDGER_HASH_LENGTH,
								   LEDGER_HASH_LENGTH);
		else
			appendBinaryStringInfo(&out, (const char *) salt, LEDGER_SALT_LENGTH);
	}
	return PointerGetDatum(cstring_to_text_with_len(out.data, out.len));
}

/* Puts the new row in place of the old one, below triggers. */
static void
replace_row(Relation rel, HeapTuple old, HeapTuple new)
{
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *info = makeNode(ResultRelInfo);
	TupleTableSlot *slot = table_slot_create(rel, NULL);

	InitResultRelInfo(info, rel, 1, NULL, 0);
	ExecOpenIndices(info, false);
	STEWARD_HEAP_UPDATE(rel, &old->t_self, new);
	if (!HeapTupleIsHeapOnly(new))
	{
		ExecForceStoreHeapTuple(new, slot, false);
		slot->tts_tid = new->t_self;
		slot->tts_tableOid = RelationGetRelid(rel);
		(void) STEWARD_INSERT_INDEX_TUPLES(info, slot, estate);
	}
	ExecDropSingleTupleTableSlot(slot);
	ExecCloseIndices(info);
	FreeExecutorState(estate);
	CommandCounterIncrement();
}

/*
 * Erases groups of a record; those of them that were erased before are left.
 * Returns which were erased now.
 */
static uint32
erase(const LogFormat *format, uint64 seq, uint32 groups)
{
	Relation	log = table_open(ledger_table(format->name, false), AccessShareLock);
	uint64		first;
	uint64		end;
	Oid			relid = ledger_partition_of(log, seq, &first, &end);
	Relation	rel;
	LogColumns	columns;
	HeapTuple	old = NULL;
	HeapTuple	new;
	Datum	   *values;
	bool	   *nulls;
	bool	   *replace;
	StringInfoData before;
	StringInfoData after;
	StringInfoData work;
	uint32		erased;
	uint32		now;
	const char *problem;

	if (OidIsValid(relid))
	{
		rel = table_open(relid, RowExclusiveLock);
		log_columns_find(&columns, format, rel);
		old = find_row(rel, &columns, seq);
	}
	if (old == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("log \"%s\" has no record " INT64_FORMAT, format->name, (int64) seq)));

	values = palloc(columns.natts * sizeof(Datum));
	nulls = palloc(columns.natts * sizeof(bool));
	replace = palloc0(columns.natts * sizeof(bool));
	initStringInfo(&before);
	initStringInfo(&after);
	initStringInfo(&work);
	heap_deform_tuple(old, RelationGetDescr(rel), values, nulls);
	refuse_evidence(&columns, values, nulls);
	problem = leaf_entry_of_row(&before, &columns, values, nulls, &erased, &work);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("record " UINT64_FORMAT " of log \"%s\" is damaged: %s", seq, format->name, problem),
				 errhint("verify() tells more.")));
	now = groups & ~erased;
	if (now != 0)
	{
		values[columns.erased - 1] = make_erased(&columns, values, nulls, erased | now, &before);
		nulls[columns.erased - 1] = false;
		nulls[columns.salt - 1] = true;
		replace[columns.erased - 1] = replace[columns.salt - 1] = true;
		for (int i = 0; i < format->nfields; i++)
		{
			if (format->fields[i].group == 0 || (now & (1 << (format->fields[i].group - 1))) == 0)
				continue;
			nulls[columns.field[i] - 1] = true;
			replace[columns.field[i] - 1] = true;
		}
		problem = leaf_entry_of_row(&after, &columns, values, nulls, &erased, &work);
		if (problem != NULL || after.len != before.len || memcmp(after.data, before.data, after.len) != 0)
			elog(ERROR, "erasing would change the leaf of record " UINT64_FORMAT " of log \"%s\"",
				 seq, format->name);
		new = heap_modify_tuple(old, RelationGetDescr(rel), values, nulls, replace);
		replace_row(rel, old, new);
	}
	table_close(rel, NoLock);
	table_close(log, NoLock);
	return now;
}

/* redact() and redact_record(), for who may. */
static Datum
redact(FunctionCallInfo fcinfo)
{
	const LogFormat *format;
	int64		seq;
	char	   *reason;
	uint32		erased;
	StringInfoData after;
	const char *separator = "";

	PreventCommandIfReadOnly("redact()");
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("log, seq and reason must not be null")));
	format = ledger_format(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	seq = PG_GETARG_INT64(1);
	reason = text_to_cstring(PG_GETARG_TEXT_PP(2));
	if (strspn(reason, " \t\n") == strlen(reason))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("reason must not be empty"),
				 errhint("The change log keeps it: say on what ground the data is erased.")));
	erased = erase(format, seq, groups_of(format, PG_ARGISNULL(3) ? NULL : PG_GETARG_ARRAYTYPE_P(3)));
	if (erased == 0)
		PG_RETURN_BOOL(false);

	initStringInfo(&after);
	appendStringInfoString(&after, "{\"groups\": [");
	for (int g = 1; g <= format->ngroups; g++)
	{
		if ((erased & (1 << (g - 1))) == 0)
			continue;
		appendStringInfo(&after, "%s%d", separator, g);
		separator = ", ";
	}
	appendStringInfoString(&after, "], \"reason\": ");
	escape_json(&after, reason);
	appendStringInfoChar(&after, '}');
	ledger_record_change("log record", psprintf("%s/" INT64_FORMAT, format->name, seq), "redact", after.data);
	PG_RETURN_BOOL(true);
}

STEWARD_FUNCTION(steward_redact);
STEWARD_FUNCTION(steward_redact_record);

/* redact(log, seq, reason, groups) */
Datum
steward_redact(PG_FUNCTION_ARGS)
{
	ledger_require_role(STEWARD_ADMIN, STEWARD_ADMIN);
	return redact(fcinfo);
}

/* redact_record(log, seq, reason, groups): for functions that have asked who calls. */
Datum
steward_redact_record(PG_FUNCTION_ARGS)
{
	return redact(fcinfo);
}
