/*-------------------------------------------------------------------------
 *
 * tile.c
 *	  The full tiles of the trees, in table ledger_tile.
 *
 * A tile is written once, in the transaction that fills it, and outlives the
 * records below it.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "ledger/ledger_internal.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"

/* Columns of ledger_tile. */
enum
{
	TILE_LOG = 1,
	TILE_LEVEL,
	TILE_INDEX,
	TILE_HASHES,
	TILE_NATTS = TILE_HASHES
};

#define TILE_BYTES	(LEDGER_TILE_WIDTH * LEDGER_HASH_LENGTH)

/* Stores a full tile. */
void
tile_store(const LogFormat *format, int level, uint64 index, const uint8 *hashes)
{
	Relation	rel = table_open(steward_table(TABLE_LEDGER_TILE), RowExclusiveLock);
	Datum		values[TILE_NATTS];
	bool		nulls[TILE_NATTS] = {false};
	HeapTuple	tuple;

	values[TILE_LOG - 1] = Int16GetDatum(format->code);
	values[TILE_LEVEL - 1] = Int16GetDatum(level);
	values[TILE_INDEX - 1] = Int64GetDatum(index);
	values[TILE_HASHES - 1] = PointerGetDatum(cstring_to_text_with_len((const char *) hashes, TILE_BYTES));
	tuple = heap_form_tuple(RelationGetDescr(rel), values, nulls);
	CatalogTupleInsert(rel, tuple);
	heap_freetuple(tuple);
	pfree(DatumGetPointer(values[TILE_HASHES - 1]));
	table_close(rel, RowExclusiveLock);
}

/*
 * Reads a full tile; false where it is missing.  One that is not of 256 hashes
 * counts as missing.
 */
bool
tile_read(const LogFormat *format, int level, uint64 index, Snapshot snapshot, uint8 *hashes)
{
	Relation	rel = table_open(steward_table(TABLE_LEDGER_TILE), AccessShareLock);
	ScanKeyData key[3];
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found = false;

	ScanKeyInit(&key[0], TILE_LOG, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(format->code));
	ScanKeyInit(&key[1], TILE_LEVEL, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(level));
	ScanKeyInit(&key[2], TILE_INDEX, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(index));
	scan = systable_beginscan(rel, steward_index(TABLE_LEDGER_TILE), true, snapshot, 3, key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, TILE_HASHES, RelationGetDescr(rel), &isnull);

		if (!isnull)
		{
			struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);

			found = VARSIZE_ANY_EXHDR(bytes) == TILE_BYTES;
			if (found)
				memcpy(hashes, VARDATA_ANY(bytes), TILE_BYTES);
			if ((Pointer) bytes != DatumGetPointer(value))
				pfree(bytes);
		}
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* One more than the greatest index of a level's tiles, 0 where it has none. */
uint64
tile_count(const LogFormat *format, int level, Snapshot snapshot)
{
	Relation	rel = table_open(steward_table(TABLE_LEDGER_TILE), AccessShareLock);
	Relation	index = index_open(steward_index(TABLE_LEDGER_TILE), AccessShareLock);
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	uint64		count = 0;

	ScanKeyInit(&key[0], TILE_LOG, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(format->code));
	ScanKeyInit(&key[1], TILE_LEVEL, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(level));
	scan = systable_beginscan_ordered(rel, index, snapshot, 2, key);
	tuple = systable_getnext_ordered(scan, BackwardScanDirection);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;

		count = DatumGetInt64(heap_getattr(tuple, TILE_INDEX, RelationGetDescr(rel), &isnull)) + 1;
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return count;
}
