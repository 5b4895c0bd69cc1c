/*-------------------------------------------------------------------------
 *
 * second_person.c
 *	  Second-person approval: who asks, who approves, and the carrying out of
 *	  a change in the name of who asked for it.
 *
 * Where steward.require_second_person is on, each function that could widen
 * what somebody may see asks second_person() (SQL), which tries the change in
 * a subtransaction and compares the policies before and after.  While it is
 * tried, or carried out after an approval, the functions do what they always
 * do: that is what "within" says.  It is no setting, so nobody can claim it;
 * PG_FINALLY takes it back.
 *
 * A person is known by the role that logged in, the session role and, where
 * a token vouches for the session, by the token's subject; the current role
 * says nothing, for SET ROLE changes it.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "access/access_internal.h"
#include "access/mask.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

static bool require_second_person = false;
static int	second_person_window;

/* A change is tried or carried out, by our own code. */
static bool within = false;

/* Name of who asked for the change that is carried out; NULL: none is. */
static const char *author_name = NULL;

/* Must changes that widen wait, and is none being carried out? */
bool
second_person_is_asked(void)
{
	return require_second_person && !within && !guard_is_finishing();
}

/* The name that changes bear, where they are carried out for somebody else. */
const char *
second_person_author(void)
{
	return steward_is_acting_as() ? NULL : author_name;
}

/* Is the column masked, for whomever? */
static bool
column_is_masked(Oid relid, AttrNumber attno)
{
	ListCell   *lc;

	foreach(lc, governance_of(relid)->sets)
	{
		const PolicySet *set = lfirst(lc);
		ListCell   *lc2;

		foreach(lc2, set->masks)
		{
			if (mask_attno(set, lfirst(lc2)) == attno)
				return true;
		}
	}
	return false;
}

/*
 * Refuses a label that SECURITY LABEL would set, where it could show more
 * than before: trust in an object, a tag taken away, a tag whose mask may
 * come before another.  A statement cannot wait, the functions that are named
 * in the hint can.  Superusers label what they restore.
 */
void
second_person_check_label(const ObjectAddress *object, bool removes, bool adds)
{
	bool		column = object->objectSubId > 0;

	if (!second_person_is_asked() || superuser_arg(steward_outer_user()))
		return;
	if (column && (!access_is_governed(object->objectId) ||
				   !(removes || (adds && column_is_masked(object->objectId, object->objectSubId)))))
		return;
	if (!column && !adds)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("this label takes the approval of a second person"),
			 errdetail("It may show more than before, and a statement cannot wait (steward.require_second_person)."),
			 column ?
			 errhint("SELECT steward.set_tags(relation, column_name, tags) asks for it.") :
			 errhint("SELECT steward.trust(object, reason) asks for it.")));
}

/* Defines the settings.  Called at server start. */
void
second_person_init(void)
{
	DefineCustomBoolVariable("steward.require_second_person",
							 "Lets policy changes that widen what somebody may see or do wait for a second person.",
							 "They are recorded, and steward.approve_policies() carries them out.",
							 &require_second_person,
							 false,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);
	DefineCustomIntVariable("steward.second_person_window",
							"For how long a policy change waits for a second person.",
							"Past it, it cannot be approved any more.",
							&second_person_window,
							7 * 24 * 60 * 60, 1, 366 * 24 * 60 * 60,
							PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);
}

/* ------------------------------------------------------------------------
 * SQL
 * ------------------------------------------------------------------------
 */

STEWARD_FUNCTION(steward_second_person_is_asked);
STEWARD_FUNCTION(steward_second_person_within);
STEWARD_FUNCTION(steward_second_person_tries);
STEWARD_FUNCTION(steward_current_person);
STEWARD_FUNCTION(steward_require_own_statement);
STEWARD_FUNCTION(steward_run_change);

/* second_person_is_asked(): must what widens wait? */
Datum
steward_second_person_is_asked(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(second_person_is_asked());
}

/* second_person_within(): is a change tried or carried out? */
Datum
steward_second_person_within(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(within);
}

/* second_person_tries(): is a change tried, and perhaps taken back? */
Datum
steward_second_person_tries(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(within && author_name == NULL);
}

/*
 * current_person(): who is in front of the session.  Raises where a token is
 * needed and there is none that counts, and where a trusted object acts.
 */
Datum
steward_current_person(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[6];
	bool		nulls[6] = {false};
	const char *token = identity_subject();
	const char *issuer = identity_issuer();

	identity_require();
	if (subject_is_pushed())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a policy change that widens cannot be asked for or approved through a trusted object"),
				 errhint("Call the function directly.")));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = CStringGetTextDatum(GetUserNameFromId(GetAuthenticatedUserId(), false));
	values[1] = CStringGetTextDatum(GetUserNameFromId(GetSessionUserId(), false));
	values[2] = ObjectIdGetDatum(steward_outer_user());
	values[3] = CStringGetTextDatum(token != NULL ? token : GetUserNameFromId(steward_outer_user(), false));
	values[4] = token == NULL ? (Datum) 0 : CStringGetTextDatum(token);
	values[5] = issuer == NULL ? (Datum) 0 : CStringGetTextDatum(issuer);
	nulls[4] = token == NULL;
	nulls[5] = issuer == NULL;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* Can the character be part of an identifier? */
static bool
in_identifier(unsigned char c)
{
	return isalnum(c) || c == '_' || c == '$' || IS_HIGHBIT_SET(c);
}

/* Does a statement, in lower case, call a function of this name? */
static bool
statement_calls(const char *statement, const char *function)
{
	for (const char *p = strstr(statement, function); p != NULL; p = strstr(p + 1, function))
	{
		const char *end = p + strlen(function);

		if (p > statement && in_identifier(p[-1]))
			continue;
		if (*end == '"')
			end++;
		while (isspace((unsigned char) *end))
			end++;
		if (*end == '(')
			return true;
	}
	return false;
}

/*
 * require_own_statement(function): raises unless the statement that the
 * client sent calls the function.  A view, a trigger or a function of
 * somebody else that the person's statement happens to run must not ask or
 * approve in his name.
 */
Datum
steward_require_own_statement(PG_FUNCTION_ARGS)
{
	char	   *function = text_to_cstring(PG_GETARG_TEXT_PP(0));

	if (debug_query_string == NULL ||
		!statement_calls(asc_tolower(debug_query_string, strlen(debug_query_string)), function))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("steward.%s() was not called by the statement that the client sent", function),
				 errdetail("What runs inside somebody's statement cannot ask or approve in his name."),
				 errhint("Write the call into the statement itself.")));
	PG_RETURN_VOID();
}

/* Calls call_change(function, arguments, secret). */
static void
call_change(Datum function, Datum arguments, NullableDatum secret)
{
	LOCAL_FCINFO(fcinfo, 3);
	Oid			argtypes[] = {TEXTOID, JSONBOID, BYTEAOID};
	FmgrInfo	flinfo;

	fmgr_info(steward_function("call_change", 3, argtypes), &flinfo);
	InitFunctionCallInfoData(*fcinfo, &flinfo, 3, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = function;
	fcinfo->args[0].isnull = false;
	fcinfo->args[1].value = arguments;
	fcinfo->args[1].isnull = false;
	fcinfo->args[2] = secret;
	(void) FunctionCallInvoke(fcinfo);
}

/*
 * run_change(function, arguments, secret, author, author_name): carries a
 * change out; with an author, as he who asked for it, with his rights.
 */
Datum
steward_run_change(PG_FUNCTION_ARGS)
{
	volatile Oid author = PG_ARGISNULL(3) ? InvalidOid : PG_GETARG_OID(3);
	List	   *volatile subjects;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || within)
		elog(ERROR, "a change cannot be carried out here");
	subjects = OidIsValid(author) ? subject_stand_in_begin(author) : NIL;
	PG_TRY();
	{
		within = true;
		if (OidIsValid(author))
			author_name = text_to_cstring(PG_GETARG_TEXT_PP(4));
		call_change(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), fcinfo->args[2]);
	}
	PG_FINALLY();
	{
		within = false;
		author_name = NULL;
		if (OidIsValid(author))
			subject_stand_in_end(subjects);
	}
	PG_END_TRY();
	PG_RETURN_VOID();
}
