/*-------------------------------------------------------------------------
 *
 * leaf_table.c
 *	  The hashes of leaves that fill no tile yet, in table ledger_leaf.
 *
 * One row a batch.  A row is gone once the tile is full that holds its hashes;
 * this table alone among those of the ledger forgets.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "ledger/ledger_internal.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"

/* Columns of ledger_leaf. */
enum
{
	LEAF_LOG = 1,
	LEAF_FIRST_SEQ,
	LEAF_HASHES,
	LEAF_NATTS = LEAF_HASHES
};

/* Adds the hashes of n leaves. */
void
leaf_table_add(const LogFormat *format, uint64 first, int n, const uint8 *hashes)
{
	Datum		values[LEAF_NATTS];
	bool		nulls[LEAF_NATTS] = {false};

	values[LEAF_LOG - 1] = Int16GetDatum(format->code);
	values[LEAF_FIRST_SEQ - 1] = Int64GetDatum(first);
	values[LEAF_HASHES - 1] = PointerGetDatum(cstring_to_text_with_len((const char *) hashes,
																	   n * LEDGER_HASH_LENGTH));
	ledger_insert_row("ledger_leaf", values, nulls);
}

static SysScanDesc
begin_scan(const LogFormat *format, StrategyNumber strategy, RegProcedure operator, uint64 seq,
		   Relation rel, Relation index, Snapshot snapshot)
{
	ScanKeyData key[2];

	ScanKeyInit(&key[0], LEAF_LOG, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(format->code));
	ScanKeyInit(&key[1], LEAF_FIRST_SEQ, strategy, operator, Int64GetDatum(seq));
	return systable_beginscan_ordered(rel, index, snapshot, 2, key);
}

/* Forgets the hashes of leaves before that number. */
void
leaf_table_forget(const LogFormat *format, uint64 before)
{
	Relation	rel = table_open(ledger_table("ledger_leaf", false), RowExclusiveLock);
	Relation	index = index_open(STEWARD_PRIMARY_KEY(rel), AccessShareLock);
	SysScanDesc scan = begin_scan(format, BTLessStrategyNumber, F_INT8LT, before, rel, index, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection)))
		CatalogTupleDelete(rel, &tuple->t_self);
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, RowExclusiveLock);
}

/*
 * Reads the hashes of leaves from that number on, without gap, up to a tile of
 * them; returns how many.
 */
int
leaf_table_read(const LogFormat *format, uint64 start, Snapshot snapshot, uint8 *hashes)
{
	Relation	rel = table_open(ledger_table("ledger_leaf", false), AccessShareLock);
	Relation	index = index_open(STEWARD_PRIMARY_KEY(rel), AccessShareLock);
	SysScanDesc scan = begin_scan(format, BTGreaterEqualStrategyNumber, F_INT8GE, start, rel, index, snapshot);
	HeapTuple	tuple;
	int			count = 0;

	while (HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection)))
	{
		bool		isnull;
		int64		first = DatumGetInt64(heap_getattr(tuple, LEAF_FIRST_SEQ, RelationGetDescr(rel), &isnull));
		Datum		value = heap_getattr(tuple, LEAF_HASHES, RelationGetDescr(rel), &isnull);
		struct varlena *bytes;
		int			n;

		if (first != start + count || isnull)
			break;
		bytes = PG_DETOAST_DATUM_PACKED(value);
		n = VARSIZE_ANY_EXHDR(bytes) / LEDGER_HASH_LENGTH;
		if (n == 0 || count + n >= LEDGER_TILE_WIDTH ||
			VARSIZE_ANY_EXHDR(bytes) % LEDGER_HASH_LENGTH != 0)
			break;
		memcpy(hashes + count * LEDGER_HASH_LENGTH, VARDATA_ANY(bytes), n * LEDGER_HASH_LENGTH);
		count += n;
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return count;
}

/* The number after the last leaf of which the table has the hash; 0: none. */
uint64
leaf_table_end(const LogFormat *format, Snapshot snapshot)
{
	Relation	rel = table_open(ledger_table("ledger_leaf", false), AccessShareLock);
	Relation	index = index_open(STEWARD_PRIMARY_KEY(rel), AccessShareLock);
	SysScanDesc scan = begin_scan(format, BTGreaterEqualStrategyNumber, F_INT8GE, 0, rel, index, snapshot);
	HeapTuple	tuple = systable_getnext_ordered(scan, BackwardScanDirection);
	uint64		end = 0;

	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;

		end = DatumGetInt64(heap_getattr(tuple, LEAF_FIRST_SEQ, RelationGetDescr(rel), &isnull));
		end += toast_raw_datum_size(heap_getattr(tuple, LEAF_HASHES, RelationGetDescr(rel), &isnull)) / LEDGER_HASH_LENGTH;
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return end;
}
