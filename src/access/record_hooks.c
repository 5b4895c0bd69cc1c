/*-------------------------------------------------------------------------
 *
 * record_hooks.c
 *	  Where statements and queries begin and end, for the access log.
 *
 * Called by the dispatcher around planning, ExecutorStart(), ExecutorRun(),
 * ExecutorFinish(), ExecutorEnd() and utility statements, and by callbacks at
 * the end of (sub)transactions and of the process.
 *
 * What begins while nothing else runs is what the client sent.  Functions that
 * are evaluated while a statement is planned run before it does, and belong to
 * it all the same.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/record.h"
#include "access/xact.h"
#include "commands/prepare.h"
#include "mb/pg_wchar.h"
#include "storage/ipc.h"
#include "tcop/cmdtag.h"
#include "tcop/pquery.h"
#include "tcop/utility.h"
#include "utils/memutils.h"
#include "utils/portal.h"

/* Bytes of a reason in the log. */
#define MAX_REASON	1000

/* How many planners run outside of any executor. */
static int	planning = 0;

/* SQLSTATE of the message that ends the process; 0: none. */
static int	fatal_error = 0;

static bool exit_is_watched = false;

static const char *utility_command = NULL;

/* ------------------------------------------------------------------------
 * What the client sent
 * ------------------------------------------------------------------------
 */

/* What the client sent has ended; cursors that it opened have not. */
static void
end_top(void)
{
	Statement  *statement = current_statement;

	memset(&top_statement, 0, sizeof(top_statement));
	current_statement = NULL;
	if (statement != NULL)
	{
		statement->runs = false;
		statement_end_if_over(statement);
	}
}

/* Something begins: what the client sent, unless it is part of that. */
static void
begin_top(const char *text, int location, int len, uint64 query_id, ParamListInfo params,
		  QueryDesc *desc)
{
	if (access_is_nested() || planning > 0)
		return;

	/* It was planned a moment ago, and functions may have run. */
	if (top_statement.text == text &&top_statement.location == location &&
		top_statement.len == len && desc != NULL && top_statement.desc == NULL)
	{
		top_statement.desc = desc;
		top_statement.params = params;
		return;
	}
	if (unlikely(current_statement != NULL))
		end_top();
	top_statement.text = text;

	top_statement.location = location;
	top_statement.len = len;
	top_statement.query_id = query_id;
	top_statement.params = params;
	top_statement.executes = false;
	top_statement.desc = desc;
}

/* A query is about to be planned. */
void
access_record_planning(Query *query, const char *text, ParamListInfo params)
{
	if (access_is_nested())
		return;
	begin_top(text, query->stmt_location, query->stmt_len, query->queryId, params, NULL);
	planning++;
}

/* It has been planned. */
void
access_record_planned(void)
{
	if (!access_is_nested() && planning > 0)
		planning--;
}

/* ------------------------------------------------------------------------
 * Frames: while something runs
 * ------------------------------------------------------------------------
 */

/* More than PostgreSQL has kinds of statements; 18 does not tell how many. */
#define MAX_COMMAND_TAGS 256

/* The name of a kind of statement in the log. */
static const char *
utility_name(Node *stmt)
{
	static char *names[MAX_COMMAND_TAGS];
	CommandTag	tag = CreateCommandTag(stmt);

	if (tag == CMDTAG_TRUNCATE_TABLE)
		return "truncate";
	if ((int) tag >= MAX_COMMAND_TAGS)
		return "other";
	if (names[tag] == NULL)
	{
		char	   *name = MemoryContextStrdup(TopMemoryContext, GetCommandTagName(tag));

		for (char *p = name; *p != '\0'; p++)
			*p = pg_ascii_tolower((unsigned char) *p);
		names[tag] = name;
	}
	return names[tag];
}

/* The innermost utility statement that runs. */
const char *
record_utility_command(void)
{
	return utility_command == NULL ? "?" : utility_command;
}

/* What the client sent is EXECUTE: it means the statement that is named. */
static void
begin_top_execute(ExecuteStmt *stmt)
{
	PreparedStatement *prepared = FetchPreparedStatement(stmt->name, false);
	CachedPlanSource *source;
	Query	   *query;

	if (access_is_nested() || prepared == NULL || prepared->plansource->query_list == NIL)
		return;
	source = prepared->plansource;
	query = linitial_node(Query, source->query_list);
	top_statement.text = source->query_string;
	top_statement.location = query->stmt_location;
	top_statement.len = query->stmt_len;
	top_statement.query_id = query->queryId;
	top_statement.executes = true;
}

/* A utility statement is about to run. */
void
access_record_utility(RecordFrame *frame, PlannedStmt *pstmt, const char *text, ParamListInfo params)
{
	frame->query = NULL;
	frame->command = utility_command;
	frame->copied = record_copied_relation;
	begin_top(text, pstmt->stmt_location, pstmt->stmt_len, pstmt->queryId, params, NULL);
	if (IsA(pstmt->utilityStmt, ExecuteStmt))
		begin_top_execute(castNode(ExecuteStmt, pstmt->utilityStmt));
	utility_command = utility_name(pstmt->utilityStmt);
	record_copied_relation = InvalidOid;
	frame->statement = current_statement;
	frame->planning = planning;
	planning = 0;
}

/* A plan is about to run; counts: it delivers rows. */
void
access_record_enter(RecordFrame *frame, QueryDesc *desc, bool counts)
{
	frame->query = open_queries == NULL ? NULL : query_tracked(desc);
	frame->statement = current_statement;
	frame->planning = planning;
	frame->command = utility_command;
	frame->copied = record_copied_relation;
	planning = 0;
	if (frame->query != NULL)
	{
		frame->query->running = counts;
		current_statement = frame->query->statement;
	}
}

/*
 * A cursor WITH HOLD keeps its rows at the commit: all of them, from the first
 * on, where it can go backwards.
 */
static bool
holds_all_rows(QueryDesc *desc)
{
	return desc->dest != NULL && desc->dest->mydest == DestTuplestore &&
		ActivePortal != NULL && ActivePortal->queryDesc == desc &&
		(ActivePortal->cursorOptions & CURSOR_OPT_HOLD) != 0 &&
		(ActivePortal->cursorOptions & CURSOR_OPT_SCROLL) != 0;
}

/* It has run to its end, or as far as it was asked to. */
void
access_record_leave(RecordFrame *frame)
{
	TrackedQuery *query = frame->query;

	planning = frame->planning;
	if (query != NULL)
	{
		if (query->running)
		{
			if (holds_all_rows(query->desc))
				query->rows = 0;
			query->rows += query_rows(query);
		}
		query->running = false;
		current_statement = frame->statement;
	}
}

/* The same for a utility statement. */
void
access_record_utility_done(RecordFrame *frame, const QueryCompletion *qc)
{
	/* COPY FROM that core has carried out */
	if (OidIsValid(record_copied_relation) && qc != NULL && qc->commandTag == CMDTAG_COPY)
		record_copied(record_copied_relation, qc->nprocessed);
	planning = frame->planning;
	utility_command = frame->command;
	record_copied_relation = frame->copied;
	if (!access_is_nested() && planning == 0)
		end_top();
}

/* An error goes through.  Called in PG_CATCH(). */
void
access_record_failed(RecordFrame *frame)
{
	int			error = geterrcode();
	TrackedQuery *query = frame->query;
	Statement  *inner;

	planning = frame->planning;
	if (OidIsValid(record_copied_relation) && error == ERRCODE_INSUFFICIENT_PRIVILEGE &&
		record_copied_relation != frame->copied)
		record_copy_refused(record_copied_relation);
	utility_command = frame->command;
	record_copied_relation = frame->copied;
	if (query != NULL)
	{
		/* A subtransaction or transaction that ended within has ended it. */
		for (TrackedQuery *open = open_queries; open != query; open = open->next)
		{
			if (open == NULL)
			{
				query = NULL;
				break;
			}
		}
	}
	if (query != NULL)
	{
		record_refused_rows(query, error);
		query_end(query, OUTCOME_FAILED, error);
	}
	inner = frame->query != NULL ? frame->statement : current_statement;
	current_statement = inner != NULL && statement_is_open(inner) ? inner : NULL;
	if (access_is_nested() || planning > 0)
		return;
	if (current_statement != NULL)
		statement_broken(current_statement, OUTCOME_FAILED, error);
	end_top();
}

/* ------------------------------------------------------------------------
 * Queries
 * ------------------------------------------------------------------------
 */

/* The name of a command in the log. */
static const char *
command_of(int bits, QueryDesc *desc)
{
	switch (ACCESS_COMMAND(bits))
	{
		case CMD_INSERT:
			return "insert";
		case CMD_UPDATE:
			return "update";
		case CMD_DELETE:
			return "delete";
		case CMD_MERGE:
			return "merge";
		default:
			return desc->dest != NULL && desc->dest->mydest == DestCopyOut ? "copy to" : "select";
	}
}

typedef struct Start
{
	QueryDesc  *desc;
	Statement  *statement;
	bool		denied;			/* these permissions were found missing */
	bool		any;
	Oid			subject;		/* whose purpose is known */
	RecordBytes *purpose;
	int			ordinal;		/* of the next access of the plan */
	int			nuses;
	AccessUse	uses[16];
	List	   *more;			/* those beyond */
} Start;

static RecordBytes *
purpose_of(Start *start, Oid subject)
{
	if (start->subject != subject)
	{
		record_bytes_release(&start->purpose);
		start->purpose = record_purpose(purpose_effective(subject));
		start->subject = subject;
	}
	return record_bytes_keep(start->purpose);
}

/* What the log has for one access of a plan. */
static void
describe(Access *access, Start *start, const PlanAccess *plan_access)
{
	static Entities wanted;		/* stands for a list */

	memset(access, 0, sizeof(Access));
	access->relid = plan_access->relid;
	access->subject = plan_access->subject;
	access->level = ACCESS_LEVEL_OF(plan_access->bits);
	access->command = start->desc->operation == CMD_INSERT && record_copied_relation == plan_access->relid ?
		"copy from" : command_of(plan_access->bits, start->desc);
	access->columns = (uint32 *) plan_access->columns;
	access->nwords = plan_access->nwords;
	access->purpose = purpose_of(start, plan_access->subject);
	access->has_entities = (plan_access->bits & (ACCESS_TELLS_ENTITIES | ACCESS_ANY_ENTITY)) != 0;
	access->entities = plan_access->bits & ACCESS_TELLS_ENTITIES ? &wanted : NULL;
	if (plan_access->bits & ACCESS_BYPASSES)
		access->decision = DECISION_BYPASSED;
	else if (glass_is_broken(plan_access->relid, plan_access->subject))
	{
		const char *reason = glass_reason();

		access->decision = DECISION_BREAK_GLASS;
		if (reason != NULL)
			access->reason = record_bytes_of_text(ACCESS_REASON, reason,
												  pg_mbcliplen(reason, strlen(reason), MAX_REASON));
	}
	else
		access->decision = plan_access->bits & ACCESS_OBSERVED ? DECISION_OBSERVED : DECISION_ALLOWED;
}

static void
start_access(const PlanAccess *plan_access, void *arg)
{
	Start	   *start = arg;
	Access		access;
	AccessUse	use;
	bool		writes = ACCESS_COMMAND(plan_access->bits) != CMD_SELECT;
	int			ordinal = start->ordinal++;

	if (!record_is_due(plan_access->relid, ACCESS_LEVEL_OF(plan_access->bits), false))
		return;
	describe(&access, start, plan_access);
	if (start->statement == NULL)
		start->statement = statement_current();
	use.access = statement_access(start->statement, &access);
	use.ordinal = ordinal;
	use.is_target = writes;
	use.counts_affected = writes && (plan_access->bits & ACCESS_COUNTED);
	use.counts_returned = !writes || (plan_access->bits & ACCESS_RETURNING);
	statement_begin_access(start->statement, use.access);
	if (start->nuses < lengthof(start->uses))
		start->uses[start->nuses++] = use;
	else
	{
		AccessUse  *copy = palloc(sizeof(AccessUse));

		*copy = use;
		start->more = lappend(start->more, copy);
	}
}

static void
at_exit(int code, Datum arg)
{
	for (Statement *statement = open_statements; statement != NULL; statement = statement->next)
		statement_broken(statement, OUTCOME_DISCONNECTED, fatal_error);
	while (open_queries != NULL)
		query_end(open_queries, OUTCOME_DISCONNECTED, fatal_error);
	while (open_statements != NULL)
	{
		Statement  *statement = open_statements;

		statement->runs = false;
		statement_end_if_over(statement);
	}
	current_statement = NULL;
}

/* Is the plan about governed relations whose accesses are logged? */
bool
access_record_starting(QueryDesc *desc, int eflags)
{
	PlannedStmt *plan = desc->plannedstmt;

	begin_top(desc->sourceText, plan->stmt_location, plan->stmt_len, plan->queryId,
			  desc->params, desc);
	if (plan->invalItems == NIL || (eflags & EXEC_FLAG_EXPLAIN_ONLY) != 0 ||
		IsParallelWorker() || !plan_is_logged(plan))
		return false;
	(void) record_denial_is_noted();
	return true;
}

/* The plan has started: its accesses are announced before it runs. */
void
access_record_started(QueryDesc *desc)
{
	Start		start = {.desc = desc};
	TrackedQuery *query;
	ListCell   *lc;

	if (unlikely(!exit_is_watched))
	{
		before_shmem_exit(at_exit, (Datum) 0);
		exit_is_watched = true;
	}
	if (top_statement.executes)
		top_statement.params = desc->params;
	plan_foreach_access(desc->plannedstmt, start_access, &start);
	record_bytes_release(&start.purpose);
	if (start.statement == NULL)
		return;
	query = query_track(desc, start.statement);
	for (int i = 0; i < start.nuses; i++)
		query_use(query, start.uses[i]);
	foreach(lc, start.more)
		query_use(query, *(AccessUse *) lfirst(lc));
}

/* Notes a refusal, where the plan lacks a permission. */
static void
refuse_access(const PlanAccess *plan_access, void *arg)
{
	Start	   *start = arg;

	if (start->any ||
		(start->denied && !plan_lacks_permission(start->desc->plannedstmt, plan_access->relid)))
		return;
	start->any = !start->denied;
	access_denied(plan_access->relid, command_of(plan_access->bits, start->desc),
				  plan_access->subject);
}

/* The plan was not allowed to start.  Called in PG_CATCH(). */
void
access_record_not_started(QueryDesc *desc)
{
	Start		start = {.desc = desc};
	int			error = geterrcode();

	if (error == ERRCODE_INSUFFICIENT_PRIVILEGE && !record_denial_is_noted())
	{
		MemoryContext old = MemoryContextSwitchTo(CurTransactionContext);

		/* No permission is missing: no token lets the session in. */
		start.denied = plan_lacks_permission(desc->plannedstmt, InvalidOid);
		plan_foreach_access(desc->plannedstmt, refuse_access, &start);
		MemoryContextSwitchTo(old);
	}
	if (!access_is_nested() && planning == 0)
	{
		if (current_statement != NULL)
			statement_broken(current_statement, OUTCOME_FAILED, error);
		end_top();
	}
}

/* A plan has ended. */
void
access_record_ended(QueryDesc *desc)
{
	TrackedQuery *query = open_queries == NULL ? NULL : query_tracked(desc);

	if (query != NULL)
		query_end(query, OUTCOME_COMPLETED, 0);
	if (top_statement.desc == desc)
		end_top();
}

/* ------------------------------------------------------------------------
 * Ends that are not seen otherwise
 * ------------------------------------------------------------------------
 */

/* A message is about to be logged: perhaps the last of the process. */
void
access_record_message(ErrorData *edata)
{
	if (edata->elevel == FATAL)
		fatal_error = edata->sqlerrcode;
}

static void
xact_callback(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	while (open_queries != NULL)
		query_end(open_queries, event == XACT_EVENT_ABORT ? OUTCOME_ABORTED : OUTCOME_COMPLETED, 0);

	/* A procedure goes on. */
	if (access_is_nested())
		return;
	planning = 0;
	if (current_statement != NULL && event == XACT_EVENT_ABORT)
		statement_broken(current_statement, OUTCOME_FAILED, 0);
	end_top();
	while (open_statements != NULL)
	{
		open_statements->runs = false;
		statement_end_if_over(open_statements);
	}
}

static void
subxact_callback(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	int			nest = GetCurrentTransactionNestLevel();

	if (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB)
		return;
	for (TrackedQuery *query = open_queries, *next; query != NULL; query = next)
	{
		next = query->next;
		if (query->nest < nest)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			query->nest = nest - 1;
		else
			query_end(query, OUTCOME_ABORTED, 0);
	}
}

/* Registers the callbacks.  Called once, while libraries are preloaded. */
void
record_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
	record_entity_init();
	record_names_init();
	record_revision_init();
	record_write_init();
}
