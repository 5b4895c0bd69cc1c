/*-------------------------------------------------------------------------
 *
 * access.h
 *	  Public face of the room "access": who may see which rows.
 *
 * The dispatcher (hooks.c) calls the functions of the first part; rooms
 * above ask the questions of the second.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_ACCESS_H
#define STEWARD_ACCESS_H

#include "common/common.h"
#include "catalog/objectaccess.h"
#include "executor/execdesc.h"
#include "nodes/params.h"
#include "nodes/plannodes.h"
#include "tcop/utility.h"
#include "utils/relcache.h"
#include "utils/uuid.h"

/*
 * What access found out about a statement before it was planned; handed back
 * to access_finish_plan().
 */
typedef struct AccessPlan AccessPlan;

extern void access_init(void);
extern Size access_shmem_size(void);
extern void access_shmem_init(void);

/* enforce.c: before and after a query is planned, before it is run */
extern AccessPlan *access_prepare_query(Query *query, ParamListInfo params);
extern void access_finish_plan(AccessPlan *access, PlannedStmt *plan);
extern void access_executor_start(QueryDesc *queryDesc, int eflags);
extern bool access_allows_fast_check(List *rangetable);

/* policy.c: for core, which sees no policies of its own */
extern List *access_row_security(Relation relation);

/* session_value.c: after it has been started */
extern void access_executor_started(QueryDesc *queryDesc, ParamListInfo given);

/* detail.c: while a plan runs, errors show no values of governed rows */
typedef struct ConcealedDetails
{
	ErrorContextCallback *previous;
	ErrorContextCallback values;
	ErrorContextCallback details;
} ConcealedDetails;

extern void access_conceal_details(QueryDesc *queryDesc, ConcealedDetails *concealed);
extern void access_reveal_details(ConcealedDetails *concealed);

/* last_access.c: where a statement of a client begins, what runs within one */
extern void access_begin_statement(void);
extern void access_enter_statement(void);
extern void access_leave_statement(void);

/*
 * record_hooks.c: the access log.  A frame lives while something runs.
 */
typedef struct RecordFrame
{
	struct TrackedQuery *query;
	struct Statement *statement;
	int			planning;
	const char *command;		/* of a utility statement around it */
	Oid			copied;			/* by a COPY FROM around it */
} RecordFrame;

extern void access_record_planning(Query *query, const char *text, ParamListInfo params);
extern void access_record_planned(void);
extern void access_record_utility(RecordFrame *frame, PlannedStmt *pstmt, const char *text,
								  ParamListInfo params);
extern void access_record_utility_done(RecordFrame *frame, const QueryCompletion *qc);
extern void access_record_enter(RecordFrame *frame, QueryDesc *desc, bool counts);
extern void access_record_leave(RecordFrame *frame);
extern void access_record_failed(RecordFrame *frame);
extern bool access_record_starting(QueryDesc *desc, int eflags);
extern void access_record_started(QueryDesc *desc);
extern void access_record_not_started(QueryDesc *desc);
extern void access_record_ended(QueryDesc *desc);
extern void access_record_message(ErrorData *edata);

/* guard.c: utility statements */
typedef struct GuardState GuardState;

extern GuardState *access_before_utility(PlannedStmt *pstmt, const char *query_string,
										 ProcessUtilityContext context);
extern void access_after_utility(GuardState *state);

extern void access_object_access(ObjectAccessType access, Oid classId, Oid objectId,
								 int subId, void *arg);

/* trust.c: functions through which their owner acts */
extern bool access_watches_function(Oid funcid);
extern void access_function_event(FmgrHookEventType event, Oid funcid, bool *acts);

/*
 * copy.c: COPY of a governed relation; true where it has been carried out,
 * else core shall carry out *pstmt, which may have been replaced
 */
extern bool access_copy(PlannedStmt **pstmt, const char *query_string, QueryCompletion *qc);

/* redact.c: keeps tokens out of the log and of pg_stat_activity */
extern void access_redact_statement(void);
extern void access_redact_log(ErrorData *edata);

/* subject.c: who is acting, and for which purpose */
extern Oid	access_subject(void);
extern const char *access_subject_name(void);
extern const char *access_token_issuer(void);
extern const char *access_purpose(void);
extern bool access_may_use_purpose(const char *purpose);

/*
 * What this room asks of rooms above it, which answer through functions that
 * they hand over while libraries are preloaded.
 */
typedef struct AccessQuestions
{
	/* Is the session's purpose fixed, and to which (NULL: none)? */
	bool		(*purpose_is_fixed) (const char **purpose);
	/* The run of which the session is part, or NULL. */
	const pg_uuid_t *(*run) (void);
} AccessQuestions;

extern void access_ask(const AccessQuestions *questions);

/*
 * stored_sql.c: runs what somebody stored (a gate, a test) as the role that
 * stored it, read-only, as a security-restricted operation, with names found
 * in pg_catalog; all that it did is rolled back.  run() allocates its results
 * in the context in which it is called.
 */
typedef struct StoredSql
{
	Oid			role;
	const char *purpose;		/* "" for none */
	int			timeout_ms;		/* 0: none but the session's */
	void		(*run) (void *arg);
	void	   *arg;

	ErrorData  *error;			/* what run() raised; NULL: nothing */
	bool		timed_out;
} StoredSql;

extern void access_run_stored(StoredSql *sql);

/* governance.c */
extern bool access_is_governed(Oid relid);

#endif							/* STEWARD_ACCESS_H */
