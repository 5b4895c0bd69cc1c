/*-------------------------------------------------------------------------
 *
 * hooks.c
 *	  The dispatcher: installs every shared hook and calls the rooms.
 *
 * No other file installs one.  Order inside a hook: deny, filter, mask,
 * record.  The hook that was there before is called as if we were not here,
 * and a refusal by it stands.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access.h"
#include "audit/audit.h"
#include "catalog/objectaccess.h"
#include "executor/executor.h"
#include "hooks.h"
#include "ledger/ledger.h"
#include "miscadmin.h"
#include "optimizer/planner.h"
#include "parser/analyze.h"
#include "registry/registry.h"
#include "rewrite/rowsecurity.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "tcop/utility.h"

static emit_log_hook_type prev_emit_log = NULL;
static post_parse_analyze_hook_type prev_post_parse_analyze = NULL;
static planner_hook_type prev_planner = NULL;
static ExecutorStart_hook_type prev_executor_start = NULL;
static ExecutorRun_hook_type prev_executor_run = NULL;
static ExecutorFinish_hook_type prev_executor_finish = NULL;
static ExecutorEnd_hook_type prev_executor_end = NULL;
static ExecutorCheckPerms_hook_type prev_check_perms = NULL;
static ProcessUtility_hook_type prev_process_utility = NULL;
static row_security_policy_hook_type prev_row_security = NULL;
static object_access_hook_type prev_object_access = NULL;
static needs_fmgr_hook_type prev_needs_fmgr = NULL;
static fmgr_hook_type prev_fmgr = NULL;
static shmem_request_hook_type prev_shmem_request = NULL;
static shmem_startup_hook_type prev_shmem_startup = NULL;

static void
steward_emit_log(ErrorData *edata)
{
	access_record_message(edata);
	access_redact_log(edata);
	if (prev_emit_log)
		prev_emit_log(edata);
}

static void
steward_post_parse_analyze(ParseState *pstate, Query *query, JumbleState *jstate)
{
	access_redact_statement();
	if (prev_post_parse_analyze)
		prev_post_parse_analyze(pstate, query, jstate);
}

static PlannedStmt *
steward_planner(Query *parse, const char *query_string, int cursorOptions,
				ParamListInfo boundParams)
{
	AccessPlan *access;
	PlannedStmt *plan;

	access_record_planning(parse, query_string, boundParams);
	access = access_prepare_query(parse, boundParams);
	if (prev_planner)
		plan = prev_planner(parse, query_string, cursorOptions, boundParams);
	else
		plan = standard_planner(parse, query_string, cursorOptions, boundParams);
	access_finish_plan(access, plan);
	access_record_planned();
	return plan;
}

/* Checks, then starts the plan. */
static void
start_executor(QueryDesc *queryDesc, int eflags)
{
	ParamListInfo given = queryDesc->params;

	registry_executor_start(queryDesc, eflags);
	access_executor_start(queryDesc, eflags);
	if (prev_executor_start)
		prev_executor_start(queryDesc, eflags);
	else
		standard_ExecutorStart(queryDesc, eflags);
	access_executor_started(queryDesc, given);
	registry_executor_started(queryDesc, eflags);
}

static void
steward_executor_start(QueryDesc *queryDesc, int eflags)
{
	access_redact_statement();
	if (!access_record_starting(queryDesc, eflags))
	{
		start_executor(queryDesc, eflags);
		return;
	}
	PG_TRY();
	{
		start_executor(queryDesc, eflags);
		access_record_started(queryDesc);
	}
	PG_CATCH();
	{
		access_record_not_started(queryDesc);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/* What is planned and run from here to the end is part of this statement. */
static void
steward_executor_run(STEWARD_EXECUTOR_RUN_PARAMS)
{
	ConcealedDetails concealed;
	RecordFrame frame;

	access_conceal_details(queryDesc, &concealed);
	access_record_enter(&frame, queryDesc, true);
	access_enter_statement();
	PG_TRY();
	{
		if (prev_executor_run)
			prev_executor_run(STEWARD_EXECUTOR_RUN_ARGS);
		else
			standard_ExecutorRun(STEWARD_EXECUTOR_RUN_ARGS);
	}
	PG_CATCH();
	{
		access_leave_statement();
		access_record_failed(&frame);
		PG_RE_THROW();
	}
	PG_END_TRY();
	access_leave_statement();
	access_record_leave(&frame);
	access_reveal_details(&concealed);
}

static void
finish_executor(QueryDesc *queryDesc)
{
	if (prev_executor_finish)
		prev_executor_finish(queryDesc);
	else
		standard_ExecutorFinish(queryDesc);
}

/* The same: triggers run here. */
static void
steward_executor_finish(QueryDesc *queryDesc)
{
	ConcealedDetails concealed;
	RecordFrame frame;

	/* A mere SELECT has nothing left to run. */
	if (queryDesc->operation == CMD_SELECT && !queryDesc->plannedstmt->hasModifyingCTE)
	{
		finish_executor(queryDesc);
		return;
	}
	access_conceal_details(queryDesc, &concealed);
	access_record_enter(&frame, queryDesc, false);
	access_enter_statement();
	PG_TRY();
	{
		finish_executor(queryDesc);
	}
	PG_CATCH();
	{
		access_leave_statement();
		access_record_failed(&frame);
		PG_RE_THROW();
	}
	PG_END_TRY();
	access_leave_statement();
	access_record_leave(&frame);
	access_reveal_details(&concealed);
}

static void
steward_executor_end(QueryDesc *queryDesc)
{
	if (prev_executor_end)
		prev_executor_end(queryDesc);
	else
		standard_ExecutorEnd(queryDesc);
	access_record_ended(queryDesc);
}

static bool
steward_check_perms(STEWARD_CHECK_PERMS_PARAMS)
{
	if (prev_check_perms && !prev_check_perms(STEWARD_CHECK_PERMS_ARGS))
		return false;

	/* Asked without raising, it is about a foreign key that is validated. */
	return ereport_on_violation || access_allows_fast_check(rangeTable);
}

static void
steward_process_utility(PlannedStmt *pstmt, const char *queryString,
						bool readOnlyTree, ProcessUtilityContext context,
						ParamListInfo params, QueryEnvironment *queryEnv,
						DestReceiver *dest, QueryCompletion *qc)
{
	RecordFrame frame;

	access_record_utility(&frame, pstmt, queryString, params);
	access_begin_statement();
	access_enter_statement();
	PG_TRY();
	{
		GuardState *guard;
		AuditPause *pause;

		registry_before_utility(pstmt);
		guard = access_before_utility(pstmt, queryString, context);
		pause = audit_before_utility(pstmt);

		if (!IsA(pstmt->utilityStmt, CopyStmt) || !access_copy(&pstmt, queryString, qc))
		{
			if (prev_process_utility)
				prev_process_utility(pstmt, queryString, readOnlyTree, context,
									 params, queryEnv, dest, qc);
			else
				standard_ProcessUtility(pstmt, queryString, readOnlyTree, context,
										params, queryEnv, dest, qc);
		}
		access_after_utility(guard);
		audit_after_utility(pause);
		audit_after_commit_prepared(pstmt);
		audit_note_setting(pstmt);
	}
	PG_CATCH();
	{
		access_leave_statement();
		access_record_failed(&frame);
		PG_RE_THROW();
	}
	PG_END_TRY();
	access_leave_statement();
	access_record_utility_done(&frame, qc);
}

static List *
steward_row_security(CmdType command, Relation relation)
{
	List	   *policies = prev_row_security ? prev_row_security(command, relation) : NIL;

	return list_concat(policies, access_row_security(relation));
}

static void
steward_object_access(ObjectAccessType access, Oid classId, Oid objectId,
					  int subId, void *arg)
{
	if (prev_object_access)
		prev_object_access(access, classId, objectId, subId, arg);
	ledger_object_access(access, classId, objectId, subId);
	access_object_access(access, classId, objectId, subId, arg);
	audit_object_access(access, classId, objectId);
}

static bool
steward_needs_fmgr(Oid funcid)
{
	return (prev_needs_fmgr && prev_needs_fmgr(funcid)) ||
		access_watches_function(funcid);
}

/* What a watched call keeps until it ends, of ours and of the previous hook. */
typedef struct WatchedCall
{
	bool		acts;
	Datum		previous;
} WatchedCall;

static void
steward_fmgr(FmgrHookEventType event, FmgrInfo *flinfo, Datum *private)
{
	WatchedCall *call = (WatchedCall *) DatumGetPointer(*private);

	if (call == NULL)
	{
		call = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(WatchedCall));
		*private = PointerGetDatum(call);
	}
	if (event != FHET_START && prev_fmgr)
		prev_fmgr(event, flinfo, &call->previous);
	access_function_event(event, flinfo->fn_oid, &call->acts);
	if (event == FHET_START && prev_fmgr)
		prev_fmgr(event, flinfo, &call->previous);
}

static void
steward_shmem_request(void)
{
	if (prev_shmem_request)
		prev_shmem_request();
	RequestAddinShmemSpace(access_shmem_size());
	RequestAddinShmemSpace(audit_shmem_size());
	RequestAddinShmemSpace(presence_shmem_size());
	audit_shmem_request();
}

static void
steward_shmem_startup(void)
{
	if (prev_shmem_startup)
		prev_shmem_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	access_shmem_init();
	audit_shmem_init();
	presence_shmem_init();
	LWLockRelease(AddinShmemInitLock);
}

/* Installs the hooks.  Called once, while libraries are preloaded. */
void
hooks_install(void)
{
#define INSTALL(hook, prev, mine) \
	((prev) = (hook), (hook) = (mine))

	INSTALL(emit_log_hook, prev_emit_log, steward_emit_log);
	INSTALL(post_parse_analyze_hook, prev_post_parse_analyze, steward_post_parse_analyze);
	INSTALL(planner_hook, prev_planner, steward_planner);
	INSTALL(ExecutorStart_hook, prev_executor_start, steward_executor_start);
	INSTALL(ExecutorRun_hook, prev_executor_run, steward_executor_run);
	INSTALL(ExecutorFinish_hook, prev_executor_finish, steward_executor_finish);
	INSTALL(ExecutorEnd_hook, prev_executor_end, steward_executor_end);
	INSTALL(ExecutorCheckPerms_hook, prev_check_perms, steward_check_perms);
	INSTALL(ProcessUtility_hook, prev_process_utility, steward_process_utility);
	INSTALL(row_security_policy_hook_permissive, prev_row_security, steward_row_security);
	INSTALL(object_access_hook, prev_object_access, steward_object_access);
	INSTALL(needs_fmgr_hook, prev_needs_fmgr, steward_needs_fmgr);
	INSTALL(fmgr_hook, prev_fmgr, steward_fmgr);
	INSTALL(shmem_request_hook, prev_shmem_request, steward_shmem_request);
	INSTALL(shmem_startup_hook, prev_shmem_startup, steward_shmem_startup);

#undef INSTALL
}
