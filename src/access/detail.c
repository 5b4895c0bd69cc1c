/*-------------------------------------------------------------------------
 *
 * detail.c
 *	  Keeps values of governed rows out of the details of errors.
 *
 * PostgreSQL tells in the detail of a constraint violation what the row or
 * the key holds, unless row security concerns the current user.  Inside a
 * definer function of somebody whom row security does not concern it tells
 * everything, to the person who called the function.  There, the detail is
 * replaced as the error is raised, so that no handler sees it either.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access_internal.h"
#include "access/break.h"
#include "miscadmin.h"

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

/*
 * To be called before a plan runs or finishes, with room for a callback that
 * lives as long; access_reveal_details() ends it.  What an error leaves
 * behind, core resets with its own contexts.
 */
void
access_conceal_details(QueryDesc *queryDesc, ErrorContextCallback *callback)
{
	callback->previous = error_context_stack;
	callback->callback = conceal_detail;
	callback->arg = NULL;
	if (!steward_is_created() || !governance_any() ||
		GetUserId() == access_subject() ||
		!plan_is_governed(queryDesc->plannedstmt) || BROKEN("error-details") ||
		!steward_bypasses(GetUserId()) || steward_bypasses(access_subject()))
		return;
	error_context_stack = callback;
}

void
access_reveal_details(ErrorContextCallback *callback)
{
	error_context_stack = callback->previous;
}
