/*-------------------------------------------------------------------------
 *
 * verify.c
 *	  verify(): are the logs what the writer made of them?
 *
 * Every leaf is computed anew from the columns of its record, in the order of
 * numbers, and compared with the hash that the writer left; tiles, roots and
 * checkpoints are compared as the tree grows past them.  The first thing that
 * does not fit ends the search: what is after it is not vouched for.
 *
 * Nothing that is read here is trusted.  Damage is a finding, not an error.
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
#include "funcapi.h"
#include "ledger/note.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define ROWS_PER_RESET	1000

typedef struct Verification
{
	const LogFormat *format;
	Snapshot	snapshot;
	Evidence   *evidence;
	List	   *keys;
	const Note *known_note;		/* a checkpoint kept elsewhere; NULL: none */
	const Checkpoint *known;

	/* the next checkpoint of the table */
	Relation	checkpoints;
	Relation	checkpoint_index;
	SysScanDesc checkpoint_scan;
	CheckpointRecord *next_checkpoint;

	uint64		size;			/* leaves that the writer left hashes of */
	TreeEnds	ends;			/* the tree as far as it was computed */
	uint64		vouched;		/* size of the last good checkpoint */
	uint8		tile[LEDGER_TILE_WIDTH * LEDGER_HASH_LENGTH];	/* of level 0, in which
																 * the next leaf is */

	/* the first finding */
	char	   *problem;		/* NULL: none */
	uint64		first_bad;
} Verification;

/* Notes the first finding; returns false. */
static bool
found(Verification *v, uint64 seq, const char *problem)
{
	if (v->problem == NULL)
	{
		v->problem = MemoryContextStrdup(GetMemoryChunkContext(v), problem);
		v->first_bad = seq;
	}
	return false;
}

/* ------------------------------------------------------------------------
 * Checkpoints
 * ------------------------------------------------------------------------
 */

static void
fetch_checkpoint(Verification *v)
{
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(v));
	HeapTuple	tuple = systable_getnext_ordered(v->checkpoint_scan, ForwardScanDirection);

	if (v->next_checkpoint != NULL)
	{
		pfree(v->next_checkpoint->note);
		pfree(v->next_checkpoint->origin);
		pfree(v->next_checkpoint);
	}
	v->next_checkpoint = HeapTupleIsValid(tuple) ?
		checkpoint_from_tuple(tuple, RelationGetDescr(v->checkpoints)) : NULL;
	MemoryContextSwitchTo(old);
}

static void
open_checkpoints(Verification *v)
{
	ScanKeyData key;

	v->checkpoints = table_open(ledger_table("checkpoint_record", false), AccessShareLock);
	v->checkpoint_index = index_open(STEWARD_PRIMARY_KEY(v->checkpoints), AccessShareLock);
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(v->format->code));
	v->checkpoint_scan = systable_beginscan_ordered(v->checkpoints, v->checkpoint_index,
													v->snapshot, 1, &key);
	fetch_checkpoint(v);
}

static void
close_checkpoints(Verification *v)
{
	systable_endscan_ordered(v->checkpoint_scan);
	index_close(v->checkpoint_index, AccessShareLock);
	table_close(v->checkpoints, AccessShareLock);
}

/* Who signed it?  What is wrong, NULL where a key of the log did. */
static const char *
check_signature(Verification *v, const Note *note, const Checkpoint *checkpoint)
{
	ListCell   *lc;
	bool		signed_by_us = false;
	const char *slash = strrchr(checkpoint->origin, '/');

	if (slash == NULL || strcmp(slash + 1, v->format->name) != 0)
		return "is of another log";
	foreach(lc, v->keys)
	{
		LedgerKey  *ours = lfirst(lc);
		NoteKey		key;
		uint64		time;

		if (strcmp(ours->name, checkpoint->origin) != 0)
			continue;
		key.name = ours->name;
		key.type = NOTE_ED25519;
		memcpy(key.public_key, ours->public_key, CRYPTO_PUBLIC_KEY_LENGTH);
		note_key_id(key.name, key.type, key.public_key, key.id);
		switch (note_check(note, &key, &time))
		{
			case NOTE_UNSIGNED:
				break;
			case NOTE_GOOD:
				signed_by_us = true;
				break;
			case NOTE_FORGED:
				return "has a wrong signature";
		}
	}
	return signed_by_us ? NULL : "is signed by no key of the log";
}

/* The root of the tree as far as it was computed: is it that one? */
static bool
root_is(Verification *v, const uint8 *root)
{
	uint8		computed[LEDGER_HASH_LENGTH];

	tree_root(&v->ends, computed);
	return memcmp(computed, root, LEDGER_HASH_LENGTH) == 0;
}

static bool
check_record(Verification *v, const CheckpointRecord *record)
{
	Note		note;
	Checkpoint	checkpoint;
	const char *problem = note_parse(record->note, strlen(record->note), &note);

	if (problem == NULL)
		problem = checkpoint_parse(&note, &checkpoint);
	if (problem != NULL)
		return found(v, v->vouched, psprintf("the checkpoint of size " UINT64_FORMAT " is damaged: %s",
											 record->size, problem));
	problem = check_signature(v, &note, &checkpoint);
	if (problem == NULL &&
		(checkpoint.size != record->size || strcmp(checkpoint.origin, record->origin) != 0 ||
		 memcmp(checkpoint.root, record->root, LEDGER_HASH_LENGTH) != 0))
		problem = "does not say what its row says";
	if (problem != NULL)
		return found(v, v->vouched, psprintf("the checkpoint of size " UINT64_FORMAT " %s",
											 record->size, problem));
	if (!root_is(v, checkpoint.root))
		return found(v, v->vouched, psprintf("the records before " UINT64_FORMAT " are not those of the checkpoint of that size",
											 record->size));
	return true;
}

/* Checks the checkpoints of the size that was reached. */
static bool
check_checkpoints(Verification *v)
{
	if (v->known != NULL && v->known->size == v->ends.size && !root_is(v, v->known->root))
		return found(v, 0, psprintf("the records before " UINT64_FORMAT " are not those of the known checkpoint",
									v->known->size));
	while (v->next_checkpoint != NULL && v->next_checkpoint->size <= v->ends.size)
	{
		if (!check_record(v, v->next_checkpoint))
			return false;
		v->vouched = v->ends.size;
		fetch_checkpoint(v);
	}
	return true;
}

/* ------------------------------------------------------------------------
 * Leaves
 * ------------------------------------------------------------------------
 */

typedef struct Stored
{
	Verification *v;
	bool		missing;
} Stored;

/* Gives hashes as the writer left them, for tree.c. */
static void
read_stored(void *arg, int level, uint64 first, int n, uint8 *hashes)
{
	Stored	   *stored = arg;
	Verification *v = stored->v;
	uint64		tile = first / LEDGER_TILE_WIDTH;
	uint8	   *buf = palloc(LEDGER_TILE_WIDTH * LEDGER_HASH_LENGTH);

	memset(hashes, 0, n * LEDGER_HASH_LENGTH);
	if (tile < v->size >> (8 * level) >> 8)
	{
		if (tile_read(v->format, level, tile, v->snapshot, buf))
			memcpy(hashes, buf + first % LEDGER_TILE_WIDTH * LEDGER_HASH_LENGTH, n * LEDGER_HASH_LENGTH);
		else
			stored->missing = true;
	}
	else if (level == 0)
	{
		if (leaf_table_read(v->format, tile * LEDGER_TILE_WIDTH, v->snapshot, buf) >= first % LEDGER_TILE_WIDTH + n)
			memcpy(hashes, buf + first % LEDGER_TILE_WIDTH * LEDGER_HASH_LENGTH, n * LEDGER_HASH_LENGTH);
		else
			stored->missing = true;
	}
	else
	{
		for (int i = 0; i < n; i++)
		{
			if (tile_read(v->format, level - 1, first + i, v->snapshot, buf))
				tree_perfect(buf, LEDGER_TILE_WIDTH, hashes + i * LEDGER_HASH_LENGTH);
			else
				stored->missing = true;
		}
	}
	pfree(buf);
}

/*
 * A record and its stored hash differ.  The hashes fit the next checkpoint:
 * then the record was changed; else the hashes were.
 */
static bool
found_difference(Verification *v)
{
	uint64		seq = v->ends.size;
	uint64		size = v->next_checkpoint != NULL ? v->next_checkpoint->size :
	v->known != NULL && v->known->size > seq ? v->known->size : 0;
	const uint8 *root = v->next_checkpoint != NULL ? v->next_checkpoint->root :
	v->known != NULL ? v->known->root : NULL;
	uint8		computed[LEDGER_HASH_LENGTH];
	Stored		stored = {v, false};

	if (size > seq && size <= v->size)
	{
		tree_range(read_stored, &stored, 0, size, computed);
		if (stored.missing || memcmp(computed, root, LEDGER_HASH_LENGTH) != 0)
			return found(v, seq, psprintf("the hash of record " UINT64_FORMAT " in tile " UINT64_FORMAT " of level 0 was altered",
										  seq, seq / LEDGER_TILE_WIDTH));
		return found(v, seq, psprintf("record " UINT64_FORMAT " was changed", seq));
	}
	return found(v, seq, psprintf("record " UINT64_FORMAT " does not fit its hash", seq));
}

/* Compares a tile that the tree has filled with the stored one. */
static void
check_tile(void *arg, int level, uint64 index, const uint8 *hashes)
{
	Verification *v = arg;
	uint8	   *stored;

	if (level == 0)
		return;					/* each hash was compared already */
	stored = palloc(LEDGER_TILE_WIDTH * LEDGER_HASH_LENGTH);
	if (!tile_read(v->format, level, index, v->snapshot, stored))
		(void) found(v, index << (8 * level) << 8,
					 psprintf("tile " UINT64_FORMAT " of level %d is missing", index, level));
	else
		for (int i = 0; i < LEDGER_TILE_WIDTH; i++)
			if (memcmp(stored + i * LEDGER_HASH_LENGTH, hashes + i * LEDGER_HASH_LENGTH, LEDGER_HASH_LENGTH) != 0)
				(void) found(v, ((index << 8) + i) << (8 * level),
							 psprintf("tile " UINT64_FORMAT " of level %d was altered", index, level));
	pfree(stored);
}

/* Loads the tile of the next leaf; the last, open one from ledger_leaf. */
static bool
load_tile(Verification *v)
{
	uint64		tile = v->ends.size / LEDGER_TILE_WIDTH;

	if (tile < v->size / LEDGER_TILE_WIDTH)
	{
		if (!tile_read(v->format, 0, tile, v->snapshot, v->tile))
			return found(v, v->ends.size, psprintf("tile " UINT64_FORMAT " of level 0 is missing", tile));
	}
	else if (leaf_table_read(v->format, tile * LEDGER_TILE_WIDTH, v->snapshot, v->tile) != v->size % LEDGER_TILE_WIDTH)
		return found(v, v->ends.size, psprintf("hashes of the records from " UINT64_FORMAT " on are missing", v->ends.size));
	return true;
}

/* Adds the next leaf; hash NULL: that of a record that was dropped. */
static bool
add_leaf(Verification *v, const uint8 *hash)
{
	int			offset = v->ends.size % LEDGER_TILE_WIDTH;
	uint8	   *stored = v->tile + offset * LEDGER_HASH_LENGTH;

	if (v->ends.size >= v->size)
		return found(v, v->ends.size, psprintf("record " UINT64_FORMAT " was not written by pg_steward", v->ends.size));
	if (offset == 0 && !load_tile(v))
		return false;
	if (hash != NULL && memcmp(hash, stored, LEDGER_HASH_LENGTH) != 0)
		return found_difference(v);
	tree_add(&v->ends, stored, check_tile, v);
	if (v->problem != NULL)
		return false;
	if ((v->next_checkpoint != NULL && v->next_checkpoint->size <= v->ends.size) ||
		(v->known != NULL && v->known->size == v->ends.size))
		return check_checkpoints(v);
	return true;
}

/* Adds the leaves of records that are gone up to that number (exclusively). */
static bool
add_dropped(Verification *v, uint64 end)
{
	uint64		first = v->ends.size;

	end = Min(end, v->size);
	if (first >= end)
		return true;
	if (!evidence_dropped(v->evidence, first, end - 1))
		return found(v, first, psprintf("records " UINT64_FORMAT " to " UINT64_FORMAT " are gone, and no retention of them was logged",
										first, end - 1));
	while (v->ends.size < end)
	{
		CHECK_FOR_INTERRUPTS();
		if (!add_leaf(v, NULL))
			return false;
	}
	return true;
}

/* Checks one row against what is expected at its place. */
static bool
check_row(Verification *v, const LogColumns *columns, const Datum *values, const bool *nulls,
		  StringInfo entry, StringInfo work)
{
	uint64		expected = v->ends.size;
	uint64		seq = DatumGetInt64(values[columns->seq - 1]);
	uint32		erased;
	uint8		hash[LEDGER_HASH_LENGTH];
	const char *problem = leaf_entry_of_row(entry, columns, values, nulls, &erased, work);

	if (seq != expected)
		return found(v, seq, psprintf("record " UINT64_FORMAT " stands there twice", seq));
	if (problem != NULL)
		return found(v, seq, psprintf("record " UINT64_FORMAT " was changed: %s", seq, problem));
	if ((erased & ~evidence_redacted(v->evidence, seq)) != 0)
		return found(v, seq, psprintf("record " UINT64_FORMAT " was erased, and no redaction of it was logged", seq));
	leaf_hash(entry->data, entry->len, hash);
	return add_leaf(v, hash);
}

/* The rows of one partition, on the way through them. */
typedef struct Rows
{
	Verification *v;
	Relation	rel;
	Relation	index;
	LogColumns	columns;
	MemoryContext context;		/* of one row */
	int			count;			/* since it was reset */
	HTAB	   *early;			/* numbers of rows that were met before their
								 * place in the table; NULL: none */
	StringInfoData entry;
	StringInfoData work;
	Datum	   *values;
	bool	   *nulls;
} Rows;

/* Checks the row that was deformed last. */
static bool
check_deformed(Rows *rows)
{
	MemoryContext old = MemoryContextSwitchTo(rows->context);
	bool		good = check_row(rows->v, &rows->columns, rows->values, rows->nulls,
								 &rows->entry, &rows->work);

	MemoryContextSwitchTo(old);
	if (++rows->count % ROWS_PER_RESET == 0)
		MemoryContextReset(rows->context);
	return good;
}

/* Checks the record that comes next by its number: it lies elsewhere. */
static bool
check_by_index(Rows *rows)
{
	Verification *v = rows->v;
	uint64		seq = v->ends.size;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		good;

	ScanKeyInit(&key, rows->columns.seq, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(seq));
	scan = systable_beginscan_ordered(rows->rel, rows->index, v->snapshot, 1, &key);
	tuple = systable_getnext_ordered(scan, ForwardScanDirection);
	if (!HeapTupleIsValid(tuple))
		good = found(v, seq, psprintf("record " UINT64_FORMAT " is missing", seq));
	else
	{
		heap_deform_tuple(tuple, RelationGetDescr(rows->rel), rows->values, rows->nulls);
		good = check_deformed(rows);
	}
	systable_endscan_ordered(scan);
	if (good)
	{
		if (rows->early == NULL)
		{
			HASHCTL		ctl = {0};

			ctl.keysize = ctl.entrysize = sizeof(uint64);
			ctl.hcxt = CurrentMemoryContext;
			rows->early = hash_create("rows met early", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		}
		(void) hash_search(rows->early, &seq, HASH_ENTER, NULL);
	}
	return good;
}

/*
 * Checks the rows in the order in which they lie, which is that of their
 * numbers save for rows that an erasure moved.
 */
static bool
check_rows(Rows *rows)
{
	Verification *v = rows->v;
	TableScanDesc scan = table_beginscan_strat(rows->rel, v->snapshot, 0, NULL, true, false);
	HeapTuple	tuple;
	bool		good = true;

	while (good && HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		bool		isnull;
		uint64		seq = DatumGetInt64(heap_getattr(tuple, rows->columns.seq, RelationGetDescr(rows->rel), &isnull));

		CHECK_FOR_INTERRUPTS();
		if (isnull || seq >= v->size)
			good = found(v, v->size, psprintf("record " UINT64_FORMAT " was not written by pg_steward", seq));
		while (good && seq > v->ends.size)
			good = check_by_index(rows);
		if (!good ||
			(seq < v->ends.size && rows->early != NULL &&
			 hash_search(rows->early, &seq, HASH_REMOVE, NULL) != NULL))
			continue;
		heap_deform_tuple(tuple, RelationGetDescr(rows->rel), rows->values, rows->nulls);
		good = check_deformed(rows);
	}
	table_endscan(scan);
	return good;
}

/* Checks the records of a partition. */
static bool
check_partition(Verification *v, const LogPartition *partition, MemoryContext row_context)
{
	Rows		rows = {v};
	bool		good;

	rows.rel = table_open(partition->relid, AccessShareLock);
	rows.index = index_open(STEWARD_PRIMARY_KEY(rows.rel), AccessShareLock);
	rows.context = row_context;
	rows.values = palloc(RelationGetDescr(rows.rel)->natts * sizeof(Datum));
	rows.nulls = palloc(RelationGetDescr(rows.rel)->natts * sizeof(bool));
	log_columns_find(&rows.columns, v->format, rows.rel);
	initStringInfo(&rows.entry);
	initStringInfo(&rows.work);

	good = check_rows(&rows);
	while (good && v->ends.size < Min(v->size, partition->end))
	{
		CHECK_FOR_INTERRUPTS();
		good = check_by_index(&rows);
	}

	index_close(rows.index, AccessShareLock);
	table_close(rows.rel, AccessShareLock);
	if (rows.early != NULL)
		hash_destroy(rows.early);
	pfree(rows.values);
	pfree(rows.nulls);
	pfree(rows.entry.data);
	pfree(rows.work.data);
	return good;
}

/* Checks all records of the log, and the checkpoints on the way. */
static void
check_records(Verification *v, Relation log)
{
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "pg_steward verify",
													  ALLOCSET_DEFAULT_SIZES);
	ListCell   *lc;

	if (!check_checkpoints(v))	/* those of size 0 */
		return;
	foreach(lc, ledger_partitions(log))
	{
		LogPartition *partition = lfirst(lc);

		if (!add_dropped(v, partition->first) ||
			!check_partition(v, partition, row_context))
			return;
	}
	if (!add_dropped(v, v->size))
		return;

	if (v->next_checkpoint != NULL)
		(void) found(v, v->size, psprintf("the log has " UINT64_FORMAT " records, and a checkpoint of " UINT64_FORMAT,
										  v->size, v->next_checkpoint->size));
	else if (v->known != NULL && v->known->size > v->size)
		(void) found(v, v->size, psprintf("the log has " UINT64_FORMAT " records, and the known checkpoint says " UINT64_FORMAT,
										  v->size, v->known->size));
}

/* ------------------------------------------------------------------------
 * The function
 * ------------------------------------------------------------------------
 */

/* Verifies one log and adds its row to the result. */
static void
verify_log(const LogFormat *format, const Note *known_note, const Checkpoint *known,
		   ReturnSetInfo *result)
{
	Verification *v = palloc0(sizeof(Verification));
	Relation	log = table_open(ledger_table(format->name, false), AccessShareLock);
	Datum		values[6];
	bool		nulls[6] = {false};
	uint8		root[LEDGER_HASH_LENGTH];
	const char *problem;

	/* the lock holds retention off; the snapshot comes after it */
	v->format = format;
	v->snapshot = RegisterSnapshot(GetLatestSnapshot());
	v->evidence = evidence_read(format);
	v->keys = ledger_keys(v->snapshot);
	v->known_note = known_note;
	v->known = known;
	v->size = tile_count(format, 0, v->snapshot) * LEDGER_TILE_WIDTH;
	v->size = Max(v->size, leaf_table_end(format, v->snapshot));
	open_checkpoints(v);
	if (known != NULL && (problem = check_signature(v, known_note, known)) != NULL)
		(void) found(v, 0, psprintf("the known checkpoint %s", problem));
	else
		check_records(v, log);
	close_checkpoints(v);
	UnregisterSnapshot(v->snapshot);
	table_close(log, AccessShareLock);

	values[0] = CStringGetTextDatum(format->name);
	values[1] = Int64GetDatum(v->size);
	tree_root(&v->ends, root);
	values[2] = PointerGetDatum(cstring_to_text_with_len((char *) root, sizeof(root)));
	nulls[2] = v->problem != NULL;
	values[3] = BoolGetDatum(v->problem == NULL);
	values[4] = Int64GetDatum(v->first_bad);
	nulls[4] = v->problem == NULL;
	values[5] = v->problem == NULL ? (Datum) 0 : CStringGetTextDatum(v->problem);
	nulls[5] = v->problem == NULL;
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	pfree(v);
}

/* Reads the checkpoint that the caller kept, and finds its log. */
static const LogFormat *
read_known(const char *given, Size len, Note *note, Checkpoint *checkpoint)
{
	const char *problem = note_parse(given, len, note);
	const char *slash;

	if (problem == NULL)
		problem = checkpoint_parse(note, checkpoint);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("known_checkpoint is no checkpoint: %s", problem),
				 note_is_text() ? errhint("Give it as checkpoint(log) returned it, with its last line feed.") :
				 errhint("Give it as checkpoint_bytes(log) returned it, as bytea: encoding \"%s\" of this database has no U+2014.",
						 GetDatabaseEncodingName())));
	slash = strrchr(checkpoint->origin, '/');
	return ledger_format(slash == NULL ? checkpoint->origin : slash + 1, false);
}

/* Either verify(): the known checkpoint is given as text or as bytes. */
static Datum
verify_asked(FunctionCallInfo fcinfo, bool bytes)
{
	const LogFormat *only = NULL;
	const LogFormat *known_log = NULL;
	const LogFormat *format;
	Note		note;
	Checkpoint	known;

	ledger_require_role(STEWARD_AUDITOR, STEWARD_ADMIN);
	if (!PG_ARGISNULL(0))
		only = ledger_format(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	if (!PG_ARGISNULL(1))
	{
		struct varlena *varlena = PG_GETARG_VARLENA_PP(1);
		const char *given = VARDATA_ANY(varlena);
		Size		len = VARSIZE_ANY_EXHDR(varlena);

		if (!bytes)
			given = note_from_text(given, &len);
		known_log = read_known(given, len, &note, &known);
	}
	if (only != NULL && known_log != NULL && only != known_log)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("known_checkpoint is of log \"%s\", not of \"%s\"", known_log->name, only->name)));
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; (format = ledger_format_at(i)) != NULL; i++)
	{
		bool		has_known = format == known_log;

		if ((only == NULL || format == only) && OidIsValid(ledger_table(format->name, only == NULL)))
			verify_log(format, has_known ? &note : NULL, has_known ? &known : NULL,
					   (ReturnSetInfo *) fcinfo->resultinfo);
	}
	return (Datum) 0;
}

STEWARD_FUNCTION(steward_verify);

/* verify(log, known_checkpoint) */
Datum
steward_verify(PG_FUNCTION_ARGS)
{
	return verify_asked(fcinfo, false);
}

STEWARD_FUNCTION(steward_verify_bytes);

/* verify(log, known_checkpoint) with the checkpoint's bytes */
Datum
steward_verify_bytes(PG_FUNCTION_ARGS)
{
	return verify_asked(fcinfo, true);
}
