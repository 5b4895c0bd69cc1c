/*-------------------------------------------------------------------------
 *
 * record_denied.c
 *	  Refusals in the access log, and what is done to a relation without a
 *	  plan: TRUNCATE, COPY FROM, roads of owners.
 *
 * A refusal is in the queue before its error is raised, and where the
 * relation is logged synchronously it is on disk.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/record.h"
#include "access/xact.h"
#include "utils/memutils.h"

/* The refusal whose error is being raised has been noted. */
static bool denial_is_noted = false;

/* The relation that the innermost COPY FROM loads; InvalidOid: none. */
Oid			record_copied_relation = InvalidOid;

/* Was the refusal noted where the error that is caught was raised? */
bool
record_denial_is_noted(void)
{
	bool		noted = denial_is_noted;

	denial_is_noted = false;
	return noted;
}

/* What the log has for a relation, outside of plans. */
static void
describe(Access *access, Oid relid, const char *command, Oid subject, AuditLevel level)
{
	memset(access, 0, sizeof(Access));
	access->relid = relid;
	access->subject = subject;
	access->command = command;
	access->level = level;
	access->purpose = record_purpose(purpose_effective(subject));
}

/* Writes a refusal, once a statement. */
static void
write_denial(Statement *statement, Access *access)
{
	Tally		tally = {.any = true,.error = ERRCODE_INSUFFICIENT_PRIVILEGE};
	Outcome		outcome = OUTCOME_FAILED;
	AuditPosition position;

	if (access->is_written)
		return;
	access->is_written = true;
	position = record_write(statement, access, "event", &outcome, &tally, false);
	if (access->level == AUDIT_LEVEL_SYNC)
		audit_wait_durable(position);
}

/*
 * An access is about to be refused with insufficient_privilege; command is a
 * constant.
 */
void
access_denied(Oid relid, const char *command, Oid subject)
{
	bool		has_entities;
	AuditLevel	level = governance_audit(relid, &has_entities);
	Statement  *statement;
	Access		access;

	denial_is_noted = true;
	if (IsParallelWorker() || !record_is_due(relid, level, true))
		return;
	statement = statement_current();
	describe(&access, relid, command, subject, level);
	access.decision = DECISION_DENIED;
	write_denial(statement, &statement->accesses[statement_access(statement, &access)]);
}

/* The access of the COPY FROM that loads the relation, or NULL. */
static Access *
copy_access(Oid relid)
{
	for (int i = 0; current_statement != NULL && i < current_statement->naccesses; i++)
	{
		Access	   *access = &current_statement->accesses[i];

		if (access->relid == relid && strcmp(access->command, "copy from") == 0)
			return access;
	}
	return NULL;
}

/* The COPY FROM that loads the relation is refused. */
void
record_copy_refused(Oid relid)
{
	Access	   *access = copy_access(relid);

	if (access != NULL)
		access->decision = DECISION_DENIED;
}

/* A row that the innermost query writes is about to be refused. */
void
record_row_refused(Oid relid, const char *command)
{
	for (TrackedQuery *query = open_queries; query != NULL; query = query->next)
	{
		if (!query->running)
			continue;
		for (int i = 0; i < query->nuses; i++)
		{
			if (query->uses[i].is_target &&
				query->statement->accesses[query->uses[i].access].relid == relid)
			{
				query->refused = true;
				return;
			}
		}
		break;
	}
	if (record_copied_relation == relid)
		record_copy_refused(relid);
	else
		access_denied(relid, command, access_subject());
}

/* Does the error come from a check that core makes on rows? */
static bool
is_row_check(int error)
{
	MemoryContext old;
	ErrorData  *edata;
	bool		result;

	if (error == ERRCODE_WITH_CHECK_OPTION_VIOLATION)
		return true;
	if (error != ERRCODE_INSUFFICIENT_PRIVILEGE)
		return false;
	old = MemoryContextSwitchTo(CurTransactionContext);
	edata = CopyErrorData();
	result = edata->funcname != NULL && strcmp(edata->funcname, "ExecWithCheckOptions") == 0;
	FreeErrorData(edata);
	MemoryContextSwitchTo(old);
	return result;
}

/*
 * A query has failed.  Where that was because of a row that it may not write,
 * its access was denied.  Called in PG_CATCH().
 */
void
record_refused_rows(TrackedQuery *query, int error)
{
	Statement  *statement = query->statement;
	MemoryContext old;

	denial_is_noted = false;
	if (!query->refused && !is_row_check(error))
		return;
	old = MemoryContextSwitchTo(CurTransactionContext);
	for (int i = 0; i < query->nuses; i++)
	{
		AccessUse  *use = &query->uses[i];
		Access	   *access = &statement->accesses[use->access];
		bool		others = access->nopen > 1;

		if (!use->is_target)
			continue;
		for (int j = 0; j < OUTCOME_COUNT; j++)
			others |= access->tally[j].any;
		if (!others)
			access->decision = DECISION_DENIED;
		else
		{
			Access		denied = *access;

			denied.decision = DECISION_DENIED;
			denied.has_entities = false;
			denied.purpose = record_bytes_keep(access->purpose);
			denied.reason = record_bytes_keep(access->reason);
			write_denial(statement, &statement->accesses[statement_access(statement, &denied)]);
		}
	}
	MemoryContextSwitchTo(old);
}

/* Begins an access that is over when the statement is. */
static void
begin_access(const PlanAccess *plan_access, const char *command)
{
	bool		has_entities;
	AuditLevel	level = governance_audit(plan_access->relid, &has_entities);
	Statement  *statement;
	Access		access;
	int			index;

	if (!record_is_due(plan_access->relid, level, false))
		return;
	statement = statement_current();
	describe(&access, plan_access->relid, command, plan_access->subject, level);
	access.columns = (uint32 *) plan_access->columns;
	access.nwords = plan_access->nwords;
	access.has_entities = has_entities;
	access.decision = steward_bypasses(plan_access->subject) ? DECISION_BYPASSED : DECISION_ALLOWED;
	index = statement_access(statement, &access);
	statement_begin_access(statement, index);
	statement->accesses[index].tally[OUTCOME_COMPLETED].any = true;
}

/*
 * Something is done to a governed relation by a statement that has no plan;
 * command is a constant.
 */
void
record_utility_access(Oid relid, const char *command, Oid subject)
{
	PlanAccess	access = {.relid = relid,.subject = subject};

	begin_access(&access, command);
}

/* COPY FROM is about to load these columns of a governed relation. */
void
record_copy_from(Oid relid, List *attnums)
{
	PlanAccess	access = {.relid = relid,.subject = access_subject()};
	ListCell   *lc;

	foreach(lc, attnums)
	{
		int			word = lfirst_int(lc) / 32;

		access.columns[word] |= (uint32) 1 << (lfirst_int(lc) % 32);
		access.nwords = Max(access.nwords, word + 1);
	}
	record_copied_relation = relid;
	begin_access(&access, "copy from");
}

/* COPY FROM has loaded so many rows, not by a plan. */
void
record_copied(Oid relid, uint64 rows)
{
	Access	   *access = copy_access(relid);

	if (access == NULL || !access->tally[OUTCOME_COMPLETED].any)
		return;
	access->tally[OUTCOME_COMPLETED].has_affected = true;
	access->tally[OUTCOME_COMPLETED].affected += rows;
}
