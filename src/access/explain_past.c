/*-------------------------------------------------------------------------
 *
 * explain_past.c
 *	  What the answers about a moment of the past stand on.
 *
 * explain.c and its kin ask here what governs a relation; for a moment of the
 * past, what did then stands in its place.  Where that can no longer be read,
 * they say so.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/explain.h"
#include "access/history.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "utils/acl.h"
#include "utils/rel.h"
#include "utils/resowner.h"

/* Columns of the table read here, in the order of access_glass--0.1--0.2.sql. */
#define Anum_break_glass_grant_to_role	1

/* What governs the relation, or did at the moment asked about. */
const Governance *
explain_governance(const Explanation *explanation)
{
	return explanation->governance != NULL ? explanation->governance :
		governance_of(RelationGetRelid(explanation->rel));
}

/* The policies of PostgreSQL itself, with those that carry ours. */
List *
explain_natives(const Explanation *explanation)
{
	if (explanation->governance != NULL && explanation->natives_known)
		return explanation->natives;
	return explanation->rel->rd_rsdesc == NULL ? NIL : explanation->rel->rd_rsdesc->policies;
}

/*
 * Makes a policy or mask of the past ready for plans; where that raises, what
 * it uses has gone or changed, and it is noted down why.
 */
static void
try_to_ready(RowPolicy *policy, ColumnMask *mask, Oid relid)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	if ((policy != NULL ? policy->problem : mask->problem) != NULL)
		return;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		if (policy != NULL)
			policy_make_ready(policy, relid);
		else
			mask_make_ready(mask, relid);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
			ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INSUFFICIENT_RESOURCES)
			ReThrowError(error);
		if (policy != NULL)
			policy->problem = error->message;
		else
			mask->problem = error->message;
	}
	PG_END_TRY();
}

/* Puts what governed at a moment of the past in the place of what does now. */
void
explain_look_back(Explanation *explanation, const Past *past)
{
	ListCell   *lc;

	if (past == NULL)
		return;
	explanation->governance = governance_at(RelationGetRelid(explanation->rel), past);
	foreach(lc, explanation->governance->sets)
	{
		PolicySet  *set = lfirst(lc);
		ListCell   *lc2;

		/* The native policies of partitions have no history. */
		if (set->relid == RelationGetRelid(explanation->rel))
		{
			explanation->natives = past_native_policies(past, explanation->rel, &explanation->problems);
			explanation->natives_known = true;
		}
		foreach(lc2, set->policies)
			try_to_ready(lfirst(lc2), NULL, set->relid);
		foreach(lc2, set->masks)
			try_to_ready(NULL, lfirst(lc2), set->relid);
	}
}

/* Does the policy count for the command, or for what must be read for it? */
static bool
counts_for(const Explanation *explanation, const RowPolicy *policy)
{
	const Situation *situation = &explanation->situation;
	int			command = explanation->command;

	return policy_verdict(policy, command, situation->subject, situation->session,
						  explanation->asked, situation->at) == POLICY_APPLIES ||
		((command == COMMAND_UPDATE || command == COMMAND_DELETE) &&
		 policy_verdict(policy, COMMAND_SELECT, situation->subject, situation->session,
						explanation->asked, situation->at) == POLICY_APPLIES);
}

/* What makes it impossible to tell how it was decided then, or NULL. */
char *
explain_unreadable(const Explanation *explanation)
{
	List	   *problems = list_copy(explanation->problems);
	ListCell   *lc;
	ListCell   *lc2;

	if (explanation->governance == NULL)
		return NULL;
	foreach(lc, explanation->governance->sets)
	{
		const PolicySet *set = lfirst(lc);

		foreach(lc2, set->policies)
		{
			const RowPolicy *policy = lfirst(lc2);

			if (policy->problem != NULL && counts_for(explanation, policy))
				problems = lappend(problems, psprintf("row policy \"%s\": %s", policy->name, policy->problem));
		}
	}
	return problems == NIL ? NULL : list_in_words(problems);
}

/* May the role break the glass, or could it at the moment asked about? */
bool
explain_may_break_glass(const Explanation *explanation)
{
	const Past *past = past_at(explanation->situation.at);
	FactScan   *scan;
	HeapTuple	tup;
	bool		may = false;

	if (past == NULL)
		return glass_is_granted(explanation->situation.subject);
	scan = facts_begin(past, TABLE_BREAK_GLASS_GRANT, 0, NULL);
	while (!may && HeapTupleIsValid(tup = facts_next(scan)))
	{
		bool		isnull;

		may = has_privs_of_role(explanation->situation.subject,
								DatumGetObjectId(heap_getattr(tup, Anum_break_glass_grant_to_role, facts_desc(scan), &isnull)));
	}
	facts_end(scan);
	return may;
}
