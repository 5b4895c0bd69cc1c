/*-------------------------------------------------------------------------
 *
 * partition.c
 *	  Partitions of logs: found by the number of a record, made ahead.
 *
 * A partition is made as a table of its own and then attached: PARTITION OF
 * would wait behind every open SELECT on the log.  Its bounds are multiples of
 * 65,536, so that the tiles of the two lowest levels belong to one partition.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "ledger/ledger_internal.h"
#include "miscadmin.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#define PARTITION_UNIT		65536	/* records; two levels of tiles */

static int	partition_records = 1048576;
int			ledger_minimum_days = -1;

/* OID of a table of ours; InvalidOid or an error where it is missing. */
Oid
ledger_table(const char *name, bool missing_ok)
{
	Oid			nsp = steward_namespace();
	Oid			oid = OidIsValid(nsp) ? get_relname_relid(name, nsp) : InvalidOid;

	if (!OidIsValid(oid) && !missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"%s.%s\" does not exist", STEWARD_SCHEMA, name),
				 errhint("Update the extension with ALTER EXTENSION pg_steward UPDATE.")));
	return oid;
}

/*
 * The bound number i of the log's partitions, in order; the greatest int64
 * stands for MAXVALUE, the least for MINVALUE.
 */
static int64
bound_value(PartitionBoundInfo bounds, int i)
{
	if (bounds->kind != NULL && bounds->kind[i][0] != PARTITION_RANGE_DATUM_VALUE)
		return bounds->kind[i][0] == PARTITION_RANGE_DATUM_MAXVALUE ? PG_INT64_MAX : PG_INT64_MIN;
	return DatumGetInt64(bounds->datums[i][0]);
}

/*
 * The partition that takes the record of that number, with the numbers that
 * it begins and ends (exclusively) at; InvalidOid where there is none.
 */
Oid
ledger_partition_of(Relation log, uint64 seq, uint64 *first, uint64 *end)
{
	PartitionDesc desc = RelationGetPartitionDesc(log, true);
	PartitionBoundInfo bounds = desc->boundinfo;
	int			low = 0;
	int			high = desc->nparts == 0 ? 0 : bounds->ndatums;

	/* the first bound above the number is the end of its partition */
	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (bound_value(bounds, middle) > (int64) seq)
			high = middle;
		else
			low = middle + 1;
	}
	if (desc->nparts == 0 || low == 0 || low == bounds->ndatums || bounds->indexes[low] < 0)
		return InvalidOid;
	*first = bound_value(bounds, low - 1);
	*end = bound_value(bounds, low);
	return desc->oids[bounds->indexes[low]];
}

/* The partitions of a log in the order of their numbers. */
List *
ledger_partitions(Relation log)
{
	PartitionDesc desc = RelationGetPartitionDesc(log, true);
	List	   *partitions = NIL;

	if (desc->nparts == 0)
		return NIL;
	for (int i = 1; i < desc->boundinfo->ndatums; i++)
	{
		LogPartition *partition;

		if (desc->boundinfo->indexes[i] < 0)
			continue;
		partition = palloc(sizeof(LogPartition));
		partition->relid = desc->oids[desc->boundinfo->indexes[i]];
		partition->first = bound_value(desc->boundinfo, i - 1);
		partition->end = bound_value(desc->boundinfo, i);
		partitions = lappend(partitions, partition);
	}
	return partitions;
}

/* One more than the greatest number in the log's rows, 0 where it has none. */
uint64
ledger_rows_end(Relation log, Snapshot snapshot)
{
	List	   *partitions = ledger_partitions(log);

	for (int i = list_length(partitions) - 1; i >= 0; i--)
	{
		LogPartition *partition = list_nth(partitions, i);
		Relation	rel = table_open(partition->relid, AccessShareLock);
		Relation	index = index_open(STEWARD_PRIMARY_KEY(rel), AccessShareLock);
		SysScanDesc scan = systable_beginscan_ordered(rel, index, snapshot, 0, NULL);
		HeapTuple	tuple = systable_getnext_ordered(scan, BackwardScanDirection);
		uint64		end = 0;

		if (HeapTupleIsValid(tuple))
		{
			bool		isnull;
			AttrNumber	seq = get_attnum(partition->relid, "seq");

			end = DatumGetInt64(heap_getattr(tuple, seq, RelationGetDescr(rel), &isnull)) + 1;
		}
		systable_endscan_ordered(scan);
		index_close(index, AccessShareLock);
		table_close(rel, AccessShareLock);
		if (end > 0)
			return end;
	}
	return 0;
}

static void
run(const char *command)
{
	if (SPI_execute(command, false, 0) < 0)
		elog(ERROR, "could not run: %s", command);
}

/*
 * Makes one partition, for the numbers from first on.  Indexes are the
 * partitions' own: those of the whole log would be made by ATTACH when a dump
 * is restored, and once more by the dump.
 */
static void
make_partition(const LogFormat *format, uint64 first, uint64 end)
{
	char	   *name = psprintf("%s_p" UINT64_FORMAT, format->name, first);

	run(psprintf("CREATE TABLE steward.%s (LIKE steward.%s INCLUDING ALL, PRIMARY KEY (seq))", name, format->name));
	run(psprintf("CREATE INDEX ON steward.%s USING brin (logged_at)", name));
	for (int i = 0; format->indexes != NULL && format->indexes[i] != NULL; i++)
		run(psprintf("CREATE INDEX ON steward.%s USING %s", name, format->indexes[i]));
	run(psprintf("CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON steward.%s "
				 "FOR EACH STATEMENT EXECUTE FUNCTION steward.refuse_change('Log a new record instead.')", name));
	run(psprintf("CREATE TRIGGER refuse_insert BEFORE INSERT ON steward.%s "
				 "FOR EACH STATEMENT EXECUTE FUNCTION steward.refuse_insert()", name));
	run(psprintf("ALTER TABLE steward.%s ENABLE ALWAYS TRIGGER refuse_change", name));
	run(psprintf("ALTER TABLE steward.%s ENABLE ALWAYS TRIGGER refuse_insert", name));
	run(psprintf("COMMENT ON TABLE steward.%s IS 'records of the log %s from number " UINT64_FORMAT " on'",
				 name, format->name, first));
	run(psprintf("ALTER TABLE steward.%s ATTACH PARTITION steward.%s FOR VALUES FROM (" UINT64_FORMAT ") TO (" UINT64_FORMAT ")",
				 format->name, name, first, end));
}

/*
 * Makes partitions until "ahead" more records fit than the log has, or than
 * size where that is more (the records that a transaction has just added are
 * not seen); returns how many were made.  They belong to the owner of the log.
 * Who reads the log is not waited for.
 */
static int
make_partitions(const LogFormat *format, uint64 size, uint64 ahead)
{
	Relation	log;
	Snapshot	snapshot;
	uint64		end = 0;
	List	   *partitions;
	int			made = 0;
	Oid			owner;
	Oid			userid;
	int			context;
	int			nestlevel;

	/* the writer and the keeper may both come here */
	log = table_open(ledger_table(format->name, false), ShareUpdateExclusiveLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	size = Max(size, ledger_rows_end(log, snapshot));
	size = Max(size, tile_count(format, 0, snapshot) * LEDGER_TILE_WIDTH);
	UnregisterSnapshot(snapshot);
	partitions = ledger_partitions(log);
	if (partitions != NIL)
		end = ((LogPartition *) llast(partitions))->end;
	end = Max(end, size - size % PARTITION_UNIT);
	owner = log->rd_rel->relowner;
	table_close(log, NoLock);
	if (end < size + ahead)
	{
		GetUserIdAndSecContext(&userid, &context);
		SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
		nestlevel = NewGUCNestLevel();
		(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
		(void) set_config_option("client_min_messages", "warning", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
		SPI_connect();
		for (; end < size + ahead; made++)
		{
			make_partition(format, end, end + partition_records);
			end += partition_records;
		}
		SPI_finish();
		AtEOXact_GUC(true, nestlevel);
		SetUserIdAndSecContext(userid, context);
		CommandCounterIncrement();
	}
	return made;
}

/* For the keeper: room for "ahead" more records. */
int
ledger_make_partitions(const LogFormat *format, uint64 ahead)
{
	return make_partitions(format, 0, ahead);
}

/* For the writer, whom the keeper left without one: room for one record. */
void
ledger_make_partition_for(const LogFormat *format, uint64 seq)
{
	(void) make_partitions(format, seq, 1);
}

STEWARD_FUNCTION(steward_log_partitions);

/* log_partitions(log): its partitions in order, with their numbers. */
Datum
steward_log_partitions(PG_FUNCTION_ARGS)
{
	const LogFormat *format;
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation	log;
	ListCell   *lc;

	steward_require_preload();
	format = ledger_format(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	InitMaterializedSRF(fcinfo, 0);
	log = table_open(ledger_table(format->name, false), AccessShareLock);
	foreach(lc, ledger_partitions(log))
	{
		LogPartition *partition = lfirst(lc);
		Datum		values[3];
		bool		nulls[3] = {false};

		values[0] = ObjectIdGetDatum(partition->relid);
		values[1] = Int64GetDatum(partition->first);
		values[2] = Int64GetDatum(partition->end - 1);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	table_close(log, AccessShareLock);
	return (Datum) 0;
}

static bool
check_partition_records(int *newval, void **extra, GucSource source)
{
	if (*newval % PARTITION_UNIT == 0)
		return true;
	GUC_check_errdetail("The number of records of a partition is a multiple of %d.", PARTITION_UNIT);
	return false;
}

/* Defines the settings.  Called once, while libraries are preloaded. */
void
partition_init(void)
{
	DefineCustomIntVariable("steward.minimum_retention",
							"Days for which records of every log are kept at least.",
							"-1: what the law asks for, as table log_retention says it for each log.",
							&ledger_minimum_days,
							-1, -1, 36500,
							PGC_SUSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("steward.partition_records",
							"Records of one partition of a log.",
							"Holds for partitions that are made from now on; a multiple of 65,536.",
							&partition_records,
							1048576, PARTITION_UNIT, 1 << 30,
							PGC_SUSET, 0,
							check_partition_records, NULL, NULL);
}
