/*-------------------------------------------------------------------------
 *
 * predicate.c
 *	  From what governs a relation and from who acts to a predicate: the one
 *	  place that decides.
 *
 * A row is allowed where one allowing policy or more holds and no denying
 * policy holds.  What depends on the role is decided here, once a plan; what
 * depends on the execution (purpose, grants, validity, attributes) stands in
 * the predicate as an uncorrelated sub-select, which the executor runs once.
 *
 * A denying policy whose expression is NULL for a row hides the row: where
 * it is not known whether a deny holds, it does.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access_internal.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "rewrite/rewriteManip.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

/* ------------------------------------------------------------------------
 * Which policies apply
 * ------------------------------------------------------------------------
 */

/*
 * Does one of the policy's roles fit?  To be allowed takes the rights of the
 * role; to be denied, membership in it is enough, inherited or not, of the
 * subject or of the role that opened the session.
 */
static bool
role_fits(const RowPolicy *policy, Oid subject, Oid session)
{
	for (int i = 0; i < policy->nroles; i++)
	{
		Oid			role = policy->roles[i];

		if (!OidIsValid(role))
			return true;
		if (policy->deny ?
			is_member_of_role_nosuper(subject, role) ||
			is_member_of_role_nosuper(session, role) :
			has_privs_of_role(subject, role))
			return true;
	}
	return false;
}

/* Does the policy concern this command of this subject, whenever? */
bool
policy_concerns(const RowPolicy *policy, int command, Oid subject, Oid session)
{
	return (policy->commands & command) != 0 && role_fits(policy, subject, session);
}

static bool
purposes_include(ArrayType *purposes, const char *purpose)
{
	Datum	   *elems;
	int			n;
	bool		found = false;

	deconstruct_array(purposes, TEXTOID, -1, false, TYPALIGN_INT, &elems, NULL, &n);
	for (int i = 0; i < n && !found; i++)
	{
		text	   *elem = DatumGetTextPP(elems[i]);

		found = VARSIZE_ANY_EXHDR(elem) == strlen(purpose) &&
			memcmp(VARDATA_ANY(elem), purpose, VARSIZE_ANY_EXHDR(elem)) == 0;
	}
	pfree(elems);
	return found;
}

/* Does a policy of these purposes and this validity apply at the moment? */
bool
gate_is_open(ArrayType *purposes, TimestampTz valid_from, TimestampTz valid_until,
			 const char *effective_purpose, TimestampTz at)
{
	if (at < valid_from || at >= valid_until)
		return false;
	return purposes == NULL ||
		(effective_purpose != NULL && purposes_include(purposes, effective_purpose));
}

/* The same for a subject at this moment. */
bool
gate_is_open_for(ArrayType *purposes, TimestampTz valid_from, TimestampTz valid_until, Oid subject)
{
	const char *purpose = NULL;

	if (purposes != NULL)
	{
		purpose = purpose_effective(subject);
		if (purpose == NULL)
			return false;
	}
	return gate_is_open(purposes, valid_from, valid_until, purpose, wall_clock());
}

/* Whether, and if not why not, the policy applies; purpose may be NULL. */
PolicyVerdict
policy_verdict(const RowPolicy *policy, int command, Oid subject, Oid session,
			   const char *purpose, TimestampTz at)
{
	if ((policy->commands & command) == 0)
		return POLICY_OTHER_COMMAND;
	if (!role_fits(policy, subject, session))
		return POLICY_OTHER_ROLE;
	if (at < policy->valid_from)
		return POLICY_NOT_YET_VALID;
	if (at >= policy->valid_until)
		return POLICY_EXPIRED;
	if (policy->purposes != NULL)
	{
		if (purpose == NULL || !purposes_include(policy->purposes, purpose))
			return POLICY_OTHER_PURPOSE;
		if (!purpose_is_granted(subject, purpose, at))
			return POLICY_PURPOSE_NOT_GRANTED;
	}
	return POLICY_APPLIES;
}

/*
 * The allowing policies that concern the command of the subject, kept with
 * the set: the same person asks again and again.
 */
static List *
concerning_policies(const PolicySet *const_set, int command, Oid subject, Oid session)
{
	PolicySet  *set = unconstify(PolicySet *, const_set);
	MemoryContext old;
	List	   *policies = NIL;
	ListCell   *lc;

	if (set->context != NULL && set->admits.generation == subject_generation() && set->admits.subject == subject &&
		set->admits.session == session && set->admits.command == command)
		return set->admits.policies;

	foreach(lc, set->policies)
	{
		RowPolicy  *policy = lfirst(lc);

		if (!policy->deny && policy_concerns(policy, command, subject, session))
			policies = lappend(policies, policy);
	}
	if (set->context == NULL)
		return policies;

	set->admits.generation = 0;
	list_free(set->admits.policies);
	old = MemoryContextSwitchTo(set->context);
	set->admits.policies = list_copy(policies);
	MemoryContextSwitchTo(old);
	set->admits.subject = subject;
	set->admits.session = session;
	set->admits.command = command;
	set->admits.generation = subject_generation();
	return set->admits.policies;
}

/* Does any allowing policy of the set apply right now? */
bool
policy_set_admits(const PolicySet *set, int command, Oid subject, Oid session)
{
	const char *purpose = NULL;
	bool		purpose_known = false;
	TimestampTz now = wall_clock();
	ListCell   *lc;

	foreach(lc, concerning_policies(set, command, subject, session))
	{
		RowPolicy  *policy = lfirst(lc);

		if (policy->purposes != NULL && !purpose_known)
		{
			purpose = purpose_effective(subject);
			purpose_known = true;
		}
		if (gate_is_open(policy->purposes, policy->valid_from, policy->valid_until, purpose, now))
			return true;
	}
	return false;
}

/* ------------------------------------------------------------------------
 * Building
 * ------------------------------------------------------------------------
 */

static bool
has_gate(const RowPolicy *policy)
{
	return policy->purposes != NULL ||
		!TIMESTAMP_IS_NOBEGIN(policy->valid_from) ||
		!TIMESTAMP_IS_NOEND(policy->valid_until);
}

static bool
same_gate(const RowPolicy *a, const RowPolicy *b)
{
	if (a->valid_from != b->valid_from || a->valid_until != b->valid_until)
		return false;
	if (a->purposes == NULL || b->purposes == NULL)
		return a->purposes == b->purposes;
	return VARSIZE(a->purposes) == VARSIZE(b->purposes) &&
		memcmp(a->purposes, b->purposes, VARSIZE(a->purposes)) == 0;
}

static Expr *
timestamp_const(TimestampTz value, bool isnull)
{
	return (Expr *) makeConst(TIMESTAMPTZOID, -1, InvalidOid, sizeof(TimestampTz),
							  isnull ? (Datum) 0 : TimestampTzGetDatum(value),
							  isnull, FLOAT8PASSBYVAL);
}

/* (SELECT steward.policy_gate(…)): run once an execution. */
static Expr *
make_gate(ArrayType *purposes, TimestampTz valid_from, TimestampTz valid_until, Oid subject)
{
	Oid			types[] = {TEXTARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID, OIDOID};
	List	   *args;
	FuncExpr   *call;

	args = list_make4(makeConst(TEXTARRAYOID, -1, DEFAULT_COLLATION_OID, -1,
								PointerGetDatum(purposes), purposes == NULL, false),
					  timestamp_const(valid_from, TIMESTAMP_IS_NOBEGIN(valid_from)),
					  timestamp_const(valid_until, TIMESTAMP_IS_NOEND(valid_until)),
					  makeConst(OIDOID, -1, InvalidOid, sizeof(Oid),
								ObjectIdGetDatum(subject), false, true));
	call = makeFuncExpr(steward_function("policy_gate", lengthof(types), types),
						BOOLOID, args, InvalidOid, DEFAULT_COLLATION_OID, COERCE_EXPLICIT_CALL);
	return copyObject(once_per_execution((Expr *) call));
}

/* The gate of a policy. */
static Expr *
gate_expression(const RowPolicy *policy, Oid subject)
{
	return make_gate(policy->purposes, policy->valid_from, policy->valid_until, subject);
}

/* True while one of the purposes is the subject's, and granted to him. */
Expr *
purpose_gate(ArrayType *purposes, Oid subject)
{
	return make_gate(purposes, DT_NOBEGIN, DT_NOEND, subject);
}

/* a AND b, either of which may be absent. */
static Expr *
and_expressions(Expr *a, Expr *b)
{
	if (a == NULL)
		return b;
	if (b == NULL)
		return a;
	return makeBoolExpr(AND_EXPR, list_make2(a, b), -1);
}

static Expr *
or_list(List *exprs)
{
	return list_length(exprs) == 1 ? linitial(exprs) : makeBoolExpr(OR_EXPR, exprs, -1);
}

/* CASE WHEN condition THEN true ELSE steward.refuse_row(…) END */
Expr *
refuse_unless(Expr *condition, Oid relid, int command)
{
	Oid			types[] = {OIDOID, INT4OID};
	CaseExpr   *expr = makeNode(CaseExpr);
	CaseWhen   *when = makeNode(CaseWhen);

	when->expr = condition;
	when->result = (Expr *) makeBoolConst(true, false);
	when->location = -1;
	expr->casetype = BOOLOID;
	expr->args = list_make1(when);
	expr->defresult = (Expr *)
		makeFuncExpr(steward_function("refuse_row", lengthof(types), types), BOOLOID,
					 list_make2(makeConst(OIDOID, -1, InvalidOid, sizeof(Oid),
										  ObjectIdGetDatum(relid), false, true),
								makeConst(INT4OID, -1, InvalidOid, sizeof(int32),
										  Int32GetDatum(command), false, true)),
					 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
	expr->location = -1;
	return (Expr *) expr;
}

/* The expression of a policy for this use, as a copy on the set's relation. */
static Expr *
policy_expression(const PolicySet *set, const RowPolicy *policy, PredicateUse use, Oid subject)
{
	Expr	   *expr;
	bool		whole_row;

	policy_make_ready(policy, set->relid);
	expr = policy->plan_qual;
	if (use == PREDICATE_NEW_ROWS && policy->plan_check != NULL)
		expr = policy->plan_check;
	expr = copyObject(expr);
	if (subject != subject_untrusted())
		expr = expression_for_subject(expr, subject);
	if (set->attrmap != NULL)
		expr = (Expr *) map_variable_attnos((Node *) expr, 1, 0, set->attrmap,
											set->rowtype, &whole_row);
	return expr;
}

/*
 * The allowing side: the policies that concern the subject, OR-ed, those of
 * the same purposes and validity behind one common gate.
 */
static Expr *
allow_expression(const PolicySet *set, int command, PredicateUse use,
				 Oid subject, Oid session, bool checked_at_start, PredicateResult *result)
{
	List	   *todo = NIL;
	List	   *alternatives = NIL;
	bool		always = false;
	bool		one_gate = true;
	ListCell   *lc;

	todo = list_copy(concerning_policies(set, command, subject, session));
	foreach(lc, todo)
	{
		always |= !has_gate(lfirst(lc));
		one_gate &= same_gate(linitial(todo), lfirst(lc));
	}
	result->no_policy = todo == NIL;
	result->needs_start_check = todo != NIL && !always;

	/*
	 * Where all stand behind the same gate, the check at the start of the
	 * execution has asked all there is to ask.
	 */
	result->relies_on_start = checked_at_start && result->needs_start_check && one_gate;
	if (todo == NIL)
		return (Expr *) makeBoolConst(false, false);

	while (todo != NIL)
	{
		RowPolicy  *first = linitial(todo);
		List	   *same = NIL;
		List	   *rest = NIL;
		Expr	   *alternative;

		foreach(lc, todo)
		{
			RowPolicy  *policy = lfirst(lc);

			if (same_gate(first, policy))
				same = lappend(same, policy_expression(set, policy, use, subject));
			else
				rest = lappend(rest, policy);
			result->relations = list_concat_unique_oid(result->relations,
													   same_gate(first, policy) ? policy->relations : NIL);
		}
		alternative = or_list(same);
		if (has_gate(first) && !result->relies_on_start)
			alternative = and_expressions(gate_expression(first, subject), alternative);
		alternatives = lappend(alternatives, alternative);
		todo = rest;
	}
	return or_list(alternatives);
}

/*
 * Builds what a row must fulfil for the command of the subject.  Vars are of
 * varno 1.  With checked_at_start, the caller sees to it that the execution
 * begins only while policy_set_admits().  In mode "observe" every row fulfils it, and those that would not
 * are counted.
 */
void
predicate_build(const PolicySet *set, int command, PredicateUse use,
				Oid subject, Oid session, bool checked_at_start, PredicateResult *result)
{
	ListCell   *lc;

	memset(result, 0, sizeof(*result));
	result->expr = allow_expression(set, command, use, subject, session,
									checked_at_start && !set->observe, result);
	if (set->observe)
	{
		result->expr = observe_expression(result->expr, set->relid, NULL, command);
		result->no_policy = result->needs_start_check = false;
	}

	foreach(lc, set->policies)
	{
		RowPolicy  *policy = lfirst(lc);
		Expr	   *deny;

		if (!policy->deny || !policy_concerns(policy, command, subject, session))
			continue;
		deny = policy_expression(set, policy, use, subject);
		result->relations = list_concat_unique_oid(result->relations, policy->relations);
		if (has_gate(policy))
			deny = and_expressions(gate_expression(policy, subject), deny);
		deny = makeBoolExpr(NOT_EXPR, list_make1(deny), -1);
		if (set->observe)
			deny = observe_expression(deny, set->relid, policy->name, command);
		result->expr = and_expressions(result->expr, deny);
	}
}

/*
 * What new rows inserted into the relation must fulfil, or NULL where all
 * do; raises where no policy lets the subject insert at all.
 */
Expr *
predicate_for_insert(Oid relid, List **relations)
{
	Oid			subject = access_subject();
	Oid			session = subject_session();
	Expr	   *expr = NULL;
	ListCell   *lc;

	identity_require();
	foreach(lc, governance_of(relid)->sets)
	{
		const PolicySet *set = lfirst(lc);
		PredicateResult result;

		if (!set->observe && steward_on_no_policy == ON_NO_POLICY_ERROR &&
			!policy_set_admits(set, COMMAND_INSERT, subject, session))
			refuse_no_policy(set, COMMAND_INSERT, subject);
		predicate_build(set, COMMAND_INSERT, PREDICATE_NEW_ROWS, subject, session, false, &result);
		expr = and_expressions(expr, result.expr);
		*relations = list_concat_unique_oid(*relations, result.relations);
	}
	return expr;
}

/* ------------------------------------------------------------------------
 * Refusing
 * ------------------------------------------------------------------------
 */

/*
 * Purposes that the subject was granted and under which an allowing policy
 * would apply: the hint of a refusal names them and no others.
 */
static char *
helpful_purposes(const PolicySet *set, int command, Oid subject)
{
	TimestampTz now = wall_clock();
	Oid			session = subject_session();
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, purposes_granted(subject, now))
	{
		char	   *purpose = strVal(lfirst(lc));
		ListCell   *lc2;

		foreach(lc2, set->policies)
		{
			RowPolicy  *policy = lfirst(lc2);

			if (!policy->deny &&
				policy_verdict(policy, command, subject, session, purpose, now) == POLICY_APPLIES)
			{
				appendStringInfo(&buf, "%s\"%s\"", buf.len > 0 ? ", " : "", purpose);
				break;
			}
		}
	}
	return buf.len > 0 ? buf.data : NULL;
}

/* Raises the refusal of a statement to which no allowing policy applies. */
void
refuse_no_policy(const PolicySet *set, int command, Oid subject)
{
	const char *setting = purpose_setting();
	const char *effective = purpose_effective(subject);
	char	   *helpful = helpful_purposes(set, command, subject);
	char	   *relation = get_rel_name(set->relid);

	access_denied(set->relid, command_name(command), subject);
	identity_require();			/* where that is what is missing, say so */
	relation = quote_qualified_identifier(get_namespace_name(get_rel_namespace(set->relid)), relation);
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 effective != NULL ?
			 errmsg("no row policy lets role \"%s\" %s rows of table %s for purpose \"%s\"",
					GetUserNameFromId(subject, false), command_name(command), relation, effective) :
			 errmsg("no row policy lets role \"%s\" %s rows of table %s without a purpose",
					GetUserNameFromId(subject, false), command_name(command), relation),
			 setting != NULL && effective == NULL ?
			 errdetail("Purpose \"%s\" is not granted to this role now.", setting) : 0,
			 helpful != NULL ?
			 errhint("SET steward.purpose to one of: %s.", helpful) :
			 errhint("An administrator grants a purpose with steward.grant_purpose() or writes a policy with steward.create_row_policy(); steward.explain_access() tells what is missing.")));
}

/* ------------------------------------------------------------------------
 * SQL: what plans call
 * ------------------------------------------------------------------------
 */

STEWARD_FUNCTION(steward_policy_gate);
STEWARD_FUNCTION(steward_refuse_row);

/* policy_gate(purposes, valid_from, valid_until, subject) */
Datum
steward_policy_gate(PG_FUNCTION_ARGS)
{
	ArrayType  *purposes = PG_ARGISNULL(0) ? NULL : PG_GETARG_ARRAYTYPE_P(0);
	TimestampTz from = PG_ARGISNULL(1) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(1);
	TimestampTz until = PG_ARGISNULL(2) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(2);
	Oid			subject = PG_ARGISNULL(3) ? InvalidOid : PG_GETARG_OID(3);

	PG_RETURN_BOOL(gate_is_open_for(purposes, from, until, subject));
}

/* refuse_row(relation, command): raises, and shows nothing of the row. */
Datum
steward_refuse_row(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	int			command = PG_GETARG_INT32(1);
	char	   *relation = get_rel_name(relid);
	uint64		line;

	/* Plans pass one command; anybody may call the function with anything. */
	if (command != COMMAND_SELECT && command != COMMAND_INSERT &&
		command != COMMAND_UPDATE && command != COMMAND_DELETE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown command %d", command)));
	if (access_is_governed(relid))
		record_row_refused(relid, command_name(command));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 copy_refused_line(&line) ?
			 errmsg("row in line %llu is not allowed by the row policies of table \"%s\"",
					(unsigned long long) line, relation ? relation : "?") :
			 command == COMMAND_INSERT ?
			 errmsg("new row is not allowed by the row policies of table \"%s\"",
					relation ? relation : "?") :
			 errmsg("row is not allowed by the row policies of table \"%s\" for %s",
					relation ? relation : "?", command_name(command)),
			 errhint("steward.explain_access() tells which policies apply to command %s.",
					 command_name(command))));
	PG_RETURN_BOOL(false);
}
