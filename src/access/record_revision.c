/*-------------------------------------------------------------------------
 *
 * record_revision.c
 *	  The revision of the policies: how many transactions have changed them.
 *
 * Each transaction that changes a table of governance adds one row to
 * steward.policy_revision, and the revision is the number of rows that are
 * committed.  So it rises with each commit and with nothing else, and no two
 * transactions wait for one another.  It is counted when something has
 * changed, and kept until then.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/record.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/xid8.h"

static int64 known_revision = -1;
static Oid	counted_table = InvalidOid;

/* Was this transaction counted? */
static bool is_counted = false;

static Oid
revision_table(void)
{
	return steward_is_created() ? get_relname_relid("policy_revision", steward_namespace()) : InvalidOid;
}

/* The revision as others see it. */
int64
policy_revision(void)
{
	int64		revision = 0;
	Oid			relid;
	Relation	rel;
	SysScanDesc scan;

	if (likely(known_revision >= 0))
		return known_revision;
	relid = revision_table();
	if (!OidIsValid(relid))
		return 0;

	/* What arrives while counting must leave it unknown. */
	counted_table = relid;
	known_revision = 0;
	rel = table_open(relid, AccessShareLock);
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(systable_getnext(scan)))
		revision++;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	if (known_revision == 0)
		known_revision = revision;
	return revision;
}

/* A table of governance is changed: this transaction counts. */
void
policy_revision_count(void)
{
	Oid			relid = revision_table();
	Relation	rel;
	Datum		value;
	bool		isnull = false;
	HeapTuple	tup;

	if (is_counted || !OidIsValid(relid) || RecoveryInProgress())
		return;
	rel = table_open(relid, RowExclusiveLock);
	value = FullTransactionIdGetDatum(GetTopFullTransactionId());
	tup = heap_form_tuple(RelationGetDescr(rel), &value, &isnull);
	simple_heap_insert(rel, tup);
	table_close(rel, NoLock);
	CacheInvalidateRelcacheByRelid(relid);
	is_counted = true;
}

static void
forget_by_relation(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || relid == counted_table)
		known_revision = -1;
}

static void
xact_callback(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		is_counted = false;
}

/* The row may have gone with the subtransaction: count again. */
static void
subxact_callback(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		is_counted = false;
}

/* Registers the callbacks.  Called once, while libraries are preloaded. */
void
record_revision_init(void)
{
	steward_watch_relations(forget_by_relation);
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}
