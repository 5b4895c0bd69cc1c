/*-------------------------------------------------------------------------
 *
 * append.c
 *	  Adds records to a log: rows, index entries, tiles.
 *
 * One process writes a log at a time: its writer.  Rows go into their
 * partition in one piece (heap_multi_insert), below triggers.  The number of a
 * record is the number of records before it, so there is no sequence and no
 * gap.
 *
 * A handle knows the size of the tree and its open ends.  It is right as long
 * as every transaction in which it was appended to has committed; after an
 * error it is closed, and the next one reads what is committed.
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
#include "executor/executor.h"
#include "ledger/ledger_internal.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define MAX_CHUNK_ROWS		500
#define MAX_CHUNK_BYTES		(1024 * 1024)

/* What rows of a partition are put together in; kept for the next ones. */
typedef struct RowMaker
{
	MemoryContext context;		/* NULL: nothing was made */
	TupleDesc	desc;			/* as the partition had it */
	LogColumns	columns;
	MemoryContext rows;			/* of the rows that are being appended */
	StringInfoData work;
	int			nslots;
	TupleTableSlot *slots[MAX_CHUNK_ROWS];
} RowMaker;

struct Ledger
{
	const LogFormat *format;
	uint64		committed;		/* size at the last commit */
	TreeEnds	ends;
	RowMaker	rows;
};

/*
 * Hashes the rows that fill no tile yet.  They all lie in one partition, for
 * partitions begin where tiles do.
 */
static void
read_open_rows(Relation log, const LogFormat *format, uint64 size, Snapshot snapshot, TreeEnds *ends)
{
	uint64		start = size - size % LEDGER_TILE_WIDTH;
	uint64		expected = start;
	uint64		first;
	uint64		end;
	Oid			relid = ledger_partition_of(log, start, &first, &end);
	Relation	rel;
	Relation	index;
	LogColumns	columns;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	StringInfoData entry;
	StringInfoData work;
	Datum	   *values;
	bool	   *nulls;
	uint8		known[LEDGER_TILE_WIDTH * LEDGER_HASH_LENGTH];

	if (start == size)
		return;
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("log \"%s\" has no partition for record " UINT64_FORMAT, format->name, start)));
	rel = table_open(relid, AccessShareLock);
	index = index_open(STEWARD_PRIMARY_KEY(rel), AccessShareLock);
	log_columns_find(&columns, format, rel);
	values = palloc(columns.natts * sizeof(Datum));
	nulls = palloc(columns.natts * sizeof(bool));
	initStringInfo(&entry);
	initStringInfo(&work);
	ScanKeyInit(&key, columns.seq, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(start));
	scan = systable_beginscan_ordered(rel, index, snapshot, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection)))
	{
		const char *problem;
		uint32		erased;

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		problem = leaf_entry_of_row(&entry, &columns, values, nulls, &erased, &work);
		if (problem == NULL && DatumGetInt64(values[columns.seq - 1]) != expected)
			problem = "it is missing";
		if (problem != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("record " UINT64_FORMAT " of log \"%s\" is damaged: %s",
							expected, format->name, problem),
					 errhint("verify() tells more.")));
		leaf_hash(entry.data, entry.len, ends->hash[0][ends->count[0]++]);
		expected++;
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	if (expected != size ||
		leaf_table_read(format, start, snapshot, known) != size - start ||
		memcmp(known, ends->hash[0], (size - start) * LEDGER_HASH_LENGTH) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the last records of log \"%s\" are not those that were written", format->name),
				 errhint("verify() tells more.")));
}

/*
 * Where somebody accepted that records are damaged, the log goes on from the
 * hashes that were left of them: they are what was proven, and verify() goes on
 * finding the damage.
 */
static void
read_open_hashes(const LogFormat *format, uint64 size, Snapshot snapshot, TreeEnds *ends)
{
	uint64		start = size - size % LEDGER_TILE_WIDTH;

	if (start == size)
		return;
	ends->count[0] = size - start;
	if (leaf_table_read(format, start, snapshot, ends->hash[0][0]) != size - start)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("hashes of the last records of log \"%s\" are missing", format->name),
				 errhint("verify() tells more.")));
}

/*
 * Reads the size of a log and the open ends of its tree, as the snapshot sees
 * them.  Raises where rows or tiles of them are missing.
 */
void
ledger_read_ends(const LogFormat *format, Snapshot snapshot, TreeEnds *ends)
{
	Relation	log = table_open(ledger_table(format->name, false), AccessShareLock);
	uint64		tiles = tile_count(format, 0, snapshot);
	bool		accepted = ledger_damage_accepted();
	uint64		size = accepted ? Max(tiles * LEDGER_TILE_WIDTH, leaf_table_end(format, snapshot)) :
	ledger_rows_end(log, snapshot);
	uint8	   *hashes = palloc(LEDGER_TILE_WIDTH * LEDGER_HASH_LENGTH);

	/*
	 * Retention drops the rows below full tiles, so tiles may reach as far as
	 * rows do.  Rows that reach less far than tiles were taken away.
	 */
	if (size / LEDGER_TILE_WIDTH != tiles)
	{
		uint64		first;
		uint64		end;

		if (size > 0 || OidIsValid(ledger_partition_of(log, tiles * LEDGER_TILE_WIDTH - 1, &first, &end)))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("log \"%s\" has " UINT64_FORMAT " records and " UINT64_FORMAT " full tiles",
							format->name, size, tiles),
					 errhint("verify() tells more.")));
		size = tiles * LEDGER_TILE_WIDTH;
	}

	memset(ends->count, 0, sizeof(ends->count));
	ends->size = size;
	if (accepted)
		read_open_hashes(format, size, snapshot, ends);
	else
		read_open_rows(log, format, size, snapshot, ends);
	for (int level = 1; level < TREE_LEVELS && (size >> (8 * level)) > 0; level++)
	{
		uint64		n = size >> (8 * level);

		for (uint64 i = n - n % LEDGER_TILE_WIDTH; i < n; i++)
		{
			if (!tile_read(format, level - 1, i, snapshot, hashes))
				ereport(ERROR,
						(errcode(ERRCODE_DATA_CORRUPTED),
						 errmsg("tile " UINT64_FORMAT " of level %d of log \"%s\" is missing",
								i, level - 1, format->name),
						 errhint("verify() tells more.")));
			tree_perfect(hashes, LEDGER_TILE_WIDTH, ends->hash[level][ends->count[level]++]);
		}
	}
	pfree(hashes);
	table_close(log, NoLock);
}

/* Opens a log for its writer; lives until it is closed. */
Ledger *
ledger_open(const LogFormat *format)
{
	Ledger	   *ledger = MemoryContextAlloc(TopMemoryContext, sizeof(Ledger));
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

	ledger->format = format;
	PG_TRY();
	{
		ledger_read_ends(format, snapshot, &ledger->ends);
	}
	PG_CATCH();
	{
		pfree(ledger);
		PG_RE_THROW();
	}
	PG_END_TRY();
	UnregisterSnapshot(snapshot);
	ledger->committed = ledger->ends.size;
	ledger->rows.context = NULL;
	return ledger;
}

static void
forget_rows(RowMaker *rows)
{
	if (rows->context != NULL)
		MemoryContextDelete(rows->context);
	rows->context = NULL;
}

void
ledger_close(Ledger *ledger)
{
	forget_rows(&ledger->rows);
	pfree(ledger);
}

/* Records in the log, those of the transaction that runs included. */
uint64
ledger_size(const Ledger *ledger)
{
	return ledger->ends.size;
}

const LogFormat *
ledger_format_of(const Ledger *ledger)
{
	return ledger->format;
}

const TreeEnds *
ledger_ends(const Ledger *ledger)
{
	if (ledger->committed != ledger->ends.size)
		elog(ERROR, "log \"%s\" has records that are not committed", ledger->format->name);
	return &ledger->ends;
}

/* What was appended is committed. */
void
ledger_after_commit(Ledger *ledger)
{
	ledger->committed = ledger->ends.size;
}

static void
store_tile(void *arg, int level, uint64 index, const uint8 *hashes)
{
	tile_store(arg, level, index, hashes);
}

/* Makes ready to put together rows of the partition. */
static void
prepare_rows(RowMaker *rows, const LogFormat *format, Relation rel)
{
	MemoryContext context;
	MemoryContext old_context;

	if (rows->context != NULL && equalTupleDescs(rows->desc, RelationGetDescr(rel)))
		return;
	forget_rows(rows);
	context = AllocSetContextCreate(CurrentMemoryContext, "pg_steward row maker", ALLOCSET_DEFAULT_SIZES);
	old_context = MemoryContextSwitchTo(context);
	rows->desc = CreateTupleDescCopyConstr(RelationGetDescr(rel));
	log_columns_find(&rows->columns, format, rel);
	initStringInfo(&rows->work);
	rows->rows = AllocSetContextCreate(context, "pg_steward rows", ALLOCSET_DEFAULT_SIZES);
	rows->nslots = 0;
	MemoryContextSwitchTo(old_context);
	MemoryContextSetParent(context, TopMemoryContext);
	rows->context = context;
}

/* Makes the row of one record in the slot, and its leaf. */
static void
make_row(Ledger *ledger, const LogRecord *record, const uint8 *seed, TupleTableSlot *slot)
{
	RowMaker   *rows = &ledger->rows;
	uint64		seq = ledger->ends.size;
	LogLayout	layout;
	uint8		hash[LEDGER_HASH_LENGTH];

	log_row_of_record(&rows->columns, rows->desc, seq, record, seed, slot, &layout);
	leaf_of_record(&rows->work, ledger->format, seq, record, &layout, seed, hash);
	tree_add(&ledger->ends, hash, store_tile, (void *) ledger->format);
}

/* Appends records to one partition, which has room for them all. */
static void
append_to_partition(Ledger *ledger, Relation rel, int n, const LogRecord *records)
{
	RowMaker   *rows = &ledger->rows;
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *info = makeNode(ResultRelInfo);
	CommandId	cid = GetCurrentCommandId(true);
	uint8		seeds[MAX_CHUNK_ROWS * LEDGER_SEED_LENGTH];

	prepare_rows(rows, ledger->format, rel);
	InitResultRelInfo(info, rel, 1, NULL, 0);
	ExecOpenIndices(info, false);

	for (int done = 0; done < n;)
	{
		Size		bytes = 0;
		int			chunk = 0;
		MemoryContext old_context;

		/* one call for all: a call costs more than its bytes */
		crypto_random(seeds, Min(n - done, MAX_CHUNK_ROWS) * LEDGER_SEED_LENGTH);
		old_context = MemoryContextSwitchTo(rows->rows);
		for (; done + chunk < n && chunk < MAX_CHUNK_ROWS && bytes < MAX_CHUNK_BYTES; chunk++)
		{
			if (chunk == rows->nslots)
			{
				MemoryContextSwitchTo(rows->context);
				rows->slots[rows->nslots] = MakeSingleTupleTableSlot(rows->desc, &TTSOpsHeapTuple);
				rows->nslots++;
				MemoryContextSwitchTo(rows->rows);
			}
			make_row(ledger, &records[done + chunk], seeds + chunk * LEDGER_SEED_LENGTH,
					 rows->slots[chunk]);
			bytes += records[done + chunk].len;
		}
		heap_multi_insert(rel, rows->slots, chunk, cid, 0, NULL);
		ledger_insert_into_indexes(info, rows->slots, chunk, estate);
		MemoryContextSwitchTo(old_context);
		ResetPerTupleExprContext(estate);
		for (int i = 0; i < chunk; i++)
			ExecClearTuple(rows->slots[i]);
		MemoryContextReset(rows->rows);
		CHECK_FOR_INTERRUPTS();
		done += chunk;
	}

	ExecCloseIndices(info);
	FreeExecutorState(estate);
}

/*
 * Notes the hashes of new leaves that fill no tile yet, so that verify() can
 * name a record that was changed; those in full tiles are forgotten.
 */
static void
note_open_leaves(Ledger *ledger, uint64 first)
{
	uint64		size = ledger->ends.size;
	uint64		start = size - size % LEDGER_TILE_WIDTH;

	if (first < start)
		leaf_table_forget(ledger->format, start);
	first = Max(first, start);
	if (first < size)
		leaf_table_add(ledger->format, first, (int) (size - first),
					   ledger->ends.hash[0][first - start]);

	/* what was forgotten must not be met again in this transaction */
	CommandCounterIncrement();
}

/* The partition for a record, which has room for records up to end. */
static Oid
find_partition(Oid logid, uint64 seq, uint64 *end)
{
	Relation	log = table_open(logid, AccessShareLock);
	uint64		first;
	Oid			relid = ledger_partition_of(log, seq, &first, end);

	table_close(log, NoLock);
	return relid;
}

/*
 * Appends records and returns the number of the first.  Raises for a record
 * that cannot be stored; the transaction then aborts, and the handle must be
 * closed.
 */
uint64
ledger_append(Ledger *ledger, int n, const LogRecord *records)
{
	uint64		result = ledger->ends.size;
	Oid			logid = ledger_table(ledger->format->name, false);

	while (n > 0)
	{
		uint64		seq = ledger->ends.size;
		uint64		end;
		Oid			relid = find_partition(logid, seq, &end);
		Relation	rel;
		int			fits;

		if (!OidIsValid(relid))
		{
			/* the keeper did not come in time */
			ledger_make_partition_for(ledger->format, seq);
			relid = find_partition(logid, seq, &end);
			if (!OidIsValid(relid))
				elog(ERROR, "log \"%s\" has no partition for record " UINT64_FORMAT,
					 ledger->format->name, seq);
		}
		rel = table_open(relid, RowExclusiveLock);
		fits = Min((uint64) n, end - seq);
		append_to_partition(ledger, rel, fits, records);
		table_close(rel, NoLock);
		records += fits;
		n -= fits;
	}
	note_open_leaves(ledger, result);
	return result;
}
