/*-------------------------------------------------------------------------
 *
 * append_index.c
 *	  Enters many new rows of a partition into its indexes.
 *
 * Core's indexes take one row at a time, each with a descent, a lock and a
 * write-ahead record of its own: more than all the rest that is done for a
 * row.  Rows of a log come by thousands and in order, so
 *
 * - numbers go to the right end of their btree, a page at a time, as one
 *	 generic write-ahead record.  Where they do not follow the greatest key
 *	 there is (an attempt that was aborted left some), or the page is full, core
 *	 inserts one row, and splits the page;
 * - BRIN is told of the least and the greatest value of each range of pages;
 * - GIN gets its pending entries a page at a time.
 *
 * Any other index is left to core.  Pages are changed under the locks and in
 * the form in which core changes them: scans, vacuum, recovery and standbys see
 * nothing unusual.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/brin.h"
#include "access/generic_xlog.h"
#include "access/genam.h"
#include "access/gin_private.h"
#include "access/nbtree.h"
#include "access/sysattr.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "ledger/ledger_internal.h"
#include "optimizer/optimizer.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/predicate.h"
#include "utils/rel.h"

/* OID of the family datetime_minmax_ops of BRIN, which core has no name for. */
#define DATETIME_MINMAX_FAMILY	4059

/* Bytes of an entry of a btree on one bigint. */
#define KEY_OFFSET	MAXALIGN(sizeof(IndexTupleData))
#define KEY_TUPLE	(KEY_OFFSET + sizeof(int64))

/*
 * What the predicate of a partial index says.  Many rows have the same value
 * in the one column that it is about.
 */
typedef struct Predicate
{
	ExprState  *state;			/* NULL: there is none */
	int			column;			/* from 0; -1: not about one column of
								 * variable length */
	bool		any;			/* what follows is known */
	bool		isnull;
	const struct varlena *value;
	bool		result;
} Predicate;

static void
begin_predicate(Predicate *predicate, IndexInfo *info, Relation rel, EState *estate)
{
	Bitmapset  *columns = NULL;

	memset(predicate, 0, sizeof(Predicate));
	predicate->column = -1;
	if (info->ii_Predicate == NIL)
		return;
	if (info->ii_PredicateState == NULL)
		info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate, estate);
	predicate->state = info->ii_PredicateState;
	pull_varattnos((Node *) info->ii_Predicate, 1, &columns);
	if (bms_membership(columns) == BMS_SINGLETON)
	{
		AttrNumber	column = bms_singleton_member(columns) + FirstLowInvalidHeapAttributeNumber;

		if (column > 0 && TupleDescAttr(RelationGetDescr(rel), column - 1)->attlen == -1)
			predicate->column = column - 1;
	}
	bms_free(columns);
}

/* Is the row among those that the index holds? */
static bool
is_indexed(Predicate *predicate, TupleTableSlot *slot, EState *estate)
{
	bool		isnull;
	const struct varlena *value;

	if (predicate->state == NULL)
		return true;
	if (predicate->column >= 0)
	{
		isnull = slot->tts_isnull[predicate->column];
		value = isnull ? NULL : (const struct varlena *) DatumGetPointer(slot->tts_values[predicate->column]);
		if (predicate->any && predicate->isnull == isnull &&
			(isnull || (VARSIZE_ANY(value) == VARSIZE_ANY(predicate->value) &&
						memcmp(value, predicate->value, VARSIZE_ANY(value)) == 0)))
			return predicate->result;
		predicate->any = true;
		predicate->isnull = isnull;
		predicate->value = value;
	}
	GetPerTupleExprContext(estate)->ecxt_scantuple = slot;
	return predicate->result = ExecQual(predicate->state, GetPerTupleExprContext(estate));
}

/* As core does it. */
static void
insert_row(Relation rel, Relation index, IndexInfo *info, TupleTableSlot *slot, EState *estate)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];

	FormIndexDatum(info, slot, estate, values, nulls);
	(void) index_insert(index, values, nulls, &slot->tts_tid, rel,
						index->rd_index->indisunique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO,
						false, info);
}

/* ------------------------------------------------------------------------
 * Btree: the numbers
 * ------------------------------------------------------------------------
 */

/* Is it a plain index on one bigint column? */
static bool
is_of_numbers(Relation index, const IndexInfo *info)
{
	return index->rd_rel->relam == BTREE_AM_OID &&
		info->ii_NumIndexAttrs == 1 && info->ii_IndexAttrNumbers[0] > 0 &&
		info->ii_Predicate == NIL && index->rd_indoption[0] == 0 &&
		index->rd_opfamily[0] == INTEGER_BTREE_FAM_OID && index->rd_opcintype[0] == INT8OID;
}

/*
 * The page at the right end of the btree, locked and with room for keys that
 * are not below this one; InvalidBuffer where core must insert.
 */
static Buffer
lock_right_end(Relation index, int64 key)
{
	Buffer		buf = STEWARD_BTREE_RIGHT_END(index);
	Page		page;
	BTPageOpaque opaque;
	OffsetNumber last;
	bool		fits = false;

	if (!BufferIsValid(buf))
		return InvalidBuffer;
	_bt_unlockbuf(index, buf);
	_bt_lockbuf(index, buf, BT_WRITE);
	page = BufferGetPage(buf);
	opaque = BTPageGetOpaque(page);
	last = PageGetMaxOffsetNumber(page);
	if (P_ISLEAF(opaque) && P_RIGHTMOST(opaque) && !P_IGNORE(opaque) &&
		!P_INCOMPLETE_SPLIT(opaque) && last >= P_FIRSTDATAKEY(opaque) &&
		PageGetFreeSpace(page) >= KEY_TUPLE)
	{
		IndexTuple	tuple = (IndexTuple) PageGetItem(page, PageGetItemId(page, last));
		int64		greatest;

		memcpy(&greatest, (char *) tuple + KEY_OFFSET, sizeof(greatest));
		fits = !BTreeTupleIsPosting(tuple) && IndexTupleSize(tuple) == KEY_TUPLE && greatest < key;
	}
	if (fits)
		return buf;
	_bt_relbuf(index, buf);
	return InvalidBuffer;
}

/* Puts as many ascending numbers as fit onto the last page; returns how many. */
static int
append_numbers(Relation index, AttrNumber column, TupleTableSlot **slots, int n)
{
	Buffer		buf = lock_right_end(index, DatumGetInt64(slots[0]->tts_values[column - 1]));
	GenericXLogState *state;
	Page		page;
	int			done = 0;

	if (!BufferIsValid(buf))
		return 0;
	CheckForSerializableConflictIn(index, NULL, BufferGetBlockNumber(buf));
	state = GenericXLogStart(index);
	page = GenericXLogRegisterBuffer(state, buf, 0);
	while (done < n && PageGetFreeSpace(page) >= KEY_TUPLE)
	{
		char		bytes[KEY_TUPLE] = {0};
		IndexTuple	tuple = (IndexTuple) bytes;
		int64		key = DatumGetInt64(slots[done]->tts_values[column - 1]);

		tuple->t_tid = slots[done]->tts_tid;
		tuple->t_info = KEY_TUPLE;
		memcpy(bytes + KEY_OFFSET, &key, sizeof(key));
		if (PageAddItem(page, (Item) bytes, KEY_TUPLE,
						OffsetNumberNext(PageGetMaxOffsetNumber(page)), false, false) == InvalidOffsetNumber)
			elog(ERROR, "could not add a number to index \"%s\"", RelationGetRelationName(index));
		done++;
	}
	GenericXLogFinish(state);
	_bt_relbuf(index, buf);
	return done;
}

static void
insert_numbers(Relation rel, Relation index, IndexInfo *info, TupleTableSlot **slots, int n, EState *estate)
{
	for (int done = 0; done < n;)
	{
		int			appended = append_numbers(index, info->ii_IndexAttrNumbers[0], slots + done, n - done);

		done += appended;
		if (appended == 0)
			insert_row(rel, index, info, slots[done++], estate);
	}
}

/* ------------------------------------------------------------------------
 * BRIN: the times
 * ------------------------------------------------------------------------
 */

/* Does it keep the least and the greatest of one column of times? */
static bool
is_of_times(Relation index, const IndexInfo *info)
{
	return index->rd_rel->relam == BRIN_AM_OID &&
		info->ii_NumIndexAttrs == 1 && info->ii_IndexAttrNumbers[0] > 0 &&
		info->ii_Predicate == NIL &&
		index->rd_opfamily[0] == DATETIME_MINMAX_FAMILY && index->rd_opcintype[0] == TIMESTAMPTZOID;
}

static void
insert_times(Relation rel, Relation index, IndexInfo *info, TupleTableSlot **slots, int n, EState *estate)
{
	int			column = info->ii_IndexAttrNumbers[0] - 1;
	BlockNumber pages = BrinGetPagesPerRange(index);

	for (int i = 0, end; i < n; i = end)
	{
		BlockNumber range = ItemPointerGetBlockNumber(&slots[i]->tts_tid) / pages;
		int			least = i;
		int			greatest = i;

		for (end = i; end < n && ItemPointerGetBlockNumber(&slots[end]->tts_tid) / pages == range; end++)
		{
			int64		value = DatumGetInt64(slots[end]->tts_values[column]);

			if (value < DatumGetInt64(slots[least]->tts_values[column]))
				least = end;
			if (value > DatumGetInt64(slots[greatest]->tts_values[column]))
				greatest = end;
		}
		insert_row(rel, index, info, slots[least], estate);
		if (greatest != least)
			insert_row(rel, index, info, slots[greatest], estate);
	}
}

/* ------------------------------------------------------------------------
 * GIN: whom it is about
 * ------------------------------------------------------------------------
 */

static void
flush_entries(GinState *gin, GinTupleCollector *collector)
{
	if (collector->ntuples > 0)
		ginHeapTupleFastInsert(gin, collector);
	collector->ntuples = 0;
	collector->sumsize = 0;
}

/*
 * Entries of several rows may share a page of the pending list, but a list of
 * several pages must be of one row (ginfast.c), so a page is the most that is
 * handed over at once.
 */
static void
insert_entries(Relation index, IndexInfo *info, Predicate *predicate,
			   TupleTableSlot **slots, int n, EState *estate)
{
	GinState	gin;
	GinTupleCollector collector = {0};
	GinTupleCollector row = {0};
	bool		is_begun = false;

	for (int i = 0; i < n; i++)
	{
		Datum		values[INDEX_MAX_KEYS];
		bool		nulls[INDEX_MAX_KEYS];
		uint32		size;

		if (!is_indexed(predicate, slots[i], estate))
			continue;
		if (!is_begun)
			initGinState(&gin, index);
		is_begun = true;
		FormIndexDatum(info, slots[i], estate, values, nulls);
		row.ntuples = 0;
		row.sumsize = 0;
		for (int column = 0; column < info->ii_NumIndexAttrs; column++)
			ginHeapTupleFastCollect(&gin, &row, column + 1, values[column], nulls[column],
									&slots[i]->tts_tid);
		size = collector.sumsize + row.sumsize +
			(collector.ntuples + row.ntuples) * sizeof(ItemIdData);
		if (size > GinListPageSize)
			flush_entries(&gin, &collector);
		if (collector.tuples == NULL || collector.lentuples < collector.ntuples + row.ntuples)
		{
			uint32		len = Max(512, 2 * (collector.ntuples + row.ntuples));

			collector.tuples = collector.tuples == NULL ? palloc(len * sizeof(IndexTuple)) :
				repalloc(collector.tuples, len * sizeof(IndexTuple));
			collector.lentuples = len;
		}
		memcpy(collector.tuples + collector.ntuples, row.tuples, row.ntuples * sizeof(IndexTuple));
		collector.ntuples += row.ntuples;
		collector.sumsize += row.sumsize;
	}
	if (is_begun)
		flush_entries(&gin, &collector);
}

/*
 * Enters new rows, in the order of their numbers and places, into all indexes
 * of their partition.  The current memory context is one for the rows.
 */
void
ledger_insert_into_indexes(ResultRelInfo *info, TupleTableSlot **slots, int n, EState *estate)
{
	Relation	rel = info->ri_RelationDesc;

	for (int i = 0; i < info->ri_NumIndices; i++)
	{
		Relation	index = info->ri_IndexRelationDescs[i];
		IndexInfo  *index_info = info->ri_IndexRelationInfo[i];
		Predicate	predicate;

		if (!index_info->ii_ReadyForInserts)
			continue;
		begin_predicate(&predicate, index_info, rel, estate);
		if (is_of_numbers(index, index_info))
			insert_numbers(rel, index, index_info, slots, n, estate);
		else if (is_of_times(index, index_info))
			insert_times(rel, index, index_info, slots, n, estate);
		else if (index->rd_rel->relam == GIN_AM_OID && GinGetUseFastUpdate(index))
			insert_entries(index, index_info, &predicate, slots, n, estate);
		else
		{
			for (int row = 0; row < n; row++)
				if (is_indexed(&predicate, slots[row], estate))
					insert_row(rel, index, index_info, slots[row], estate);
		}
	}
}
