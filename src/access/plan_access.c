/*-------------------------------------------------------------------------
 *
 * plan_access.c
 *	  What a plan tells of its accesses to governed relations, and which
 *	  permissions of PostgreSQL it lacks.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access_internal.h"
#include "access/enforce.h"

/* Does the plan make accesses that are logged? */
bool
plan_is_logged(PlannedStmt *plan)
{
	ListCell   *lc;

	foreach(lc, plan->invalItems)
	{
		int			kind = lfirst_node(PlanInvalItem, lc)->cacheId;

		if (kind <= ITEM_ACCESS && kind > ITEM_COLUMNS)
			return true;
	}
	return false;
}

static bool asking_permission = false;

/*
 * Is a permission missing that the plan asks for, on the relation or (where it
 * is InvalidOid) on any?
 */
bool
plan_lacks_permission(PlannedStmt *plan, Oid relid)
{
	bool		lacks = false;

	asking_permission = true;
	PG_TRY();
	{
		lacks = steward_lacks_permission(plan, relid);
	}
	PG_FINALLY();
	{
		asking_permission = false;
	}
	PG_END_TRY();
	return lacks;
}

/* Tells record.c of each access that the plan makes to governed relations. */
void
plan_foreach_access(PlannedStmt *plan, PlanAccessCallback callback, void *arg)
{
	PlanAccess	access = {.relid = InvalidOid,.subject = InvalidOid};
	Oid			subject = InvalidOid;
	ListCell   *lc;

	foreach(lc, plan->invalItems)
	{
		PlanInvalItem *item = lfirst_node(PlanInvalItem, lc);

		if (item->cacheId <= ITEM_COLUMNS)
		{
			int			word = ITEM_COLUMNS - item->cacheId;

			while (access.nwords < word)
				access.columns[access.nwords++] = 0;
			access.columns[access.nwords++] = item->hashValue;
		}
		else if (item->cacheId <= ITEM_ACCESS || item->cacheId == ITEM_TRACE_SUBJECT)
		{
			if (OidIsValid(access.relid))
				callback(&access, arg);
			access.relid = InvalidOid;
			if (item->cacheId == ITEM_TRACE_SUBJECT)
			{
				subject = item->hashValue;
				continue;
			}
			access.relid = item->hashValue;
			access.bits = ITEM_ACCESS - item->cacheId;
			access.subject = OidIsValid(subject) ? subject : access_subject();
			access.nwords = 0;
		}
	}
	if (OidIsValid(access.relid))
		callback(&access, arg);
}

/*
 * Foreign keys are validated by one query over both tables where the user
 * may read them, else row by row.  That query would not see hidden rows, so
 * governed tables take the slow way.
 */
bool
access_allows_fast_check(List *rangetable)
{
	ListCell   *lc;

	if (asking_permission || !steward_is_created() || !governance_any())
		return true;
	foreach(lc, rangetable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->rtekind == RTE_RELATION && access_is_governed(rte->relid))
			return false;
	}
	return true;
}
