/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  Tells in words what predicate.c decides: explain_access().
 *
 * The verdicts come from policy_verdict() and the predicate from
 * predicate_build(), on the very Governance that the planner uses; nothing
 * is decided here a second time.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/explain.h"
#include "access/genam.h"
#include "access/history.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* Columns of the tables read here, in the order of access.sql. */
#define Anum_purpose_name				1
#define Anum_purpose_grant_purpose		1
#define Anum_purpose_grant_to_role		2
#define Anum_purpose_grant_valid_from	3
#define Anum_purpose_grant_valid_until	4

/* Names listed in a reason or a hint; more are only counted. */
#define MAX_LISTED	10

/* ------------------------------------------------------------------------
 * Words
 * ------------------------------------------------------------------------
 */

/* A role's name, quoted; that which it had at the moment asked about. */
char *
role_in_words(Oid roleid)
{
	char	   *name;

	if (!OidIsValid(roleid))
		return pstrdup("public");
	name = past_role_name(roleid);
	if (name == NULL)
		name = GetUserNameFromId(roleid, true);
	return name != NULL ? psprintf("\"%s\"", name) : pstrdup("a role that was dropped");
}

/* A moment as timestamptz prints it. */
static char *
moment_in_words(TimestampTz at)
{
	return DatumGetCString(DirectFunctionCall1(timestamptz_out, TimestampTzGetDatum(at)));
}

/* "a, b and 3 more" from strings that are quoted already. */
char *
list_in_words(List *names)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, names)
	{
		if (foreach_current_index(lc) == MAX_LISTED)
		{
			appendStringInfo(&buf, " and %d more", list_length(names) - MAX_LISTED);
			break;
		}
		appendStringInfo(&buf, "%s%s", foreach_current_index(lc) > 0 ? ", " : "",
						 (char *) lfirst(lc));
	}
	return buf.data;
}

static char *
roles_in_words(const RowPolicy *policy)
{
	List	   *names = NIL;

	for (int i = 0; i < policy->nroles; i++)
		names = lappend(names, role_in_words(policy->roles[i]));
	return list_in_words(names);
}

static char *
purposes_in_words(ArrayType *purposes)
{
	List	   *names = NIL;
	Datum	   *elems;
	int			n;

	deconstruct_array(purposes, TEXTOID, -1, false, TYPALIGN_INT, &elems, NULL, &n);
	for (int i = 0; i < n; i++)
		names = lappend(names, psprintf("\"%s\"", TextDatumGetCString(elems[i])));
	return list_in_words(names);
}

static char *
commands_in_words(int commands)
{
	List	   *names = NIL;

	if (commands == COMMAND_ALL)
		return pstrdup("all commands");
	for (int command = COMMAND_SELECT; command <= COMMAND_DELETE; command <<= 1)
		if (commands & command)
			names = lappend(names, pstrdup(command_name(command)));
	return list_in_words(names);
}

/* The expression in SQL; Vars of varno 1 are columns of the relation. */
char *
expression_in_sql(Expr *expr, Oid relid)
{
	return deparse_expression((Node *) expr, deparse_context_for(get_rel_name(relid), relid),
							  false, false);
}

/* ------------------------------------------------------------------------
 * Reasons
 * ------------------------------------------------------------------------
 */

/* The first of the policy's roles through which it concerns the person. */
static Oid
role_that_fits(const RowPolicy *policy, const Situation *situation)
{
	for (int i = 0; i < policy->nroles; i++)
	{
		RowPolicy	single = *policy;

		single.nroles = 1;
		single.roles = &policy->roles[i];
		if (policy_concerns(&single, policy->commands, situation->subject, situation->session))
			return policy->roles[i];
	}
	elog(ERROR, "policy \"%s\" concerns nobody", policy->name);
	return InvalidOid;
}

static char *
reason_applies(const RowPolicy *policy, const Situation *situation)
{
	Oid			role = role_that_fits(policy, situation);
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "%s %s to ", policy->deny ? "denies" : "allows",
					 commands_in_words(policy->commands));
	if (!OidIsValid(role))
		appendStringInfoString(&buf, "everybody");
	else if (role == situation->subject)
		appendStringInfoString(&buf, "the role itself");
	else if (!policy->deny)
		appendStringInfo(&buf, "%s, whose rights the role has", role_in_words(role));
	else if (is_member_of_role_nosuper(situation->subject, role))
		appendStringInfo(&buf, "%s, of which the role is a member", role_in_words(role));
	else
		appendStringInfo(&buf, "%s, of which the session's role %s is a member",
						 role_in_words(role), role_in_words(situation->session));
	if (policy->purposes != NULL)
		appendStringInfo(&buf, ", for purpose \"%s\"", situation->purpose);
	if (!TIMESTAMP_IS_NOEND(policy->valid_until))
		appendStringInfo(&buf, ", until %s", moment_in_words(policy->valid_until));
	return buf.data;
}

/* Why the policy is of no concern to the role. */
static char *
reason_other_role(const RowPolicy *policy, const Situation *situation)
{
	if (policy->nroles == 0)
		return pstrdup("concerns no role");

	/* A member that does not inherit: the likeliest surprise. */
	for (int i = 0; i < policy->nroles; i++)
	{
		Oid			role = policy->roles[i];

		if (!policy->deny && OidIsValid(role) &&
			is_member_of_role_nosuper(situation->subject, role))
			return psprintf("concerns %s; the role is a member of %s, but does not inherit its rights",
							roles_in_words(policy), role_in_words(role));
	}
	return psprintf("concerns %s; the role %s", roles_in_words(policy),
					policy->deny ? "is no member" : "has no such rights");
}

/*
 * What the grants of a purpose to a role say about a moment at which none of
 * them holds: when the next begins, else when the last one ended.
 */
char *
explain_not_granted(const char *purpose, const Situation *situation)
{
	TupleDesc	desc;
	TimestampTz begins = DT_NOEND;
	TimestampTz ended = DT_NOBEGIN;
	ScanKeyData key;
	FactScan   *scan;
	HeapTuple	tup;

	ScanKeyInit(&key, Anum_purpose_grant_purpose, BTEqualStrategyNumber,
				F_TEXTEQ, CStringGetTextDatum(purpose));
	scan = facts_begin(past_at(situation->at), TABLE_PURPOSE_GRANT, 1, &key);
	desc = facts_desc(scan);
	while (HeapTupleIsValid(tup = facts_next(scan)))
	{
		bool		isnull;
		Oid			to_role = DatumGetObjectId(heap_getattr(tup, Anum_purpose_grant_to_role, desc, &isnull));
		Datum		d;

		if (OidIsValid(to_role) && !has_privs_of_role(situation->subject, to_role))
			continue;
		d = heap_getattr(tup, Anum_purpose_grant_valid_from, desc, &isnull);
		if (!isnull && DatumGetTimestampTz(d) > situation->at)
			begins = Min(begins, DatumGetTimestampTz(d));
		d = heap_getattr(tup, Anum_purpose_grant_valid_until, desc, &isnull);
		if (!isnull && DatumGetTimestampTz(d) <= situation->at)
			ended = Max(ended, DatumGetTimestampTz(d));
	}
	facts_end(scan);

	if (!TIMESTAMP_IS_NOEND(begins))
		return psprintf("purpose \"%s\" is not granted to the role yet: the grant begins at %s",
						purpose, moment_in_words(begins));
	if (!TIMESTAMP_IS_NOBEGIN(ended))
		return psprintf("purpose \"%s\" is no longer granted to the role: the grant expired at %s",
						purpose, moment_in_words(ended));
	return psprintf("purpose \"%s\" is not granted to the role", purpose);
}

/* The reason for a verdict, in words. */
static char *
reason_in_words(const Explanation *explanation, const RowPolicy *policy, PolicyVerdict verdict)
{
	const Situation *situation = &explanation->situation;

	switch (verdict)
	{
		case POLICY_APPLIES:
			return reason_applies(policy, situation);
		case POLICY_OTHER_COMMAND:
			return psprintf("is for %s, not for %s", commands_in_words(policy->commands),
							command_name(explanation->command));
		case POLICY_OTHER_ROLE:
			return reason_other_role(policy, situation);
		case POLICY_OTHER_PURPOSE:
			if (explanation->asked == NULL)
				return psprintf("is for purpose %s; no purpose is set",
								purposes_in_words(policy->purposes));
			return psprintf("is for purpose %s, not for \"%s\"",
							purposes_in_words(policy->purposes), explanation->asked);
		case POLICY_PURPOSE_NOT_GRANTED:
			return explain_not_granted(explanation->asked, situation);
		case POLICY_NOT_YET_VALID:
			return psprintf("is not yet valid: it begins at %s", moment_in_words(policy->valid_from));
		case POLICY_EXPIRED:
			return psprintf("has expired at %s", moment_in_words(policy->valid_until));
	}
	elog(ERROR, "unrecognized verdict %d", (int) verdict);
	return NULL;
}

/* ------------------------------------------------------------------------
 * Rows of the answer
 * ------------------------------------------------------------------------
 */

/* One row. */
void
explain_emit(const Explanation *explanation, const char *kind, const char *name,
			 const char *verdict, const char *reason, const char *expression)
{
	const char *columns[5] = {kind, name, verdict, reason, expression};
	Datum		values[5];
	bool		nulls[5];

	for (int i = 0; i < lengthof(columns); i++)
	{
		nulls[i] = columns[i] == NULL;
		values[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(columns[i]);
	}
	tuplestore_putvalues(explanation->out->setResult, explanation->out->setDesc, values, nulls);
}

/* One row: a policy of pg_steward. */
static void
explain_policy(Explanation *explanation, const PolicySet *set, const RowPolicy *policy)
{
	PolicyVerdict verdict = policy_verdict(policy, explanation->command,
										   explanation->situation.subject,
										   explanation->situation.session,
										   explanation->asked, explanation->situation.at);
	Expr	   *expr = policy->qual;
	StringInfoData reason;

	/* What is wrong with a policy stops only those to whom it applies. */
	if (verdict == POLICY_APPLIES && policy->problem == NULL && !steward_bypasses(explanation->situation.subject))
		policy_make_ready(policy, set->relid);
	initStringInfo(&reason);
	appendStringInfoString(&reason, reason_in_words(explanation, policy, verdict));
	if (explanation->command == COMMAND_INSERT && policy->check != NULL)
		expr = policy->check;
	else if (explanation->command == COMMAND_UPDATE && policy->check != NULL)
		appendStringInfo(&reason, "; new rows: %s", expression_in_sql(policy->check, set->relid));
	if (set->relid != RelationGetRelid(explanation->rel))
		appendStringInfo(&reason, "; policy of \"%s\", which governs this relation as its child",
						 get_rel_name(set->relid));
	if (set->observe)
		appendStringInfoString(&reason, "; only observed, not enforced");
	if (policy->problem != NULL)
		appendStringInfo(&reason, "; its expression can no longer be read: %s", policy->problem);
	else if (expr == NULL)
		appendStringInfoString(&reason, "; the native policy that carries its expression is gone");

	explain_emit(explanation, "row policy", policy->name,
				 verdict == POLICY_APPLIES ? "applies" : "does not apply",
				 reason.data, expr == NULL ? policy->text : expression_in_sql(expr, set->relid));
}

/* Does a native policy of the relation's owner concern the role? */
static bool
native_concerns_role(const RowSecurityPolicy *native, Oid roleid)
{
	Oid		   *roles = (Oid *) ARR_DATA_PTR(native->roles);

	for (int i = 0; i < ARR_DIMS(native->roles)[0]; i++)
		if (!OidIsValid(roles[i]) || has_privs_of_role(roleid, roles[i]))
			return true;
	return false;
}

static bool
native_concerns_command(const RowSecurityPolicy *native, int command)
{
	switch (native->polcmd)
	{
		case '*':
			return true;
		case ACL_SELECT_CHR:
			return command == COMMAND_SELECT;
		case ACL_INSERT_CHR:
			return command == COMMAND_INSERT;
		case ACL_UPDATE_CHR:
			return command == COMMAND_UPDATE;
		case ACL_DELETE_CHR:
			return command == COMMAND_DELETE;
		default:
			return false;
	}
}

/* One row for each native policy that users defined themselves. */
static void
explain_native_policies(Explanation *explanation)
{
	ListCell   *lc;

	foreach(lc, explain_natives(explanation))
	{
		RowSecurityPolicy *native = lfirst(lc);
		bool		command_fits = native_concerns_command(native, explanation->command);
		bool		role_fits = native_concerns_role(native, explanation->situation.subject);
		Expr	   *expr = native->qual;

		if (policy_is_carried(native) || policy_is_net(native))
			continue;
		if (expr == NULL || (explanation->command == COMMAND_INSERT && native->with_check_qual != NULL))
			expr = native->with_check_qual;
		explain_emit(explanation, "native policy", native->policy_name,
					 command_fits && role_fits ? "applies" : "does not apply",
					 !command_fits ? "is for another command" :
					 !role_fits ? "concerns other roles" :
					 native->permissive ? "row security of PostgreSQL, permissive; pg_steward's policies must allow the row, too" :
					 "row security of PostgreSQL, restrictive; pg_steward's policies must allow the row, too",
					 expr == NULL ? NULL : expression_in_sql(expr, RelationGetRelid(explanation->rel)));
	}
}

/* ------------------------------------------------------------------------
 * The decision
 * ------------------------------------------------------------------------
 */

/* a AND b with constants folded; NULL is true. */
static Expr *
both(Expr *a, Expr *b)
{
	List	   *args = NIL;

	if (a == NULL || is_bool_const(a, true) || is_bool_const(b, false))
		return b;
	if (b == NULL || is_bool_const(b, true) || is_bool_const(a, false))
		return a;
	args = IsA(a, BoolExpr) && ((BoolExpr *) a)->boolop == AND_EXPR ?
		list_copy(((BoolExpr *) a)->args) : list_make1(a);
	args = IsA(b, BoolExpr) && ((BoolExpr *) b)->boolop == AND_EXPR ?
		list_concat(args, ((BoolExpr *) b)->args) : lappend(args, b);
	return makeBoolExpr(AND_EXPR, args, -1);
}

/*
 * What native policies of users demand, as get_row_security_policies() would
 * put it: one permissive policy and every restrictive one.  NULL where users
 * defined none.
 */
static Expr *
native_predicate(const Explanation *explanation, int command, PredicateUse use)
{
	bool		any = false;
	List	   *permissive = NIL;
	Expr	   *result = NULL;
	ListCell   *lc;

	foreach(lc, explain_natives(explanation))
	{
		RowSecurityPolicy *native = lfirst(lc);
		Expr	   *expr = native->qual;

		if (policy_is_carried(native) || policy_is_net(native))
			continue;
		any = true;
		if (!native_concerns_command(native, command) ||
			!native_concerns_role(native, explanation->situation.subject))
			continue;
		if (use == PREDICATE_NEW_ROWS && native->with_check_qual != NULL)
			expr = native->with_check_qual;
		if (expr == NULL)
			continue;
		if (native->permissive)
			permissive = lappend(permissive, expr);
		else
			result = both(result, expr);
	}
	if (!any)
		return NULL;
	if (permissive == NIL)
		return (Expr *) makeBoolConst(false, false);
	result = both(list_length(permissive) == 1 ? linitial(permissive) :
				  makeBoolExpr(OR_EXPR, permissive, -1), result);
	return expression_instantiate(result, &explanation->situation);
}

/* Decides over the rows that a command meets, or over those that it makes. */
static Decision
decide(const Explanation *explanation, int command, PredicateUse use)
{
	const Situation *situation = &explanation->situation;
	Decision	decision = {NULL, NULL, true, true};
	ListCell   *lc;

	foreach(lc, explain_governance(explanation)->sets)
	{
		const PolicySet *set = lfirst(lc);
		PredicateResult result;
		ListCell   *lc2;
		bool		admitted = false;

		predicate_instantiate(set, command, use, situation, &result);
		if (set->observe)
		{
			decision.observed = both(decision.observed, result.expr);
			continue;
		}
		decision.predicate = both(decision.predicate, result.expr);
		foreach(lc2, set->policies)
		{
			RowPolicy  *policy = lfirst(lc2);

			admitted |= !policy->deny &&
				policy_verdict(policy, command, situation->subject, situation->session,
							   explanation->asked, situation->at) == POLICY_APPLIES;
		}
		decision.admitted &= admitted;
	}
	decision.predicate = both(decision.predicate, native_predicate(explanation, command, use));
	if (decision.predicate == NULL)
		decision.predicate = (Expr *) makeBoolConst(true, false);
	return decision;
}

/*
 * Decides over the rows that the command meets or, for insert, makes.  To
 * change or remove rows by what they hold, one must see them.
 */
Decision
explain_rows(const Explanation *explanation)
{
	int			command = explanation->command;
	Decision	decision = decide(explanation, command, command == COMMAND_INSERT ?
								  PREDICATE_NEW_ROWS : PREDICATE_ROWS);

	if (decision.admitted && (command == COMMAND_UPDATE || command == COMMAND_DELETE))
	{
		Decision	reading = decide(explanation, COMMAND_SELECT, PREDICATE_ROWS);

		decision.reads = reading.admitted;
		if (reading.admitted)
			decision.predicate = both(decision.predicate, reading.predicate);
	}
	return decision;
}

/*
 * Names of the policies that apply, denying ones and those of users, too; a
 * purpose in the situation counts as granted.
 */
List *
explain_applying_policies(const Explanation *explanation)
{
	const Situation *situation = &explanation->situation;
	List	   *names = NIL;
	ListCell   *lc;
	ListCell   *lc2;

	foreach(lc, explain_governance(explanation)->sets)
	{
		const PolicySet *set = lfirst(lc);

		foreach(lc2, set->observe ? NIL : set->policies)
		{
			RowPolicy  *policy = lfirst(lc2);

			if (policy_concerns(policy, explanation->command, situation->subject, situation->session) &&
				gate_is_open(policy->purposes, policy->valid_from, policy->valid_until,
							 situation->purpose, situation->at))
				names = lappend(names, pstrdup(policy->name));
		}
	}
	foreach(lc, explain_natives(explanation))
	{
		RowSecurityPolicy *native = lfirst(lc);

		if (!policy_is_carried(native) && !policy_is_net(native) &&
			native_concerns_command(native, explanation->command) &&
			native_concerns_role(native, situation->subject))
			names = lappend(names, pstrdup(native->policy_name));
	}
	return names;
}

/* The last row, of a relation that policies govern for this person. */
static void
explain_decision(Explanation *explanation)
{
	Oid			relid = RelationGetRelid(explanation->rel);
	int			command = explanation->command;
	bool		inserts = command == COMMAND_INSERT;
	Decision	decision = explain_rows(explanation);
	Bitmapset  *masked = explain_is_lifted(explanation) ? NULL : explain_masked_columns(explanation);
	bool		enforced = false;
	const char *verdict;
	StringInfoData reason;
	ListCell   *lc;

	foreach(lc, explain_governance(explanation)->sets)
		enforced |= !((const PolicySet *) lfirst(lc))->observe;

	initStringInfo(&reason);
	if (!decision.admitted)
	{
		verdict = "denied";
		appendStringInfo(&reason, "no allowing policy applies: %s",
						 steward_on_no_policy == ON_NO_POLICY_ERROR ? "the statement fails" :
						 inserts ? "no row can be inserted" : "no rows are seen");
	}
	else
	{
		if (!decision.reads)
			appendStringInfoString(&reason, "no policy allows select: a statement that reads the table (WHERE, RETURNING) fails; ");
		if (is_bool_const(decision.predicate, false))
		{
			verdict = "denied";
			appendStringInfo(&reason, "the policies that apply leave no %srow", inserts ? "new " : "");
		}
		else if (!enforced)
		{
			verdict = "observed";
			appendStringInfoString(&reason, "nothing is filtered by pg_steward; what would be denied is counted in steward.observed_denial");
		}
		else if (is_bool_const(decision.predicate, true))
		{
			verdict = "allowed";
			appendStringInfo(&reason, "every %srow", inserts ? "new " : "");
		}
		else
		{
			verdict = "filtered";
			appendStringInfo(&reason, "%srows for which the expression is true",
							 inserts ? "new " : "");
		}
		if (command == COMMAND_UPDATE)
		{
			Decision	making = decide(explanation, COMMAND_UPDATE, PREDICATE_NEW_ROWS);

			if (!is_bool_const(making.predicate, true))
				appendStringInfo(&reason, "; new rows must fulfil: %s",
								 expression_in_sql(making.predicate, relid));
		}
		if (!bms_is_empty(masked))
			appendStringInfo(&reason, "; masked: %s",
							 list_in_words(explain_column_names(explanation->rel, masked)));
	}
	if (decision.observed != NULL && !is_bool_const(decision.observed, true))
		appendStringInfo(&reason, "; if what is observed were enforced: %s",
						 expression_in_sql(decision.observed, relid));

	explain_emit(explanation, "decision", explanation->relname, verdict, reason.data,
				 decision.admitted ? expression_in_sql(decision.predicate, relid) : "false");
}

/*
 * The rows that the role would see of PostgreSQL's own row security once the
 * glass is broken; NULL where it may not break it.
 */
char *
explain_rows_by_glass(const Explanation *explanation)
{
	Expr	   *native;

	if (steward_bypasses(explanation->situation.subject) || !explain_may_break_glass(explanation))
		return NULL;
	native = native_predicate(explanation, COMMAND_SELECT, PREDICATE_ROWS);
	return native == NULL || is_bool_const(native, true) ? pstrdup("all") :
		expression_in_sql(native, RelationGetRelid(explanation->rel));
}

/*
 * One row where the role may break the glass.  True where it is broken in
 * this session for the relation: then the decision is told, too.
 */
static bool
explain_glass(Explanation *explanation)
{
	Oid			subject = explanation->situation.subject;
	char	   *name = GetUserNameFromId(subject, false);
	Expr	   *native;

	if (steward_bypasses(subject) || !explain_may_break_glass(explanation))
		return false;
	if (explanation->command != COMMAND_SELECT)
	{
		explain_emit(explanation, "break-glass", name, "does not apply", "lifts what governs reading, not what governs writing", NULL);
		return false;
	}
	if (!explain_is_lifted(explanation))
	{
		explain_emit(explanation, "break-glass", name, "does not apply",
					 "the role may break the glass with steward.break_glass(); it is not broken in this session for this relation at that moment", NULL);
		return false;
	}
	explain_emit(explanation, "break-glass", name, "applies",
				 psprintf("row policies and masks are lifted until %s, or until steward.end_break_glass()",
						  moment_in_words(glass_until())), "true");
	native = native_predicate(explanation, COMMAND_SELECT, PREDICATE_ROWS);
	if (native == NULL || is_bool_const(native, true))
		explain_emit(explanation, "decision", explanation->relname, "allowed", "every row, by break-glass", "true");
	else
		explain_emit(explanation, "decision", explanation->relname, "filtered",
					 "rows for which the expression is true: row security of PostgreSQL is not lifted by break-glass",
					 expression_in_sql(native, RelationGetRelid(explanation->rel)));
	return true;
}

/* Fills the answer. */
static void
explain(Explanation *explanation)
{
	Oid			subject = explanation->situation.subject;
	const Governance *governance = explain_governance(explanation);
	char	   *problem;
	bool		denied = false;
	ListCell   *lc;
	ListCell   *lc2;

	if (governance->sets == NIL)
	{
		char		relkind = explanation->rel->rd_rel->relkind;

		explain_emit(explanation, "decision", explanation->relname, "not governed",
					 relkind == RELKIND_VIEW ? "a view: what governs the tables that it reads applies" :
					 relkind == RELKIND_MATVIEW ? "a materialized view: it shows what was seen by whoever refreshed it" :
					 "the relation is not protected", "true");
		return;
	}

	foreach(lc, governance->sets)
	{
		const PolicySet *set = lfirst(lc);

		foreach(lc2, set->policies)
			explain_policy(explanation, set, lfirst(lc2));
	}
	explain_native_policies(explanation);
	if (!steward_bypasses(subject) && explain_unreadable(explanation) == NULL)
	{
		Decision	decision = explain_rows(explanation);

		denied = !decision.admitted || is_bool_const(decision.predicate, false);
	}
	explain_masks(explanation, denied);
	if (explanation->governance != NULL)
		explain_emit(explanation, "history", explanation->relname, "as of today",
					 "memberships, SUPERUSER and BYPASSRLS of roles, parents of tables, steward.on_no_policy: they have no history", NULL);
	if (explain_glass(explanation))
		return;
	if (steward_bypasses(subject))
		explain_emit(explanation, "decision", explanation->relname, "bypassed",
					 superuser_arg(subject) ? "the role is a superuser: no policy is enforced" :
					 "the role has BYPASSRLS: no policy is enforced", "true");
	else if ((problem = explain_unreadable(explanation)) != NULL)
		explain_emit(explanation, "decision", explanation->relname, "cannot be told",
					 psprintf("what applied then can no longer be read: %s", problem), NULL);
	else
		explain_decision(explanation);
}

/* ------------------------------------------------------------------------
 * SQL
 * ------------------------------------------------------------------------
 */

/* Raises unless the purpose exists; the hint names those of the role. */
static void
require_purpose(const char *purpose, Oid roleid, TimestampTz at)
{
	List	   *granted = NIL;
	ScanKeyData key;
	FactScan   *scan;
	bool		exists;
	ListCell   *lc;

	ScanKeyInit(&key, Anum_purpose_name, BTEqualStrategyNumber,
				F_TEXTEQ, CStringGetTextDatum(purpose));
	scan = facts_begin(past_at(at), TABLE_PURPOSE, 1, &key);
	exists = HeapTupleIsValid(facts_next(scan));
	facts_end(scan);
	if (exists)
		return;

	foreach(lc, purposes_granted(roleid, at))
		granted = lappend(granted, psprintf("\"%s\"", strVal(lfirst(lc))));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("purpose \"%s\" does not exist", purpose),
			 granted != NIL ?
			 errhint("Granted to role \"%s\" at that moment: %s.",
					 GetUserNameFromId(roleid, false), list_in_words(granted)) :
			 errhint("No purpose is granted to role \"%s\" at that moment.",
					 GetUserNameFromId(roleid, false))));
}

/* The qualified name of a relation. */
char *
explain_relation_name(Relation rel)
{
	return quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
									  RelationGetRelationName(rel));
}

/* The role of that name; raises unless the caller may ask about it. */
static Oid
role_to_explain(const char *name)
{
	Oid			roleid = get_role_oid(name, true);

	if (roleid != access_subject() &&
		!steward_subject_has(STEWARD_ADMIN) && !steward_subject_has(STEWARD_OFFICER) &&
		!steward_subject_has(STEWARD_AUDITOR))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" may not ask about the access of others",
						GetUserNameFromId(access_subject(), false)),
				 errhint("It takes the rights of role \"steward_admin\", \"steward_officer\" or \"steward_auditor\".")));
	if (!OidIsValid(roleid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" does not exist", name),
				 strcmp(name, "public") == 0 ?
				 errhint("Name one role; policies of public concern every role.") : 0));
	return roleid;
}

/* Sets the purpose: one's own is the session's, unless another is asked about. */
static void
set_purpose(Explanation *explanation, const char *purpose)
{
	Situation  *situation = &explanation->situation;

	if (purpose != NULL)
	{
		if (purpose[0] != '\0')
		{
			require_purpose(purpose, situation->subject, situation->at);
			explanation->asked = purpose;
		}
	}
	else if (situation->subject == access_subject())
		explanation->asked = purpose_setting();
	if (explanation->asked != NULL &&
		purpose_is_granted(situation->subject, explanation->asked, situation->at))
		situation->purpose = explanation->asked;
}

/* Opens and locks the relation. */
static void
open_relation(Explanation *explanation, Oid relid)
{
	LockRelationOid(relid, AccessShareLock);
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	explanation->rel = relation_open(relid, NoLock);
	explanation->relname = explain_relation_name(explanation->rel);
}

STEWARD_FUNCTION(steward_explain_access);

/* explain_access(relation, role, purpose, command, at) */
Datum
steward_explain_access(PG_FUNCTION_ARGS)
{
	static const char *const arguments[] = {"relation", "role", "purpose", "command", "at"};
	Explanation explanation;
	Past	   *past;
	char	   *command;

	steward_require_preload();
	for (int i = 0; i < lengthof(arguments); i++)
		if (PG_ARGISNULL(i) && strcmp(arguments[i], "purpose") != 0)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("parameter \"%s\" must not be empty", arguments[i])));

	memset(&explanation, 0, sizeof(explanation));
	explanation.situation.subject = role_to_explain(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	explanation.situation.session = explanation.situation.subject == access_subject() ?
		subject_session() : explanation.situation.subject;
	explanation.situation.at = PG_GETARG_TIMESTAMPTZ(4);

	command = text_to_cstring(PG_GETARG_TEXT_PP(3));
	explanation.command = command_from_name(command);
	if (explanation.command == 0 || explanation.command == COMMAND_ALL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized command: \"%s\"", command),
				 errhint("The command is select, insert, update or delete.")));

	InitMaterializedSRF(fcinfo, 0);
	explanation.out = (ReturnSetInfo *) fcinfo->resultinfo;
	past = past_open(explanation.situation.at);
	PG_TRY();
	{
		set_purpose(&explanation, PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2)));
		open_relation(&explanation, PG_GETARG_OID(0));
		explain_look_back(&explanation, past);
		explain(&explanation);
	}
	PG_FINALLY();
	{
		past_close(past);
	}
	PG_END_TRY();
	relation_close(explanation.rel, NoLock);
	PG_RETURN_NULL();
}
