/*-------------------------------------------------------------------------
 *
 * subject.c
 *	  Who is acting, for which purpose, with which attributes and grants.
 *
 * The subject is the role outside of any SECURITY DEFINER function; policies
 * go by it.  Where a token vouches for the session, the subject bears the
 * name that stands there (identity.c).  What it
 * was granted is read with catalog snapshots, so that a change is seen at
 * once under any isolation level, and is cached until the tables or the
 * memberships change.  Validity is decided by the wall clock at each use.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access_internal.h"
#include "access/genam.h"
#include "access/history.h"
#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* Columns of the tables read here, in the order of access.sql. */
#define Anum_purpose_grant_purpose		1
#define Anum_purpose_grant_to_role		2
#define Anum_purpose_grant_valid_from	3
#define Anum_purpose_grant_valid_until	4
#define Anum_role_attribute_role		1
#define Anum_role_attribute_key			2
#define Anum_role_attribute_value		3

#define MAX_PURPOSE_LENGTH	200

/* Past this many cached answers a cache starts anew: poolers have many users. */
#define MAX_CACHED			512

/* One interval in which a purpose is granted to a role. */
typedef struct GrantInterval
{
	TimestampTz valid_from;
	TimestampTz valid_until;
} GrantInterval;

typedef struct CachedGrant
{
	Oid			roleid;
	char	   *purpose;
	List	   *intervals;		/* of GrantInterval; NIL: never granted */
} CachedGrant;

typedef struct CachedAttribute
{
	Oid			roleid;
	char	   *key;
	Datum		value;			/* text[], 0: none */
	Oid			read_as;		/* the type as which ... */
	Datum		first;			/* ... the first value was read */
} CachedAttribute;

static char *purpose_guc = NULL;

static MemoryContext grant_context = NULL;
static List *grant_cache = NIL;
static bool grant_cache_valid = false;

static MemoryContext attribute_context = NULL;
static List *attribute_cache = NIL;
static bool attribute_cache_valid = false;

/* Counts changes of roles and memberships. */
static uint64 role_generation = 1;

/* Roles that act through trusted functions, innermost last. */
static List *trusted_subjects = NIL;

static GucStringAssignHook prev_assign_role = NULL;
static GucStringAssignHook prev_assign_session_authorization = NULL;

/* ------------------------------------------------------------------------
 * The subject
 * ------------------------------------------------------------------------
 */

/*
 * Who acts: the owner of the innermost trusted function, else the role
 * outside of any SECURITY DEFINER function.
 *
 * A role beyond governance does not lend that to code of others: in a
 * definer function, or where PostgreSQL runs code of a table's owner (index
 * expressions, materialized views, autovacuum), that code's role acts.
 */
Oid
access_subject(void)
{
	if (unlikely(trusted_subjects != NIL))
		return llast_oid(trusted_subjects);
	return subject_untrusted();
}

/* The same, as if no object were trusted. */
Oid
subject_untrusted(void)
{
	Oid			outer = steward_outer_user();

	if (outer != GetUserId() && steward_bypasses(outer))
		return GetUserId();
	return outer;
}

/* The role that opened the session; SET ROLE cannot shed what it is denied. */
Oid
subject_session(void)
{
	return steward_session_user();
}

/* Does the owner of a trusted object act? */
bool
subject_is_pushed(void)
{
	return trusted_subjects != NIL;
}

/*
 * Name of who acts: the subject of the session's token, else the role.  The
 * result is palloc'd.
 */
const char *
access_subject_name(void)
{
	const char *name = second_person_author();

	if (name == NULL)
		name = identity_subject();
	return name != NULL ? pstrdup(name) : GetUserNameFromId(access_subject(), false);
}

/* The issuer of the token by which the subject acts, or NULL. */
const char *
access_token_issuer(void)
{
	return identity_issuer();
}

/* From here on roleid acts, until subject_pop(). */
void
subject_push(Oid roleid)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	Oid			before = access_subject();

	trusted_subjects = lappend_oid(trusted_subjects, roleid);
	MemoryContextSwitchTo(old);
	if (before != roleid)
		plans_forget();
}

/* Ends the innermost subject_push(), also after an error. */
void
subject_pop(void)
{
	Oid			before = access_subject();

	trusted_subjects = list_delete_last(trusted_subjects);
	if (before != access_subject())
		plans_forget();
}

/*
 * Runs what a test of policies runs: nobody else acts than the role, which
 * is as if it had opened the session.  Returns the subjects to give back to
 * subject_test_end().
 */
List *
subject_test_begin(Oid roleid)
{
	List	   *subjects = trusted_subjects;

	trusted_subjects = NIL;
	steward_act_as(roleid);
	plans_forget();
	return subjects;
}

/* Ends it, also after an error. */
void
subject_test_end(List *subjects)
{
	steward_act_as(InvalidOid);
	trusted_subjects = subjects;
	plans_forget();
}

/*
 * A policy change is carried out for the role that asked for it: that role
 * acts, and writes what is written.  Returns the subjects to give back to
 * subject_stand_in_end().
 */
List *
subject_stand_in_begin(Oid roleid)
{
	List	   *subjects = trusted_subjects;

	trusted_subjects = NIL;
	steward_stand_in_for(roleid);
	plans_forget();
	return subjects;
}

/* Ends it, also after an error. */
void
subject_stand_in_end(List *subjects)
{
	steward_stand_in_for(InvalidOid);
	trusted_subjects = subjects;
	plans_forget();
}

static void
assign_role(const char *newval, void *extra)
{
	prev_assign_role(newval, extra);
	plans_forget();
}

static void
assign_session_authorization(const char *newval, void *extra)
{
	prev_assign_session_authorization(newval, extra);
	plans_forget();
}

/*
 * Watches a setting of core's.  Plans made inside definer functions do not
 * notice by themselves that the role outside has changed.
 */
static void
watch_setting(const char *name, GucStringAssignHook hook, GucStringAssignHook *prev)
{
	struct config_generic *generic = steward_find_guc(name);
	struct config_string *setting;

	if (generic == NULL || generic->vartype != PGC_STRING)
		elog(FATAL, "setting \"%s\" not found", name);
	setting = (struct config_string *) generic;
	*prev = setting->assign_hook;
	setting->assign_hook = hook;
}

/* ------------------------------------------------------------------------
 * Grants of purposes
 * ------------------------------------------------------------------------
 */

/* The moment by which validity is decided. */
TimestampTz
wall_clock(void)
{
	return GetCurrentTimestamp();
}

static bool
holds_grant(Oid roleid, Oid to_role)
{
	return !OidIsValid(to_role) || has_privs_of_role(roleid, to_role);
}

/* Reads an interval of the grant, open ends as infinities. */
static GrantInterval *
read_interval(HeapTuple tup, TupleDesc desc)
{
	GrantInterval *interval = palloc(sizeof(GrantInterval));
	bool		isnull;
	Datum		d;

	d = heap_getattr(tup, Anum_purpose_grant_valid_from, desc, &isnull);
	interval->valid_from = isnull ? DT_NOBEGIN : DatumGetTimestampTz(d);
	d = heap_getattr(tup, Anum_purpose_grant_valid_until, desc, &isnull);
	interval->valid_until = isnull ? DT_NOEND : DatumGetTimestampTz(d);
	return interval;
}

static bool
interval_holds(const GrantInterval *interval, TimestampTz at)
{
	return interval->valid_from <= at && at < interval->valid_until;
}

/* Reads the intervals in which purpose is granted to roleid. */
static List *
read_grants(Oid roleid, const char *purpose, const Past *past)
{
	List	   *intervals = NIL;
	ScanKeyData key;
	FactScan   *scan;
	HeapTuple	tup;

	ScanKeyInit(&key, Anum_purpose_grant_purpose, BTEqualStrategyNumber,
				F_TEXTEQ, CStringGetTextDatum(purpose));
	scan = facts_begin(past, TABLE_PURPOSE_GRANT, 1, &key);
	while (HeapTupleIsValid(tup = facts_next(scan)))
	{
		bool		isnull;
		Oid			to_role = DatumGetObjectId(heap_getattr(tup, Anum_purpose_grant_to_role,
															facts_desc(scan), &isnull));

		if (holds_grant(roleid, to_role))
			intervals = lappend(intervals, read_interval(tup, facts_desc(scan)));
	}
	facts_end(scan);
	return intervals;
}

/* Makes a cache usable: emptied where it is out of date or too full. */
static void
ready_cache(MemoryContext *context, List **cache, bool *valid)
{
	if (*valid && list_length(*cache) < MAX_CACHED)
		return;
	if (*context == NULL)
		*context = AllocSetContextCreate(TopMemoryContext, "pg_steward cache", ALLOCSET_DEFAULT_SIZES);
	*cache = NIL;
	MemoryContextReset(*context);
	*valid = true;
}

/* Is the purpose granted to the role at that moment? */
bool
purpose_is_granted(Oid roleid, const char *purpose, TimestampTz at)
{
	const Past *past = past_at(at);
	CachedGrant *grant = NULL;
	ListCell   *lc;

	if (past != NULL)
	{
		foreach(lc, read_grants(roleid, purpose, past))
		{
			if (interval_holds(lfirst(lc), at))
				return true;
		}
		return false;
	}
	ready_cache(&grant_context, &grant_cache, &grant_cache_valid);
	foreach(lc, grant_cache)
	{
		CachedGrant *candidate = lfirst(lc);

		if (candidate->roleid == roleid && strcmp(candidate->purpose, purpose) == 0)
		{
			grant = candidate;
			break;
		}
	}
	if (grant == NULL)
	{
		List	   *intervals = read_grants(roleid, purpose, NULL);
		MemoryContext old;

		/* Reading may have brought the news that the cache is out of date. */
		ready_cache(&grant_context, &grant_cache, &grant_cache_valid);
		old = MemoryContextSwitchTo(grant_context);
		grant = palloc(sizeof(CachedGrant));
		grant->roleid = roleid;
		grant->purpose = pstrdup(purpose);
		grant->intervals = NIL;
		foreach(lc, intervals)
		{
			GrantInterval *copy = palloc(sizeof(GrantInterval));

			*copy = *(GrantInterval *) lfirst(lc);
			grant->intervals = lappend(grant->intervals, copy);
		}
		grant_cache = lcons(grant, grant_cache);
		MemoryContextSwitchTo(old);
	}
	foreach(lc, grant->intervals)
	{
		if (interval_holds(lfirst(lc), at))
			return true;
	}
	return false;
}

/* The purposes granted to the role at that moment, as names in order. */
List *
purposes_granted(Oid roleid, TimestampTz at)
{
	List	   *names = NIL;
	FactScan   *scan;
	HeapTuple	tup;

	scan = facts_begin(past_at(at), TABLE_PURPOSE_GRANT, 0, NULL);
	while (HeapTupleIsValid(tup = facts_next(scan)))
	{
		bool		isnull;
		TupleDesc	desc = facts_desc(scan);
		Oid			to_role = DatumGetObjectId(heap_getattr(tup, Anum_purpose_grant_to_role, desc, &isnull));
		char	   *name;

		if (!holds_grant(roleid, to_role) || !interval_holds(read_interval(tup, desc), at))
			continue;
		name = TextDatumGetCString(heap_getattr(tup, Anum_purpose_grant_purpose, desc, &isnull));
		if (names == NIL || strcmp(strVal(llast(names)), name) != 0)
			names = lappend(names, makeString(name));
	}
	facts_end(scan);
	return names;
}

/* What rooms above answer. */
static AccessQuestions questions = {NULL, NULL};

/* Called while libraries are preloaded. */
void
access_ask(const AccessQuestions *answers)
{
	questions = *answers;
}

/* The run of which the session is part, or NULL. */
const pg_uuid_t *
access_run(void)
{
	return questions.run != NULL ? questions.run() : NULL;
}

/* Is the session's purpose fixed, and to which?  Not that of stored SQL. */
static bool
purpose_is_fixed(const char **purpose)
{
	return questions.purpose_is_fixed != NULL && !steward_is_acting_as() &&
		questions.purpose_is_fixed(purpose);
}

/*
 * The purpose that the session wants, NULL for none: steward.purpose as it
 * stands, or what it was fixed to, which no RESET changes.
 */
const char *
purpose_setting(void)
{
	const char *fixed;

	if (unlikely(purpose_is_fixed(&fixed)))
		return fixed;
	return purpose_guc != NULL && purpose_guc[0] != '\0' ? purpose_guc : NULL;
}

/*
 * steward.purpose where the role holds a grant of it now, and the session's
 * token leaves it, else NULL.
 */
const char *
purpose_effective(Oid roleid)
{
	const char *purpose = purpose_setting();

	if (purpose == NULL || !identity_allows_purpose(purpose) ||
		!purpose_is_granted(roleid, purpose, wall_clock()))
		return NULL;
	return purpose;
}

/* May the subject use the purpose now? */
bool
access_may_use_purpose(const char *purpose)
{
	return identity_allows_purpose(purpose) &&
		purpose_is_granted(access_subject(), purpose, wall_clock());
}

/* The effective purpose of the subject. */
const char *
access_purpose(void)
{
	return purpose_effective(access_subject());
}

/* "a", "b" and so on, for hints; at most ten. */
static char *
list_names(List *names)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, names)
	{
		if (foreach_current_index(lc) == 10)
		{
			appendStringInfo(&buf, " and %d more", list_length(names) - 10);
			break;
		}
		appendStringInfo(&buf, "%s\"%s\"", foreach_current_index(lc) > 0 ? ", " : "",
						 strVal(lfirst(lc)));
	}
	return buf.data;
}

/*
 * Checks a new value of steward.purpose.  Typed interactively, a purpose that
 * is not granted is refused; from ALTER ROLE, a connection option or a file
 * it warns, and counts as none for as long as it is not granted.
 */
static bool
check_purpose(char **newval, void **extra, GucSource source)
{
	Oid			subject;
	List	   *granted;
	const char *fixed;

	if (purpose_is_fixed(&fixed) && source >= PGC_S_INTERACTIVE && source != PGC_S_TEST &&
		strcmp(*newval, fixed != NULL ? fixed : "") != 0)
	{
		GUC_check_errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
		GUC_check_errmsg("the purpose cannot change within a run");
		GUC_check_errhint("End the run with steward.end_run(), or leave it with RESET steward.run.");
		return false;
	}
	if ((*newval)[0] == '\0')
		return true;
	if (strlen(*newval) > MAX_PURPOSE_LENGTH)
	{
		GUC_check_errmsg("purpose is longer than %d bytes", MAX_PURPOSE_LENGTH);
		return false;
	}

	/* A parallel worker takes over what its leader has checked. */
	if (!IsTransactionState() || InitializingParallelWorker || IsParallelWorker())
		return true;
	if (!steward_is_created())
		return true;

	subject = access_subject();
	AcceptInvalidationMessages();
	if (!identity_allows_purpose(*newval) && source >= PGC_S_INTERACTIVE && source != PGC_S_TEST)
	{
		GUC_check_errcode(ERRCODE_INSUFFICIENT_PRIVILEGE);
		GUC_check_errmsg("the token of this session does not allow purpose \"%s\"", *newval);
		GUC_check_errhint("Present a token that names the purpose with steward.authenticate().");
		return false;
	}
	if (purpose_is_granted(subject, *newval, wall_clock()))
		return true;

	granted = purposes_granted(subject, wall_clock());
	if (source < PGC_S_INTERACTIVE || source == PGC_S_TEST)
	{
		ereport(WARNING,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("purpose \"%s\" is not known or not granted to role \"%s\"",
						*newval, GetUserNameFromId(subject, false)),
				 errdetail("It counts as no purpose until it is granted.")));
		return true;
	}
	GUC_check_errcode(ERRCODE_INSUFFICIENT_PRIVILEGE);
	GUC_check_errmsg("purpose \"%s\" is not known or not granted to role \"%s\"",
					 *newval, GetUserNameFromId(subject, false));
	if (granted != NIL)
		GUC_check_errhint("Granted to this role now: %s.", list_names(granted));
	else
		GUC_check_errhint("No purpose is granted to this role; a member of steward_admin grants one with steward.grant_purpose().");
	return false;
}

/* ------------------------------------------------------------------------
 * Attributes
 * ------------------------------------------------------------------------
 */

/* Reads the attribute of a role, as text[]; 0: it has none. */
static Datum
read_attribute(Oid roleid, const char *attribute, const Past *past)
{
	ScanKeyData key[2];
	FactScan   *scan;
	HeapTuple	tup;
	Datum		value = (Datum) 0;

	ScanKeyInit(&key[0], Anum_role_attribute_role, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(roleid));
	ScanKeyInit(&key[1], Anum_role_attribute_key, BTEqualStrategyNumber,
				F_TEXTEQ, CStringGetTextDatum(attribute));
	scan = facts_begin(past, TABLE_ROLE_ATTRIBUTE, 2, key);
	tup = facts_next(scan);
	if (HeapTupleIsValid(tup))
	{
		bool		isnull;

		value = heap_getattr(tup, Anum_role_attribute_value, facts_desc(scan), &isnull);
		value = PointerGetDatum(DatumGetArrayTypePCopy(value));
	}
	facts_end(scan);
	return value;
}

/* The attribute of a role, valid until the next look-up. */
static CachedAttribute *
look_up_attribute(Oid roleid, const char *attribute)
{
	ListCell   *lc;
	CachedAttribute *entry;
	Datum		value;
	MemoryContext old;

	ready_cache(&attribute_context, &attribute_cache, &attribute_cache_valid);
	foreach(lc, attribute_cache)
	{
		entry = lfirst(lc);
		if (entry->roleid == roleid && strcmp(entry->key, attribute) == 0)
			return entry;
	}

	value = read_attribute(roleid, attribute, NULL);
	ready_cache(&attribute_context, &attribute_cache, &attribute_cache_valid);
	old = MemoryContextSwitchTo(attribute_context);
	entry = palloc(sizeof(CachedAttribute));
	entry->roleid = roleid;
	entry->key = pstrdup(attribute);
	entry->value = value == (Datum) 0 ? (Datum) 0 : PointerGetDatum(DatumGetArrayTypePCopy(value));
	entry->read_as = InvalidOid;
	attribute_cache = lcons(entry, attribute_cache);
	MemoryContextSwitchTo(old);
	return entry;
}

/* The same as text[]. */
Datum
subject_attribute(Oid roleid, const char *attribute, bool *found)
{
	CachedAttribute *entry = look_up_attribute(roleid, attribute);

	*found = entry->value != (Datum) 0;
	return entry->value;
}

/* The same at a moment, of the past too; valid until the next look-up. */
Datum
subject_attribute_at(Oid roleid, const char *attribute, TimestampTz at, bool *found)
{
	const Past *past = past_at(at);
	Datum		value;

	if (past == NULL)
		return subject_attribute(roleid, attribute, found);
	value = read_attribute(roleid, attribute, past);
	*found = value != (Datum) 0;
	return value;
}

/* The first of the values, read as the type; false where there is none. */
static bool
first_value_as(Datum array, Oid type, Datum *value)
{
	bool		isnull;
	Datum		first;
	int			subscript;
	Oid			input;
	Oid			ioparam;

	if (ARR_NDIM(DatumGetArrayTypeP(array)) != 1)
		return false;
	subscript = ARR_LBOUND(DatumGetArrayTypeP(array))[0];
	first = array_get_element(array, 1, &subscript, -1, -1, false, TYPALIGN_INT, &isnull);
	if (isnull)
		return false;
	getTypeInputInfo(type, &input, &ioparam);
	*value = OidInputFunctionCall(input, TextDatumGetCString(first), ioparam, -1);
	return true;
}

/* May what was once read as the type be kept, whatever the settings? */
static bool
is_simple_type(Oid type)
{
	return type == BOOLOID || type == INT2OID || type == INT4OID || type == INT8OID;
}

/* The first value of a cached attribute, read as the type; false where there is none. */
static bool
cached_value_as(CachedAttribute *entry, Oid type, Datum *value)
{
	if (entry->value == (Datum) 0)
		return false;
	if (entry->read_as == type && OidIsValid(type))
	{
		*value = entry->first;
		return true;
	}
	if (!first_value_as(entry->value, type, value))
		return false;
	if (is_simple_type(type))
	{
		entry->first = *value;
		entry->read_as = type;
	}
	return true;
}

/*
 * The first value of the attribute that a role has at a moment, read as the
 * type; false where there is none.
 */
bool
subject_attribute_as(Oid roleid, const char *attribute, TimestampTz at, Oid type, Datum *value)
{
	const Past *past = past_at(at);
	Datum		array;

	if (past == NULL)
		return cached_value_as(look_up_attribute(roleid, attribute), type, value);
	array = read_attribute(roleid, attribute, past);
	return array != (Datum) 0 && first_value_as(array, type, value);
}

/* ------------------------------------------------------------------------
 * Invalidation
 * ------------------------------------------------------------------------
 */

static void
forget_by_relation(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || !steward_is_known())
	{
		grant_cache_valid = attribute_cache_valid = false;
		return;
	}
	if (relid == steward_known_table(TABLE_PURPOSE_GRANT) ||
		relid == steward_known_table(TABLE_PURPOSE))
		grant_cache_valid = false;
	if (relid == steward_known_table(TABLE_ROLE_ATTRIBUTE))
		attribute_cache_valid = false;
}

/* Roles or memberships changed: grants reach others, plans serve others. */
static void
forget_by_role(Datum arg, int cacheid, uint32 hashvalue)
{
	role_generation++;
	grant_cache_valid = false;
	plans_forget();
}

/* Changes whenever roles or memberships did. */
uint64
subject_generation(void)
{
	return role_generation;
}

/* Defines steward.purpose and watches the role.  Called at server start. */
void
subject_init(void)
{
	DefineCustomStringVariable("steward.purpose",
							   "The purpose for which the session uses governed data.",
							   "It counts only while it is granted to the acting role.",
							   &purpose_guc,
							   "",
							   PGC_USERSET, GUC_REPORT,
							   check_purpose, NULL, NULL);

	watch_setting("role", assign_role, &prev_assign_role);
	watch_setting("session_authorization", assign_session_authorization,
				  &prev_assign_session_authorization);

	steward_watch_relations(forget_by_relation);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, forget_by_role, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, forget_by_role, (Datum) 0);
}

/* ------------------------------------------------------------------------
 * SQL
 * ------------------------------------------------------------------------
 */

STEWARD_FUNCTION(steward_subject);
STEWARD_FUNCTION(steward_subject_role);
STEWARD_FUNCTION(steward_token_issuer);
STEWARD_FUNCTION(steward_current_purpose);
STEWARD_FUNCTION(steward_current_purpose_of);
STEWARD_FUNCTION(steward_attr);
STEWARD_FUNCTION(steward_attr_typed);

/* subject(): who acts, by the token or else by the role. */
Datum
steward_subject(PG_FUNCTION_ARGS)
{
	AcceptInvalidationMessages();
	PG_RETURN_TEXT_P(cstring_to_text(access_subject_name()));
}

/* subject_role(): name of the acting role. */
Datum
steward_subject_role(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(GetUserNameFromId(access_subject(), false)));
}

/* token_issuer(): the issuer of the token by which the subject acts. */
Datum
steward_token_issuer(PG_FUNCTION_ARGS)
{
	const char *issuer;

	AcceptInvalidationMessages();
	issuer = access_token_issuer();
	if (issuer == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(issuer));
}

/*
 * The attribute of the acting subject: of its role, else of its token.
 */
static Datum
own_attribute(const char *key, bool *found)
{
	Datum		value;

	AcceptInvalidationMessages();
	value = subject_attribute(access_subject(), key, found);
	if (!*found)
	{
		value = identity_attribute(key);
		*found = value != (Datum) 0;
	}
	return value;
}

/* The first value of the same, read as the type; false where there is none. */
bool
subject_own_attribute_as(const char *key, Oid type, Datum *value)
{
	CachedAttribute *entry = look_up_attribute(access_subject(), key);

	if (entry->value != (Datum) 0)
		return cached_value_as(entry, type, value);
	*value = identity_attribute(key);
	return *value != (Datum) 0 && first_value_as(*value, type, value);
}

static Datum
purpose_result(FunctionCallInfo fcinfo, Oid roleid)
{
	const char *purpose;

	AcceptInvalidationMessages();
	purpose = purpose_effective(roleid);
	if (purpose == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(purpose));
}

/* current_purpose(): the purpose that counts now, or NULL. */
Datum
steward_current_purpose(PG_FUNCTION_ARGS)
{
	return purpose_result(fcinfo, access_subject());
}

/* The same in plans, where the subject was fixed when they were made. */
Datum
steward_current_purpose_of(PG_FUNCTION_ARGS)
{
	return purpose_result(fcinfo, PG_GETARG_OID(0));
}

/* attr(key): the values of the subject's attribute, or NULL. */
Datum
steward_attr(PG_FUNCTION_ARGS)
{
	bool		found;
	Datum		value;

	value = own_attribute(text_to_cstring(PG_GETARG_TEXT_PP(0)), &found);
	if (!found)
		PG_RETURN_NULL();
	PG_RETURN_ARRAYTYPE_P(DatumGetArrayTypePCopy(value));
}

/* attr(key, fallback): the first value as the type of the fallback. */
Datum
steward_attr_typed(PG_FUNCTION_ARGS)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 1);
	Datum		value;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (!OidIsValid(type))
		elog(ERROR, "could not determine the type of the fallback");

	AcceptInvalidationMessages();
	if (subject_own_attribute_as(text_to_cstring(PG_GETARG_TEXT_PP(0)), type, &value))
		PG_RETURN_DATUM(value);
	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(1));
}
