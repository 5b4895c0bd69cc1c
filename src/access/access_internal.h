/*-------------------------------------------------------------------------
 *
 * access_internal.h
 *	  What the files of the room "access" share among themselves.
 *
 * governance.c   reads the policy tables into Governance, caches, invalidates
 * subject.c      the acting role, its purpose, its attributes, its grants
 * expression.c   parses and checks expressions, makes them ready for plans
 * predicate.c    builds predicates from Governance for one subject
 * enforce.c      puts the predicates into queries (planner), checks at start
 * session_value.c  what they ask of the session, once an execution
 * plan_access.c  what plans tell of their accesses
 * detail.c       keeps values out of errors
 * statistics.c   hides what the statistics of indexes tell
 * break.h        what a test-only build can switch off
 * policy.c       creates and drops the native policies that carry ours
 * instantiate.c  predicates closed for one person, purpose and moment
 * explain*.c     tells in words what predicate.c decides
 * who_can.c      the same for every role
 * last_access.c  what was done to the session's last statement
 * record*.c      the access log (see record.h)
 * entity_plan.c  has queries tell whom the rows are about (see entity.h)
 * observe.c      counts what mode "observe" would have denied
 * guard*.c       closes the roads of tables' owners (see guard.h)
 * copy*.c        COPY FROM and TO of governed relations
 * trust.c        trusted views and functions, the label provider
 * token.c        authenticate(); token_internal.h lists the files about tokens
 * identity.c     the identity that a token gave the session
 * mask_hash.c    mask_hash(): keyed pseudonyms, for masks alone
 * glass.c        break-glass: reading without policies and masks, for a time
 * second_person.c  approval of changes that widen, by another person
 * history.c      keeps the history of what governs relations (see history.h)
 * past.c         reads what was in force at a moment of the past
 * policy_code.c  expressions as export_policies() writes them
 * policy_test.c  runs what a role would run: run_policy_tests()
 * stored_sql.c   runs SQL that somebody stored, as that role
 * redact.c       keeps tokens out of the log and of pg_stat_activity
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_ACCESS_INTERNAL_H
#define STEWARD_ACCESS_INTERNAL_H

#include "access/access.h"
#include "access/attmap.h"
#include "access/htup_details.h"
#include "catalog/objectaddress.h"
#include "rewrite/rowsecurity.h"
#include "utils/array.h"
#include "utils/timestamp.h"

/* Bounds; exceeded, program_limit_exceeded is raised. */
#define MAX_POLICIES_PER_RELATION	1000
#define MAX_EXPRESSION_LENGTH		65536	/* bytes */
#define MAX_EXPRESSION_DEPTH		400 /* nodes above one another */
#define MAX_LIST_LENGTH				1000	/* roles or purposes of a policy */

/* Commands a policy speaks of, as bits. */
#define COMMAND_SELECT		(1 << 0)
#define COMMAND_INSERT		(1 << 1)
#define COMMAND_UPDATE		(1 << 2)
#define COMMAND_DELETE		(1 << 3)
#define COMMAND_ALL			(COMMAND_SELECT | COMMAND_INSERT | COMMAND_UPDATE | COMMAND_DELETE)

typedef struct RowPolicy
{
	char	   *name;
	bool		deny;
	int			commands;		/* COMMAND_* bits */
	int			nroles;
	Oid		   *roles;			/* InvalidOid stands for public */
	ArrayType  *purposes;		/* text[]; NULL: whatever the purpose */
	TimestampTz valid_from;		/* DT_NOBEGIN: since ever */
	TimestampTz valid_until;	/* DT_NOEND: for ever */
	Oid			created_by;		/* InvalidOid: somebody who was dropped */

	/*
	 * As the native policy holds them; Vars are of varno 1.  Without a qual
	 * the native policy is gone: see policy_make_ready().
	 */
	Expr	   *qual;
	Expr	   *check;			/* NULL: the qual holds for new rows too */

	/*
	 * The same, ready for a query: session functions are sub-selects that run
	 * once an execution, sub-selects are rewritten and read with the
	 * creator's rights.
	 */
	bool		looked;			/* the next one is known */
	bool		converts;		/* see expression_converts() */
	bool		ready;			/* the following are filled in */
	Expr	   *plan_qual;
	Expr	   *plan_check;
	List	   *relations;		/* OIDs that sub-selects read */

	/* Of a moment of the past (past.c) only: */
	char	   *text;			/* the using expression */
	char	   *problem;		/* why it can no longer be read, or NULL */
} RowPolicy;

/* How accesses to a relation are logged, weakest first. */
typedef enum AuditLevel
{
	AUDIT_LEVEL_OFF,
	AUDIT_LEVEL_ASYNC,
	AUDIT_LEVEL_SYNC
} AuditLevel;

/* The policies of one protected relation. */
typedef struct PolicySet
{
	Oid			relid;			/* the protected relation */
	bool		observe;		/* count, do not filter */
	List	   *policies;		/* of RowPolicy, ordered by name */
	List	   *masks;			/* of ColumnMask (mask.h), by column and
								 * priority */
	AttrMap    *attrmap;		/* protected relation -> relation asked about;
								 * NULL: the same */
	Oid			rowtype;		/* row type of the relation asked about, with
								 * attrmap */

	/*
	 * The allowing policies that concerned somebody last, see
	 * policy_set_admits(); not kept where the context is NULL.
	 */
	MemoryContext context;
	struct
	{
		uint64		generation; /* of roles and memberships; 0: nothing kept */
		Oid			subject;
		Oid			session;
		int			command;
		List	   *policies;
	}			admits;
} PolicySet;

/*
 * All that governs a relation: its own protection and that of the relations
 * it is a partition or an inheritance child of.  Every set must allow a row.
 * Valid until the transaction ends.
 */
typedef struct Governance
{
	Oid			relid;
	List	   *sets;			/* of PolicySet; NIL: not governed */
	bool		has_foreign;	/* it is a foreign table or has foreign
								 * partitions */
	AuditLevel	audit;			/* the strongest of the sets' */
	bool		has_entities;	/* a set names an entity column ... */
	AttrNumber	entity;			/* ... this one; 0: there is no such column */
} Governance;

/*
 * enforce.c: an access that a plan makes to a governed relation whose accesses
 * are logged.  The lowest bits are the CmdType.
 */
#define ACCESS_COMMAND(bits)	((CmdType) ((bits) & 15))
#define ACCESS_LEVEL(level)		((int) (level) << 4)
#define ACCESS_LEVEL_OF(bits)	((AuditLevel) (((bits) >> 4) & 3))
#define ACCESS_BYPASSES			(1 << 6)	/* the subject is beyond
											 * governance */
#define ACCESS_OBSERVED			(1 << 7)	/* mode observe */
#define ACCESS_COUNTED			(1 << 8)	/* rows that are written count as
											 * the statement's */
#define ACCESS_RETURNING		(1 << 9)
#define ACCESS_TELLS_ENTITIES	(1 << 10)	/* the plan tells its entities ... */
#define ACCESS_ANY_ENTITY		(1 << 11)	/* ... or cannot */

#define ACCESS_COLUMN_WORDS		(MaxHeapAttributeNumber / 32 + 1)

typedef struct PlanAccess
{
	Oid			relid;
	Oid			subject;
	int			bits;
	int			nwords;
	uint32		columns[ACCESS_COLUMN_WORDS];	/* bit n: column n; bit 0: the
												 * whole row */
} PlanAccess;

typedef void (*PlanAccessCallback) (const PlanAccess *access, void *arg);

extern bool plan_is_governed(PlannedStmt *plan);
extern bool plan_is_logged(PlannedStmt *plan);
extern bool plan_lacks_permission(PlannedStmt *plan, Oid relid);
extern void plan_foreach_access(PlannedStmt *plan, PlanAccessCallback callback, void *arg);

/* statistics.c */
extern void statistics_enforce(Query *query, int rtindex);

/* governance.c */
extern void governance_init(void);
extern const Governance *governance_of(Oid relid);
extern void policy_make_ready(const RowPolicy *policy, Oid relid);
extern bool governance_any(void);
extern AuditLevel governance_audit(Oid relid, bool *has_entities);
extern bool governance_converts(Oid relid);
extern bool governance_has_native_policies(Relation relation);

extern void governance_changed(Oid relid);
extern void governance_track(List *relids);
extern List *governance_ancestors(Oid relid);
extern uint64 governance_generation(void);
extern int	command_from_name(const char *name);
extern const char *command_name(int command);

/* Ways in which a plan made for one subject becomes useless; cheap, local. */
extern void plans_forget(void);
extern uint32 plans_dependency(void);

extern bool policy_is_carried(const RowSecurityPolicy *native);

/* subject.c */
extern void subject_init(void);
extern Oid	subject_session(void);
extern Oid	subject_untrusted(void);
extern uint64 subject_generation(void);
extern void subject_push(Oid roleid);
extern void subject_pop(void);
extern bool subject_is_pushed(void);
extern List *subject_test_begin(Oid roleid);
extern void subject_test_end(List *subjects);
extern List *subject_stand_in_begin(Oid roleid);
extern void subject_stand_in_end(List *subjects);
extern Datum subject_attribute(Oid roleid, const char *key, bool *found);
extern Datum subject_attribute_at(Oid roleid, const char *key, TimestampTz at, bool *found);
extern bool subject_attribute_as(Oid roleid, const char *key, TimestampTz at, Oid type, Datum *value);
extern bool subject_own_attribute_as(const char *key, Oid type, Datum *value);
extern bool purpose_is_granted(Oid roleid, const char *purpose, TimestampTz at);
extern List *purposes_granted(Oid roleid, TimestampTz at);
extern const char *purpose_setting(void);
extern const pg_uuid_t *access_run(void);
extern const char *purpose_effective(Oid roleid);
extern TimestampTz wall_clock(void);

/* predicate.c */

/* Why a policy does or does not apply to a subject; see policy_verdict(). */
typedef enum PolicyVerdict
{
	POLICY_APPLIES,
	POLICY_OTHER_COMMAND,
	POLICY_OTHER_ROLE,
	POLICY_OTHER_PURPOSE,		/* the purpose is none of the policy's */
	POLICY_PURPOSE_NOT_GRANTED,
	POLICY_NOT_YET_VALID,
	POLICY_EXPIRED
} PolicyVerdict;

extern bool policy_concerns(const RowPolicy *policy, int command, Oid subject, Oid session);
extern PolicyVerdict policy_verdict(const RowPolicy *policy, int command, Oid subject, Oid session,
									const char *purpose, TimestampTz at);
extern bool gate_is_open(ArrayType *purposes, TimestampTz valid_from, TimestampTz valid_until,
						 const char *effective_purpose, TimestampTz at);
extern bool gate_is_open_for(ArrayType *purposes, TimestampTz valid_from, TimestampTz valid_until,
							 Oid subject);

/* What a predicate is for. */
typedef enum PredicateUse
{
	PREDICATE_ROWS,				/* existing rows: the using expressions */
	PREDICATE_NEW_ROWS			/* new rows: the check expressions */
} PredicateUse;

typedef struct PredicateResult
{
	Expr	   *expr;			/* NULL: every row */
	bool		no_policy;		/* no allowing policy concerns subject and
								 * command */
	bool		needs_start_check;	/* whether one applies depends on the
									 * execution */
	bool		relies_on_start;	/* … and the predicate does not ask
									 * again */
	List	   *relations;		/* OIDs that sub-selects read */
} PredicateResult;

extern void predicate_build(const PolicySet *set, int command, PredicateUse use,
							Oid subject, Oid session, bool checked_at_start,
							PredicateResult *result);
extern bool policy_set_admits(const PolicySet *set, int command, Oid subject, Oid session);
extern Expr *purpose_gate(ArrayType *purposes, Oid subject);
extern Expr *refuse_unless(Expr *condition, Oid relid, int command);
pg_noreturn extern void refuse_no_policy(const PolicySet *set, int command, Oid subject);

/* The check expressions of an INSERT into relid as the subject, or NULL; Vars of varno 1. */
extern Expr *predicate_for_insert(Oid relid, List **relations);

/* instantiate.c: the same, closed for one person, purpose and moment */
typedef struct Situation
{
	Oid			subject;
	Oid			session;
	const char *purpose;		/* one that is granted, or NULL */
	TimestampTz at;
} Situation;

extern Expr *expression_instantiate(Expr *expr, const Situation *situation);
extern void predicate_instantiate(const PolicySet *set, int command, PredicateUse use,
								  const Situation *situation, PredicateResult *result);
extern bool is_bool_const(const void *expr, bool value);

/* expression.c */
extern Node *expression_parse(const char *what, const char *text);
extern void expression_check(Node *expr, const char *text, Oid creator);
extern void expression_context_push(ErrorContextCallback *callback, const char *text);
extern void expression_context_pop(ErrorContextCallback *callback);
extern bool expression_converts(Node *expr);
extern Expr *once_per_execution(Expr *expr);
extern bool is_once_per_execution(const SubLink *sublink);
extern Expr *expression_for_subject(Expr *expr, Oid subject);
extern Expr *expression_for_plans(Expr *expr, Oid creator, List **relations);

/* session_value.c */
extern List *session_values_begin(Query *query, ParamListInfo params);
extern void *session_values_take(void *expr, List **values, List **items);
extern void session_values_start(QueryDesc *queryDesc);

/* last_access.c: what a plan does to one governed relation, or a column of it */
#define TRACE_FILTERED		(1 << 4)	/* with the bits of commands: rows are
										 * filtered */
#define TRACE_NATIVE		(1 << 5)	/* by row security of users */
#define TRACE_GLASS			(1 << 6)	/* known at the start: by break-glass,
										 * reading is not */

extern void last_access_begin(Oid session);
extern void last_access_note(Oid relid, Oid subject, int commands, AttrNumber masked);

extern bool access_is_nested(void);

/* record*.c: the access log; record.h lists the files */
extern void record_init(void);
extern void access_denied(Oid relid, const char *command, Oid subject);
extern void record_row_refused(Oid relid, const char *command);
extern const char *record_utility_command(void);
extern void record_utility_access(Oid relid, const char *command, Oid subject);
extern void record_copy_from(Oid relid, List *attnums);
extern void record_copied(Oid relid, uint64 rows);
extern void policy_revision_count(void);

/* foreign_key.c */
extern bool is_foreign_key_check(Query *query);

/* policy.c */

/* Name of the net, see policy_ensure_net(). */
#define NET_POLICY "steward.net"

extern bool policy_is_net(const RowSecurityPolicy *native);
extern void policy_ensure_net(Oid relid);
extern void policy_replace_net(Oid relid, const CreatePolicyStmt *stmt);
extern struct ParseState *policy_parse_state(Relation rel, const char *text);
extern void relation_set_row_security(Oid relid, bool enabled, bool forced);

/* copy.c: from which line a row that is refused is copied */
extern bool copy_refused_line(uint64 *line);

/* observe.c */
extern Size observe_shmem_size(void);
extern void observe_shmem_init(void);
extern void observe_init(void);
extern void observe_count(Oid relid, const char *policy, int command, Oid subject, const char *purpose);
extern Expr *observe_expression(Expr *condition, Oid relid, const char *policy, int command);

/* trust.c */
extern void trust_init(void);
extern bool trust_view(Oid viewid, Oid *owner);
extern bool trust_function(Oid funcid, Oid *owner);
extern bool trust_in_expressions(Oid funcid);
extern bool trust_any(void);

/* identity.c */
extern void identity_init(void);
extern const char *identity_subject(void);
extern const char *identity_issuer(void);
extern bool identity_allows_purpose(const char *purpose);
extern Datum identity_attribute(const char *key);
extern bool token_required_and_missing(Oid session);
extern void identity_require(void);

/* issuer.c */
extern void issuer_init(void);
extern bool token_is_required(Oid session);

/* glass.c */
extern void glass_init(void);
extern bool glass_is_granted(Oid roleid);
extern bool glass_concerns(Oid subject);
extern bool glass_is_broken(Oid relid, Oid subject);
extern TimestampTz glass_since(void);
extern TimestampTz glass_until(void);
extern const char *glass_reason(void);
extern Oid	glass_function(void);
extern Expr *glass_or(Oid relid, Oid subject, Expr *predicate);
extern Expr *glass_case(Oid relid, Oid subject, Var *value, Expr *masked);

/* second_person.c */
extern void second_person_init(void);
extern bool second_person_is_asked(void);
extern const char *second_person_author(void);
extern void second_person_check_label(const ObjectAddress *object, bool removes, bool adds);

/* mask_hash.c */
extern void mask_hash_init(void);
extern bool is_mask_hash_function(Oid funcid);
extern void mask_hash_admit(Node *expr);
extern void mask_hash_check(struct ParseState *pstate, Node *expr, Oid type, int32 typmod);
extern void mask_hash_prepare(Node *raw);

/* redact.c */
extern char *redact_text(const char *text);
extern void redact_activity(void);

/* guard.c */
extern void guard_init(void);
extern bool guard_is_suspended(void);
extern bool guard_is_finishing(void);
extern bool ddl_is_allowed(Oid relid);

#endif							/* STEWARD_ACCESS_INTERNAL_H */
