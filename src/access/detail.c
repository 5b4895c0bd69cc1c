/*-------------------------------------------------------------------------
 *
 * detail.c
 *	  Keeps values of governed rows out of errors.
 *
 * PostgreSQL tells in the detail of a constraint violation what the row or
 * the key holds, unless row security concerns the current user.  Inside a
 * definer function of somebody whom row security does not concern it tells
 * everything, to the person who called the function.
 *
 * Masks and policies see real values, and where they convert one that does
 * not fit, PostgreSQL's message quotes it ('invalid input syntax for type
 * integer: "…"').  Nobody can tell such an error from one about a value of the
 * statement's own, so where masks or policies of a plan convert values, no
 * error about values shows them.
 *
 * Both are replaced as the error is raised, so that no handler sees them
 * either.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access_internal.h"
#include "access/break.h"
#include "miscadmin.h"

/* Does PostgreSQL quote values in the messages of such errors? */
static bool
quotes_values(int code)
{
	switch (code)
	{
		case ERRCODE_DIVISION_BY_ZERO:
			return false;
		case ERRCODE_UNDEFINED_TABLE:
		case ERRCODE_UNDEFINED_OBJECT:
		case ERRCODE_UNDEFINED_FUNCTION:
		case ERRCODE_AMBIGUOUS_FUNCTION:
		case ERRCODE_UNDEFINED_SCHEMA:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
			return true;
		default:
			return ERRCODE_TO_CATEGORY(code) == ERRCODE_DATA_EXCEPTION;
	}
}

/* Error context: replaces what quotes a value. */
static void
conceal_value(void *arg)
{
	if (quotes_values(geterrcode()))
	{
		errmsg("a value could not be converted or computed");
		errdetail("The statement reads a table whose masks or policies convert values; errors about values do not show them there.");
	}
}

/* Error context: replaces the detail of what was violated. */
static void
conceal_detail(void *arg)
{
	switch (geterrcode())
	{
		case ERRCODE_NOT_NULL_VIOLATION:
		case ERRCODE_FOREIGN_KEY_VIOLATION:
		case ERRCODE_UNIQUE_VIOLATION:
		case ERRCODE_CHECK_VIOLATION:
		case ERRCODE_EXCLUSION_VIOLATION:
		case ERRCODE_WITH_CHECK_OPTION_VIOLATION:
			errdetail("Values of governed tables are not shown.");
			break;
		default:
			break;
	}
}

/* Do masks or policies on a relation of the plan convert values? */
static bool
plan_converts(PlannedStmt *plan)
{
	ListCell   *lc;

	foreach(lc, plan->relationOids)
	{
		if (governance_converts(lfirst_oid(lc)))
			return true;
	}
	return false;
}

static void
push(ErrorContextCallback *callback, void (*function) (void *))
{
	callback->previous = error_context_stack;
	callback->callback = function;
	callback->arg = NULL;
	error_context_stack = callback;
}

/*
 * To be called before a plan runs or finishes, with room for callbacks that
 * lives as long; access_reveal_details() ends it.  What an error leaves
 * behind, core resets with its own contexts.
 */
void
access_conceal_details(QueryDesc *queryDesc, ConcealedDetails *concealed)
{
	concealed->previous = error_context_stack;
	if (!steward_is_created() || !governance_any() ||
		!plan_is_governed(queryDesc->plannedstmt) || BROKEN("error-details") ||
		steward_bypasses(access_subject()))
		return;
	if (plan_converts(queryDesc->plannedstmt))
		push(&concealed->values, conceal_value);
	if (GetUserId() != access_subject() && steward_bypasses(GetUserId()))
		push(&concealed->details, conceal_detail);
}

void
access_reveal_details(ConcealedDetails *concealed)
{
	error_context_stack = concealed->previous;
}
