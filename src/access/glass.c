/*-------------------------------------------------------------------------
 *
 * glass.c
 *	  Break-glass: for a time, a person whom it was granted to reads without
 *	  row policies and masks, and answers for it.
 *
 * Plans of roles that hold a grant have a gate before each row predicate for
 * reading and around each masked column: (SELECT steward.glass_is_broken(…)),
 * asked once an execution.  Plans of others have none.
 *
 * That the glass is broken stands in a setting that our own code alone can
 * set, so that savepoints, RESET ALL, DISCARD ALL and parallel workers treat
 * it as any setting.  Record and setting share the fate of the transaction in
 * which break_glass() was called, and the setting names that transaction: it
 * counts only where another one runs.  So the record is committed, and on
 * disk, before the first row is read, and a record that was rolled back
 * leaves no glass broken.
 *
 * The value is
 *	  event session subject start until transaction relations… | issuer and name
 * with -1 for the number of relations where all are meant.  It counts for
 * the session role, the role and the identity that broke the glass.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access_internal.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#define Anum_break_glass_grant_to_role		1
#define Anum_break_glass_grant_granted_at	4

/* As many relations can be named at once. */
#define MAX_GLASS_RELATIONS	1000

/* One broken glass. */
typedef struct Glass
{
	int64		event;			/* number of the record */
	Oid			session;		/* whose session it is */
	Oid			subject;		/* the role that broke it */
	TimestampTz start;
	TimestampTz until;
	uint64		transaction;	/* the one that recorded it */
	const char *person;			/* as current_person() gives it */
	int			nrelations;		/* -1: all */
	Oid			relations[FLEXIBLE_ARRAY_MEMBER];
} Glass;

static char *glass_guc = NULL;
static Glass *glass = NULL;
static bool may_set = false;

/* Why the glass was broken last in this session, and the number of that event. */
static int64 known_event = 0;
static char *known_reason = NULL;

/* A grant to break the glass. */
typedef struct GlassGrant
{
	Oid			to_role;
	TimestampTz granted_at;
} GlassGrant;

static MemoryContext grant_context = NULL;
static List *grants = NIL;		/* of GlassGrant */
static bool grants_valid = false;

/* ------------------------------------------------------------------------
 * The setting
 * ------------------------------------------------------------------------
 */

/*
 * Makes the Glass of a value, in one chunk that the setting will free; NULL
 * where the value is malformed or there is no memory.
 */
static Glass *
parse_value(const char *value)
{
	long long	event;
	unsigned int session;
	unsigned int subject;
	long long	start;
	long long	until;
	unsigned long long transaction;
	int			nrelations;
	int			n = 0;
	Size		head;
	Glass	   *parsed;
	char	   *person;

	if (sscanf(value, "%lld %u %u %lld %lld %llu %d%n", &event, &session, &subject, &start,
			   &until, &transaction, &nrelations, &n) != 7 ||
		nrelations < -1 || nrelations > MAX_GLASS_RELATIONS)
		return NULL;
	value += n;
	head = offsetof(Glass, relations) + sizeof(Oid) * Max(nrelations, 0);
	parsed = STEWARD_GUC_MALLOC(head + strlen(value) + 1);
	if (parsed == NULL)
		return NULL;
	parsed->event = event;
	parsed->session = session;
	parsed->subject = subject;
	parsed->start = start;
	parsed->until = until;
	parsed->transaction = transaction;
	parsed->nrelations = nrelations;
	for (int i = 0; i < nrelations; i++)
	{
		char	   *end;

		parsed->relations[i] = (Oid) strtoul(value, &end, 10);
		value = end;
	}
	person = (char *) parsed + head;
	strcpy(person, value[0] == '|' ? value + 1 : value);
	parsed->person = person;
	return parsed;
}

/* Only our own code, and a parallel worker that takes over, may set it. */
static bool
check_glass(char **newval, void **extra, GucSource source)
{
	if ((*newval)[0] == '\0')
		return true;
	if (!may_set && !InitializingParallelWorker)
	{
		GUC_check_errcode(ERRCODE_INSUFFICIENT_PRIVILEGE);
		GUC_check_errmsg("the glass cannot be broken by a setting");
		GUC_check_errhint("It is broken by steward.break_glass().");
		return false;
	}
	*extra = parse_value(*newval);
	if (*extra == NULL)
		GUC_check_errmsg("the state of the glass cannot be read");
	return *extra != NULL;
}

static void
assign_glass(const char *newval, void *extra)
{
	glass = extra;
}

static void
set_glass(const char *value)
{
	may_set = true;
	PG_TRY();
	{
		(void) set_config_option("steward.glass", value, PGC_SUSET, PGC_S_SESSION,
								 GUC_ACTION_SET, true, 0, false);
	}
	PG_FINALLY();
	{
		may_set = false;
	}
	PG_END_TRY();
}

/* ------------------------------------------------------------------------
 * Grants
 * ------------------------------------------------------------------------
 */

/* Reads the table, into the current memory context. */
static List *
read_grants(void)
{
	Relation	rel = table_open(steward_table(TABLE_BREAK_GLASS_GRANT), AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	SysScanDesc scan;
	HeapTuple	tup;
	List	   *read = NIL;

	scan = systable_beginscan(rel, steward_index(TABLE_BREAK_GLASS_GRANT), true, NULL, 0, NULL);
	while (HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		GlassGrant *grant = palloc(sizeof(GlassGrant));
		bool		isnull;

		grant->to_role = DatumGetObjectId(heap_getattr(tup, Anum_break_glass_grant_to_role, desc, &isnull));
		grant->granted_at = DatumGetTimestampTz(heap_getattr(tup, Anum_break_glass_grant_granted_at, desc, &isnull));
		read = lappend(read, grant);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return read;
}

/* Makes the cache usable. */
static void
ready_grants(void)
{
	MemoryContext context;
	MemoryContext old;
	List	   *volatile read = NIL;

	if (grants_valid)
		return;

	/* What arrives while reading must leave the cache invalid. */
	grants_valid = true;
	context = AllocSetContextCreate(CurrentMemoryContext, "pg_steward break-glass grants", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	PG_TRY();
	{
		read = read_grants();
	}
	PG_CATCH();
	{
		grants_valid = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);

	MemoryContextSetParent(context, TopMemoryContext);
	if (grant_context != NULL)
		MemoryContextDelete(grant_context);
	grant_context = context;
	grants = read;
}

/*
 * Has the role held a grant to break the glass since that moment?  What was
 * broken by a grant that was taken back, or changed, stays over.
 */
static bool
is_granted_since(Oid roleid, TimestampTz since)
{
	ListCell   *lc;

	/* The library may run with the SQL of a version that had none. */
	if (!steward_has_table(TABLE_BREAK_GLASS_GRANT))
		return false;
	ready_grants();
	foreach(lc, grants)
	{
		GlassGrant *grant = lfirst(lc);

		if (grant->granted_at <= since && has_privs_of_role(roleid, grant->to_role))
			return true;
	}
	return false;
}

/* Does the role hold a grant to break the glass, by having its rights? */
bool
glass_is_granted(Oid roleid)
{
	return is_granted_since(roleid, DT_NOEND);
}

/*
 * Could the glass be broken for statements of the subject?  Decided when a
 * plan is made: plans of others have no gate.  Only the person in front of the
 * session breaks it, not the owner of a trusted object.
 */
bool
glass_concerns(Oid subject)
{
	return subject == GetOuterUserId() && glass_is_granted(subject);
}

/* ------------------------------------------------------------------------
 * Is it broken?
 * ------------------------------------------------------------------------
 */

/* Who is in front of the session beside its roles: the token's issuer and subject. */
static char *
current_person(void)
{
	const char *name = identity_subject();
	const char *issuer = identity_issuer();

	if (name == NULL || issuer == NULL)
		return pstrdup("");
	return psprintf("%zu:%s%s", strlen(issuer), issuer, name);
}

/* Did the subject break the glass in this session, and is it not over yet? */
static bool
is_held_by(Oid subject)
{
	char	   *person;
	bool		same;

	/* A test of policies has no part in it. */
	if (glass == NULL || steward_is_acting_as() || glass->subject != subject || glass->session != GetSessionUserId() ||
		wall_clock() >= glass->until)
		return false;
	person = current_person();
	same = strcmp(glass->person, person) == 0;
	pfree(person);
	return same;
}

/* Is the relation, or one of its parents, among those that are named? */
static bool
covers(Oid relid)
{
	List	   *ancestors;

	if (glass->nrelations < 0)
		return true;
	for (int i = 0; i < glass->nrelations; i++)
	{
		if (glass->relations[i] == relid)
			return true;
	}
	ancestors = governance_ancestors(relid);
	for (int i = 0; i < glass->nrelations; i++)
	{
		if (list_member_oid(ancestors, glass->relations[i]))
			return true;
	}
	return false;
}

/*
 * Is the glass broken at this moment, for what the subject reads of the
 * relation?
 */
bool
glass_is_broken(Oid relid, Oid subject)
{
	if (likely(glass == NULL) || !is_held_by(subject))
		return false;

	/* Not before the record is committed. */
	if (U64FromFullTransactionId(GetTopFullTransactionIdIfAny()) == glass->transaction)
		return false;
	AcceptInvalidationMessages();
	return is_granted_since(subject, glass->start) && covers(relid);
}

/* When the glass of this session was broken. */
TimestampTz
glass_since(void)
{
	return glass == NULL ? DT_NOEND : glass->start;
}

/* Until when the glass is broken that glass_is_broken() told of. */
TimestampTz
glass_until(void)
{
	return glass == NULL ? DT_NOBEGIN : glass->until;
}

/* Why it was broken. */
const char *
glass_reason(void)
{
	return glass != NULL && glass->event == known_event ? known_reason : NULL;
}

/* ------------------------------------------------------------------------
 * What plans have
 * ------------------------------------------------------------------------
 */

/* OID of steward.glass_is_broken(relation, subject). */
Oid
glass_function(void)
{
	Oid			types[] = {OIDOID, OIDOID};

	return steward_function("glass_is_broken", lengthof(types), types);
}

static Expr *
oid_const(Oid value)
{
	return (Expr *) makeConst(OIDOID, -1, InvalidOid, sizeof(Oid), ObjectIdGetDatum(value), false, true);
}

/* (SELECT steward.glass_is_broken(relation, subject)): asked once an execution. */
static Expr *
glass_gate(Oid relid, Oid subject)
{
	return once_per_execution((Expr *)
							  makeFuncExpr(glass_function(), BOOLOID,
										   list_make2(oid_const(relid), oid_const(subject)),
										   InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL));
}

/* The glass is broken OR what is demanded of a row. */
Expr *
glass_or(Oid relid, Oid subject, Expr *predicate)
{
	return makeBoolExpr(OR_EXPR, list_make2(glass_gate(relid, subject), predicate), -1);
}

/* CASE WHEN the glass is broken THEN the value ELSE what stands in its place END */
Expr *
glass_case(Oid relid, Oid subject, Var *value, Expr *masked)
{
	CaseExpr   *expr = makeNode(CaseExpr);
	CaseWhen   *when = makeNode(CaseWhen);

	when->expr = glass_gate(relid, subject);
	when->result = (Expr *) copyObject(value);
	when->location = -1;
	expr->casetype = value->vartype;
	expr->casecollid = value->varcollid;
	expr->args = list_make1(when);
	expr->defresult = masked;
	expr->location = -1;
	return (Expr *) expr;
}

/* ------------------------------------------------------------------------
 * Invalidation
 * ------------------------------------------------------------------------
 */

static void
forget_by_relation(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || !steward_is_known() ||
		relid == steward_known_table(TABLE_BREAK_GLASS_GRANT))
		grants_valid = false;
}

/* Defines the setting, registers the invalidation.  Called at server start. */
void
glass_init(void)
{
	DefineCustomStringVariable("steward.glass",
							   "Internal: the glass that steward.break_glass() broke.",
							   NULL,
							   &glass_guc,
							   "",
							   PGC_SUSET,
							   GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE |
							   GUC_SUPERUSER_ONLY,
							   check_glass, assign_glass, NULL);
	steward_watch_relations(forget_by_relation);
}

/* ------------------------------------------------------------------------
 * SQL
 * ------------------------------------------------------------------------
 */

STEWARD_FUNCTION(steward_glass_is_broken);
STEWARD_FUNCTION(steward_prepare_glass);
STEWARD_FUNCTION(steward_hold_glass);
STEWARD_FUNCTION(steward_release_glass);

/* glass_is_broken(relation, subject) */
Datum
steward_glass_is_broken(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(glass_is_broken(PG_GETARG_OID(0), PG_GETARG_OID(1)));
}

/* The relations of a regclass[]; -1 where it is NULL.  Raises for what is not governed. */
static int
relations_of(FunctionCallInfo fcinfo, int argument, Oid **relations)
{
	ArrayType  *array;
	Datum	   *elems;
	bool	   *nulls;
	int			n;

	*relations = NULL;
	if (PG_ARGISNULL(argument))
		return -1;
	array = PG_GETARG_ARRAYTYPE_P(argument);
	deconstruct_array(array, REGCLASSOID, sizeof(Oid), true, TYPALIGN_INT, &elems, &nulls, &n);
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parameter \"relations\" names no relation"),
				 errhint("Give NULL where all relations are meant.")));
	if (n > MAX_GLASS_RELATIONS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("parameter \"relations\" names more than %d relations", MAX_GLASS_RELATIONS)));
	*relations = palloc(sizeof(Oid) * n);
	for (int i = 0; i < n; i++)
	{
		Oid			relid = nulls[i] ? InvalidOid : DatumGetObjectId(elems[i]);
		char	   *name = nulls[i] ? NULL : get_rel_name(relid);

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("parameter \"relations\" must not hold null values")));
		if (name == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_TABLE),
					 errmsg("relation with OID %u does not exist", relid)));
		if (!access_is_governed(relid))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("relation \"%s\" is not governed", name),
					 errhint("Name the protected tables that are read, or give NULL for all of them.")));
		(*relations)[i] = relid;
	}
	return n;
}

/*
 * prepare_glass(relations): raises where the glass cannot be broken now.  The
 * result is the number of the record of a glass in this session that is
 * about to be replaced (another person's, or broken by a grant that is gone),
 * or NULL.
 */
Datum
steward_prepare_glass(PG_FUNCTION_ARGS)
{
	Oid			subject = access_subject();
	Oid		   *relations;

	steward_require_preload();
	AcceptInvalidationMessages();
	if (InSecurityRestrictedOperation())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot break the glass within a security-restricted operation")));
	if (steward_bypasses(GetOuterUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("role \"%s\" is not governed: there is no glass to break",
						GetUserNameFromId(GetOuterUserId(), false))));
	if (subject_is_pushed() || subject != GetOuterUserId())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot break the glass within a trusted function"),
				 errhint("Call steward.break_glass() in a statement of its own.")));
	if (!glass_is_granted(subject))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" may not break the glass", GetUserNameFromId(subject, false)),
				 errhint("An administrator lets a role break it with steward.grant_break_glass().")));
	identity_require();
	if (is_held_by(subject) && is_granted_since(subject, glass->start))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the glass is broken already, by event %lld", (long long) glass->event),
				 errhint("End it with steward.end_break_glass() first.")));
	(void) relations_of(fcinfo, 0, &relations);

	if (glass == NULL || wall_clock() >= glass->until)
		PG_RETURN_NULL();
	PG_RETURN_INT64(glass->event);
}

/*
 * hold_glass(event, broken_at, valid_until, relations, reason): breaks the glass, from
 * the end of this transaction on, if it commits.
 */
Datum
steward_hold_glass(PG_FUNCTION_ARGS)
{
	int64		event = PG_GETARG_INT64(0);
	TimestampTz start = PG_GETARG_TIMESTAMPTZ(1);
	TimestampTz until = PG_GETARG_TIMESTAMPTZ(2);
	char	   *reason = text_to_cstring(PG_GETARG_TEXT_PP(4));
	Oid			subject = access_subject();
	Oid		   *relations;
	int			nrelations = relations_of(fcinfo, 3, &relations);
	StringInfoData value;
	StringInfoData names;

	if (known_reason != NULL)
		pfree(known_reason);
	known_reason = NULL;
	known_reason = MemoryContextStrdup(TopMemoryContext, reason);
	known_event = event;

	initStringInfo(&value);
	initStringInfo(&names);
	appendStringInfo(&value, INT64_FORMAT " %u %u " INT64_FORMAT " " INT64_FORMAT " " UINT64_FORMAT " %d",
					 event, GetSessionUserId(), subject, start, until,
					 U64FromFullTransactionId(GetTopFullTransactionId()), nrelations);
	for (int i = 0; i < nrelations; i++)
	{
		appendStringInfo(&value, " %u", relations[i]);
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "",
						 quote_qualified_identifier(get_namespace_name(get_rel_namespace(relations[i])),
													get_rel_name(relations[i])));
	}
	appendStringInfo(&value, "|%s", current_person());
	set_glass(value.data);

	/* The record is on disk before the first row is read. */
	ForceSyncCommit();

	/* Told before the commit: the attempt is in the log whatever follows. */
	ereport(LOG_SERVER_ONLY,
			(errmsg("break-glass %lld: \"%s\" as role \"%s\", session role \"%s\", reads %s without policies and masks until %s",
					(long long) event, access_subject_name(), GetUserNameFromId(subject, false),
					GetUserNameFromId(GetSessionUserId(), false),
					nrelations < 0 ? "all relations" : names.data, timestamptz_to_str(until)),
			 errdetail_log("Reason: %s", reason),
			 errhidestmt(true), errhidecontext(true)));
	if (IsTransactionBlock())
		ereport(NOTICE,
				(errmsg("the glass is broken when this transaction has committed"),
				 errhint("Call steward.break_glass() in a statement of its own.")));
	PG_RETURN_VOID();
}

/*
 * release_glass(): ends it at once; the number of the record, or NULL where
 * the acting person has not broken the glass in this session.
 */
Datum
steward_release_glass(PG_FUNCTION_ARGS)
{
	int64		event;

	steward_require_preload();
	if (!is_held_by(access_subject()))
		PG_RETURN_NULL();
	event = glass->event;
	set_glass("");
	ereport(LOG_SERVER_ONLY,
			(errmsg("break-glass %lld: ended by \"%s\"", (long long) event, access_subject_name()),
			 errhidestmt(true), errhidecontext(true)));
	PG_RETURN_INT64(event);
}
