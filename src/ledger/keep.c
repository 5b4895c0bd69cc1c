/*-------------------------------------------------------------------------
 *
 * keep.c
 *	  Logs are not dropped while their records must still be kept.
 *
 * A log, a partition of one, or what would take them along (the extension, the
 * table of minimum times) is dropped by nobody while a record is younger than
 * the minimum retention of its log: by whatever statement, through CASCADE and
 * DROP OWNED, too.  DROP DATABASE calls no hook of ours.
 *
 * What a command drops goes one object after the other, dependent ones first,
 * and each that is asked about here must be found whole: a partition has lost
 * its index by then, and log_retention may be gone.  All logs are looked at
 * before log_retention goes, each partition before it goes itself.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "ledger/ledger_internal.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

/* Columns of steward.log_retention. */
#define Anum_log_retention_log		1
#define Anum_log_retention_minimum	2

/*
 * How long the records of a log must be kept at least, as
 * minimum_retention_of() says it.
 */
static Interval
minimum_of(const LogFormat *format, Snapshot snapshot)
{
	Interval	result = {0};
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tup;

	if (ledger_minimum_days >= 0)
	{
		result.day = ledger_minimum_days;
		return result;
	}
	if (strcmp(format->name, "inference_log") == 0)
		result.month = 6;
	rel = table_open(ledger_table("log_retention", false), AccessShareLock);
	scan = table_beginscan(rel, snapshot, 0, NULL);
	while (HeapTupleIsValid(tup = heap_getnext(scan, ForwardScanDirection)))
	{
		bool		isnull;
		Datum		log = heap_getattr(tup, Anum_log_retention_log, RelationGetDescr(rel), &isnull);
		Datum		minimum;

		if (strcmp(TextDatumGetCString(log), format->name) != 0)
			continue;
		minimum = heap_getattr(tup, Anum_log_retention_minimum, RelationGetDescr(rel), &isnull);
		if (!isnull)
			result = *DatumGetIntervalP(minimum);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

/* Has the table a record that is younger?  The youngest lie at its end. */
static bool
has_younger(Oid relid, TimestampTz than, Snapshot snapshot)
{
	Relation	rel = table_open(relid, AccessShareLock);
	AttrNumber	logged_at = get_attnum(relid, "logged_at");
	TableScanDesc scan;
	HeapTuple	tup;
	bool		found = false;

	if (logged_at != InvalidAttrNumber)
	{
		scan = table_beginscan_strat(rel, snapshot, 0, NULL, true, false);
		while (!found && HeapTupleIsValid(tup = heap_getnext(scan, BackwardScanDirection)))
		{
			bool		isnull;
			Datum		at = heap_getattr(tup, logged_at, RelationGetDescr(rel), &isnull);

			CHECK_FOR_INTERRUPTS();
			found = !isnull && DatumGetTimestampTz(at) > than;
		}
		table_endscan(scan);
	}
	table_close(rel, AccessShareLock);
	return found;
}

/* Refuses where a record in one of the tables must still be kept. */
static void
refuse_younger(const LogFormat *format, List *tables)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	Interval	minimum = minimum_of(format, snapshot);
	Interval	zero = {0};
	ListCell   *lc;

	if (DatumGetBool(DirectFunctionCall2(interval_gt, IntervalPGetDatum(&minimum), IntervalPGetDatum(&zero))))
	{
		TimestampTz than = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval,
																   TimestampTzGetDatum(GetCurrentTimestamp()),
																   IntervalPGetDatum(&minimum)));

		foreach(lc, tables)
			if (has_younger(lfirst_oid(lc), than, snapshot))
			ereport(ERROR,
					(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
					 errmsg("log \"%s\" cannot be dropped while its records must be kept", format->name),
					 errdetail("It has records that are younger than its minimum retention, %s.",
							   DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(&minimum)))),
					 errhint("SELECT * FROM steward.prepare_removal() tells what is in the way of removing pg_steward, and what to do.")));
	}
	UnregisterSnapshot(snapshot);
}

/* Refuses where a record of the log must still be kept. */
static void
refuse_log(const LogFormat *format)
{
	Oid			logid = ledger_table(format->name, true);
	Relation	log;
	List	   *tables = NIL;
	ListCell   *lc;

	if (!OidIsValid(logid))
		return;
	log = table_open(logid, AccessShareLock);
	if (log->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		foreach(lc, ledger_partitions(log))
			tables = lcons_oid(((LogPartition *) lfirst(lc))->relid, tables);
	table_close(log, NoLock);
	refuse_younger(format, tables);
}

static void
refuse_logs(void)
{
	const LogFormat *format;

	for (int i = 0; (format = ledger_format_at(i)) != NULL; i++)
		refuse_log(format);
}

/*
 * The log whose partition the table is, also where it was detached before;
 * NULL: it is no partition of a log.
 */
static const LogFormat *
log_of_partition(Oid relid)
{
	char	   *name = get_rel_name(get_rel_relispartition(relid) ? get_partition_parent(relid, true) : relid);
	char	   *suffix;

	if (name == NULL)
		return NULL;
	if (!get_rel_relispartition(relid))
	{
		suffix = strrchr(name, '_');
		if (suffix == NULL || suffix[1] != 'p')
			return NULL;
		*suffix = '\0';
	}
	return ledger_format(name, true);
}

/* A table of our schema is about to be dropped. */
static void
table_dropped(Oid relid)
{
	const LogFormat *format;

	if (relid == ledger_table("log_retention", true))
		refuse_logs();
	else if ((format = log_of_partition(relid)) != NULL)
		refuse_younger(format, list_make1_oid(relid));
	else if ((format = ledger_format(get_rel_name(relid), true)) != NULL)
		refuse_log(format);
}

/* Called for each catalog object that a command makes, alters or drops. */
void
ledger_object_access(ObjectAccessType access, Oid classId, Oid objectId, int subId)
{
	/* where log_retention is gone, all logs were looked at before */
	if (access != OAT_DROP || subId != 0 || !steward_is_created() ||
		!OidIsValid(ledger_table("log_retention", true)))
		return;
	if (classId == ExtensionRelationId)
	{
		if (objectId == get_extension_oid("pg_steward", true))
			refuse_logs();
	}
	else if (classId == RelationRelationId && get_rel_namespace(objectId) == steward_namespace())
	{
		char		kind = get_rel_relkind(objectId);

		if (kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE)
			table_dropped(objectId);
	}
}
