/*-------------------------------------------------------------------------
 *
 * record.c
 *	  The statements that touch governed relations, and the queries in them.
 *
 * Ends come in many ways: ExecutorEnd(), an error that goes through
 * ExecutorRun() or the utility statement, an error that some exception block
 * swallowed (then only the subtransaction tells), a cursor that the commit or
 * the abort closes, the end of the process.  Executor memory may be gone by
 * then, so the rows are taken over whenever ExecutorRun() returns or fails.
 *
 * What is written at the end must not fail: its room is reserved, and whatever
 * needs a catalog was made, when the query began.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/record.h"
#include "access/xact.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

/* The statement to which what begins now belongs; NULL: none yet. */
Statement  *current_statement = NULL;

Statement  *open_statements = NULL;
TrackedQuery *open_queries = NULL;
TopStatement top_statement;

static Statement *free_statements = NULL;
static TrackedQuery *free_queries = NULL;
static uint64 last_statement_number = 0;

/* ------------------------------------------------------------------------
 * Statements
 * ------------------------------------------------------------------------
 */

/* The statement to which what begins now belongs; made where there is none. */
Statement *
statement_current(void)
{
	Statement  *statement;
	RecordBytes *text;
	RecordBytes *parameters = NULL;
	int64		revision;

	if (current_statement != NULL)
		return current_statement;

	/* What may fail comes first. */
	if (steward_log_parameters)
	{
		text = record_raw_text(top_statement.text, top_statement.location, top_statement.len);

		parameters = record_parameters(top_statement.params);
	}
	else
		text = record_text(top_statement.text, top_statement.location, top_statement.len);

	revision = policy_revision();
	if (free_statements == NULL)
	{
		statement = MemoryContextAllocZero(TopMemoryContext, sizeof(Statement));
		statement->context = AllocSetContextCreate(TopMemoryContext, "pg_steward statement",
												   ALLOCSET_SMALL_SIZES);
		statement->max_accesses = 4;
		statement->accesses = MemoryContextAllocZero(TopMemoryContext, 4 * sizeof(Access));
	}
	else
	{
		statement = free_statements;
		free_statements = statement->next;
	}
	statement->number = ++last_statement_number;
	INSTR_TIME_SET_CURRENT(statement->started);
	statement->query_id = top_statement.query_id;
	statement->revision = revision;
	statement->text = text;

	statement->parameters = parameters;
	statement->reservation.bytes = 0;
	statement->nqueries = 0;
	statement->runs = true;
	statement->outcome = OUTCOME_COMPLETED;
	statement->error = 0;
	statement->last_number = 0;
	statement->naccesses = 0;
	statement->next = open_statements;
	open_statements = statement;
	return current_statement = statement;
}

/* Has the statement not ended? */
bool
statement_is_open(const Statement *statement)
{
	for (Statement *open = open_statements; open != NULL; open = open->next)
	{
		if (open == statement)
			return true;
	}
	return false;
}

/* Are the columns among those of the access? */
static bool
has_columns(const Access *access, const uint32 *columns, int nwords)
{
	for (int i = 0; i < nwords; i++)
	{
		if ((columns[i] & ~(i < access->nwords ? access->columns[i] : 0)) != 0)
			return false;
	}
	return true;
}

/* Gives the access these columns too. */
static void
add_columns(Statement *statement, Access *access, const uint32 *columns, int nwords)
{
	if (nwords > access->max_words)
	{
		uint32	   *more = MemoryContextAllocZero(statement->context, nwords * sizeof(uint32));

		if (access->nwords > 0)
			memcpy(more, access->columns, access->nwords * sizeof(uint32));
		access->columns = more;
		access->max_words = nwords;
	}
	for (int i = 0; i < nwords; i++)
		access->columns[i] = columns[i] | (i < access->nwords ? access->columns[i] : 0);
	access->nwords = Max(access->nwords, nwords);
}

/*
 * The access of the statement that is like the one sought, among whose fields
 * relid to level, columns, purpose and reason count.  Where there is none, it
 * is added.  The purpose and the reason are given away.
 */
int
statement_access(Statement *statement, const Access *sought)
{
	Access	   *access;
	RecordBytes *relation;
	RecordBytes *column_names;
	RecordBytes *person;
	Entities   *entities = NULL;

	for (int i = 0; i < statement->naccesses; i++)
	{
		access = &statement->accesses[i];
		if (access->relid != sought->relid || access->decision != sought->decision ||
			access->subject != sought->subject || strcmp(access->command, sought->command) != 0 ||
			!record_bytes_equal(access->purpose, sought->purpose) ||
			!record_bytes_equal(access->reason, sought->reason))
			continue;
		if (sought->has_entities && sought->entities == NULL && access->entities != NULL)
			access->entities->beyond = true;
		if (!has_columns(access, sought->columns, sought->nwords))
		{
			Size		before;

			/* What the log was told to come is not widened. */
			if (access->has_intent || access->is_written)
				continue;
			before = record_size(statement, access);
			add_columns(statement, access, sought->columns, sought->nwords);
			record_names(access->relid, access->columns, access->nwords, &relation, &column_names);
			record_bytes_release(&access->relation);
			record_bytes_release(&access->column_names);
			access->relation = relation;
			access->column_names = column_names;
			if (record_size(statement, access) > before)
			{
				for (int j = 0; j < access->nreserved; j++)
					record_reserve(statement, record_size(statement, access) - before);
			}
		}
		return i;
	}

	record_names(sought->relid, sought->columns, sought->nwords, &relation, &column_names);
	person = record_person(sought->subject);
	if (sought->has_entities && sought->entities != NULL)
		entities = entities_make(statement->context, sought->relid);
	if (statement->naccesses == statement->max_accesses)
	{
		statement->accesses = repalloc(statement->accesses,
									   2 * statement->max_accesses * sizeof(Access));
		statement->max_accesses *= 2;
	}
	access = &statement->accesses[statement->naccesses];
	memset(access, 0, sizeof(Access));
	add_columns(statement, access, sought->columns, sought->nwords);
	access->relid = sought->relid;
	access->subject = sought->subject;
	access->command = sought->command;
	access->decision = sought->decision;
	access->level = sought->level;
	access->purpose = sought->purpose;
	access->reason = sought->reason;
	access->relation = relation;
	access->column_names = column_names;
	access->person = person;
	access->has_entities = sought->has_entities;
	access->entities = entities;
	access->number = ++statement->last_number;
	return statement->naccesses++;
}

/*
 * A query that makes the access is about to begin: there will be room for its
 * record, and a sync one is announced.  What may wait or fail is done here.
 */
void
statement_begin_access(Statement *statement, int index)
{
	Access	   *access = &statement->accesses[index];
	int			needed = access->nopen + 1;

	for (int i = 0; i < OUTCOME_COUNT; i++)
		needed += access->tally[i].any;
	needed = Min(needed, OUTCOME_COUNT);
	for (; access->nreserved < needed; access->nreserved++)
		record_reserve(statement, record_size(statement, access));
	if (access->level == AUDIT_LEVEL_SYNC && !access->has_intent && needed == 1)
	{
		AuditPosition position = record_write(statement, access, "intent", NULL, NULL, false);

		access->has_intent = true;
		audit_wait_durable(position);
		/* on disk, but perhaps only set aside */
		if (!RecoveryInProgress())
			audit_require_log(&access_event_format);
	}
}

/* The statement does not come to its end: what it has read counts as that. */
void
statement_broken(Statement *statement, Outcome outcome, int error)
{
	statement->outcome = outcome;
	statement->error = error;
}

/* Writes what an access of a statement came to. */
static void
write_access(Statement *statement, Access *access)
{
	if (statement->outcome != OUTCOME_COMPLETED && access->tally[OUTCOME_COMPLETED].any)
	{
		Tally	   *completed = &access->tally[OUTCOME_COMPLETED];
		Tally	   *broken = &access->tally[statement->outcome];

		broken->has_returned |= completed->has_returned;
		broken->has_affected |= completed->has_affected;
		broken->returned += completed->returned;
		broken->affected += completed->affected;
		if (!broken->any)
			broken->error = statement->error;
		broken->any = true;
		completed->any = false;
	}
	for (Outcome outcome = 0; outcome < OUTCOME_COUNT; outcome++)
	{
		if (!access->tally[outcome].any || access->nreserved == 0)
			continue;
		if (access->number == 0)
			access->number = ++statement->last_number;
		(void) record_write(statement, access, access->has_intent ? "outcome" : "event",
							&outcome, &access->tally[outcome], true);
		access->has_intent = false;
		access->nreserved--;
		access->number = 0;
	}

	/* Waiting for the intent was given up: no row was delivered. */
	if (access->has_intent && access->nreserved > 0)
	{
		Tally		none = {.any = true,.error = statement->error};
		Outcome		outcome = statement->outcome == OUTCOME_COMPLETED ? OUTCOME_FAILED : statement->outcome;

		(void) record_write(statement, access, "outcome", &outcome, &none, true);
	}
}

/* Writes the records of a statement in which nothing runs any more. */
void
statement_end_if_over(Statement *statement)
{
	Statement **link = &open_statements;

	if (statement->runs || statement->nqueries > 0)
		return;
	for (int i = 0; i < statement->naccesses; i++)
	{
		Access	   *access = &statement->accesses[i];

		write_access(statement, access);
		record_bytes_release(&access->purpose);
		record_bytes_release(&access->reason);
		record_bytes_release(&access->relation);
		record_bytes_release(&access->column_names);
		record_bytes_release(&access->person);
	}
	audit_release(&statement->reservation);
	record_bytes_release(&statement->text);
	record_bytes_release(&statement->parameters);
	MemoryContextReset(statement->context);

	while (*link != statement)
		link = &(*link)->next;
	*link = statement->next;
	statement->next = free_statements;
	free_statements = statement;
	if (current_statement == statement)
		current_statement = NULL;
}

/* ------------------------------------------------------------------------
 * Queries
 * ------------------------------------------------------------------------
 */

/* Begins to follow a query. */
TrackedQuery *
query_track(QueryDesc *desc, Statement *statement)
{
	TrackedQuery *query;

	if (free_queries == NULL)
	{
		query = MemoryContextAllocZero(TopMemoryContext, sizeof(TrackedQuery));
		query->max_uses = 4;
		query->uses = MemoryContextAlloc(TopMemoryContext, 4 * sizeof(AccessUse));
	}
	else
	{
		query = free_queries;
		free_queries = query->next;
	}
	query->desc = desc;
	query->memory = desc->estate->es_query_cxt;
	query->ntouched = 0;
	query->statement = statement;
	query->nest = GetCurrentTransactionNestLevel();
	query->running = false;
	query->refused = false;
	query->rows = 0;
	query->nuses = 0;
	query->next = open_queries;
	open_queries = query;
	statement->nqueries++;
	return query;
}

/* What the query touches by that access of its plan goes to this list. */
static void
query_touches(TrackedQuery *query, int ordinal, Entities *entities)
{
	if (ordinal >= query->max_touched)
	{
		int			max = Max(4, 2 * ordinal);

		query->touched = query->touched == NULL ?
			MemoryContextAlloc(TopMemoryContext, max * sizeof(Entities *)) :
			repalloc(query->touched, max * sizeof(Entities *));
		query->max_touched = max;
	}
	while (query->ntouched <= ordinal)
		query->touched[query->ntouched++] = NULL;
	query->touched[ordinal] = entities;
}

/* The query makes an access for which there is room. */
void
query_use(TrackedQuery *query, AccessUse use)
{
	query_touches(query, use.ordinal, query->statement->accesses[use.access].entities);
	for (int i = 0; i < query->nuses; i++)
	{
		AccessUse  *other = &query->uses[i];

		if (other->access == use.access)
		{
			other->is_target |= use.is_target;
			other->counts_affected |= use.counts_affected;
			other->counts_returned |= use.counts_returned;
			return;
		}
	}
	if (query->nuses == query->max_uses)
	{
		query->uses = repalloc(query->uses, 2 * query->max_uses * sizeof(AccessUse));
		query->max_uses *= 2;
	}
	query->uses[query->nuses++] = use;
	query->statement->accesses[use.access].nopen++;
}

/* The query that is followed, or NULL. */
TrackedQuery *
query_tracked(QueryDesc *desc)
{
	for (TrackedQuery *query = open_queries; query != NULL; query = query->next)
	{
		if (query->desc == desc)
			return query;
	}
	return NULL;
}

/*
 * Rows that the ExecutorRun() which is running or has just returned has
 * delivered or written.
 */
uint64
query_rows(TrackedQuery *query)
{
	QueryDesc  *desc = query->desc;

	if (desc->estate == NULL ||
		(desc->operation == CMD_SELECT && desc->dest != NULL && desc->dest->mydest == DestNone))
		return 0;				/* MOVE, EXPLAIN ANALYZE */
	return desc->estate->es_processed;
}

/* The query has ended.  Nothing here fails. */
void
query_end(TrackedQuery *query, Outcome outcome, int error)
{
	Statement  *statement = query->statement;
	TrackedQuery **link = &open_queries;

	if (query->running)
		query->rows += query_rows(query);
	for (int i = 0; i < query->nuses; i++)
	{
		AccessUse  *use = &query->uses[i];
		Access	   *access = &statement->accesses[use->access];
		Tally	   *tally = &access->tally[outcome];

		access->nopen--;
		if (!tally->any)
			tally->error = error;
		tally->any = true;
		if (use->counts_returned)
		{
			tally->has_returned = true;
			tally->returned += query->rows;
		}
		if (use->counts_affected)
		{
			tally->has_affected = true;
			tally->affected += query->rows;
		}
	}
	while (*link != query)
		link = &(*link)->next;
	*link = query->next;
	query->next = free_queries;
	free_queries = query;
	statement->nqueries--;
	statement_end_if_over(statement);
}
