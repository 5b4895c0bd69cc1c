/*-------------------------------------------------------------------------
 *
 * instantiate.c
 *	  The predicate that predicate.c builds, closed for one person, purpose
 *	  and moment.
 *
 * The result depends on the rows and on nothing else: what a plan would ask
 * for at each execution (gates, attributes, purpose, names of roles, the
 * time) stands in it as constants, and what is decided by constants alone is
 * folded away.  Anybody who bypasses row policies and filters by it gets the
 * rows that the person gets.
 *
 * Out of reach are functions that read the session in ways of their own:
 * current_setting(), current_schema(), the has_…_privilege() family without
 * a role, and trusted functions that call such.
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
#include "access/table.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#define Anum_role_attribute_role	1
#define Anum_role_attribute_key		2

/* Functions of ours that are replaced, and for whom. */
typedef struct InstantiateContext
{
	const Situation *situation;
	Oid			gate;
	Oid			attr;
	Oid			attr_typed;
	Oid			subject;
	Oid			purpose;
	Oid			glass;			/* InvalidOid: there is none yet */
} InstantiateContext;

static Node *instantiate_mutator(Node *node, InstantiateContext *context);

/* ------------------------------------------------------------------------
 * Constants
 * ------------------------------------------------------------------------
 */

static Node *
typed_const(Oid type, Oid collation, Datum value, bool isnull)
{
	int16		typlen;
	bool		typbyval;

	get_typlenbyval(type, &typlen, &typbyval);
	return (Node *) makeConst(type, -1, collation, typlen,
							  isnull ? (Datum) 0 : value, isnull, typbyval);
}

static Node *
text_const(const char *value)
{
	return typed_const(TEXTOID, DEFAULT_COLLATION_OID,
					   value == NULL ? (Datum) 0 : CStringGetTextDatum(value), value == NULL);
}

static Node *
role_name_const(Oid roleid)
{
	return typed_const(NAMEOID, C_COLLATION_OID,
					   DirectFunctionCall1(namein, CStringGetDatum(GetUserNameFromId(roleid, false))),
					   false);
}

/* Is the expression the boolean constant? */
bool
is_bool_const(const void *expr, bool value)
{
	const Const *c = expr;

	return c != NULL && IsA(c, Const) && c->consttype == BOOLOID && !c->constisnull &&
		DatumGetBool(c->constvalue) == value;
}

/* ------------------------------------------------------------------------
 * What depends on the person or the moment
 * ------------------------------------------------------------------------
 */

/* The value of CURRENT_USER, CURRENT_DATE and the like. */
static Node *
instantiate_value_function(SQLValueFunction *svf, const Situation *situation)
{
	Datum		at = TimestampTzGetDatum(situation->at);
	Datum		typmod = Int32GetDatum(svf->typmod);

	switch (svf->op)
	{
		case SVFOP_CURRENT_ROLE:
		case SVFOP_CURRENT_USER:
		case SVFOP_USER:
			return role_name_const(situation->subject);
		case SVFOP_SESSION_USER:
			return role_name_const(situation->session);
		case SVFOP_CURRENT_DATE:
			return typed_const(DATEOID, InvalidOid, DirectFunctionCall1(timestamptz_date, at), false);
		case SVFOP_CURRENT_TIME:
		case SVFOP_CURRENT_TIME_N:
			at = DirectFunctionCall1(timestamptz_timetz, at);
			if (svf->op == SVFOP_CURRENT_TIME_N)
				at = DirectFunctionCall2(timetz_scale, at, typmod);
			return typed_const(TIMETZOID, InvalidOid, at, false);
		case SVFOP_CURRENT_TIMESTAMP:
		case SVFOP_CURRENT_TIMESTAMP_N:
			if (svf->op == SVFOP_CURRENT_TIMESTAMP_N)
				at = DirectFunctionCall2(timestamptz_scale, at, typmod);
			return typed_const(TIMESTAMPTZOID, InvalidOid, at, false);
		case SVFOP_LOCALTIME:
		case SVFOP_LOCALTIME_N:
			at = DirectFunctionCall1(timestamptz_time, at);
			if (svf->op == SVFOP_LOCALTIME_N)
				at = DirectFunctionCall2(time_scale, at, typmod);
			return typed_const(TIMEOID, InvalidOid, at, false);
		case SVFOP_LOCALTIMESTAMP:
		case SVFOP_LOCALTIMESTAMP_N:
			at = DirectFunctionCall1(timestamptz_timestamp, at);
			if (svf->op == SVFOP_LOCALTIMESTAMP_N)
				at = DirectFunctionCall2(timestamp_scale, at, typmod);
			return typed_const(TIMESTAMPOID, InvalidOid, at, false);
		default:
			return copyObject((Node *) svf);
	}
}

/* The answer of steward.policy_gate(), whose arguments are constants. */
static Node *
instantiate_gate(FuncExpr *call, const Situation *situation)
{
	Const	   *purposes = linitial_node(Const, call->args);
	Const	   *from = lsecond_node(Const, call->args);
	Const	   *until = lthird_node(Const, call->args);

	return makeBoolConst(gate_is_open(purposes->constisnull ? NULL : DatumGetArrayTypeP(purposes->constvalue),
									  from->constisnull ? DT_NOBEGIN : DatumGetTimestampTz(from->constvalue),
									  until->constisnull ? DT_NOEND : DatumGetTimestampTz(until->constvalue),
									  situation->purpose, situation->at),
						 false);
}

/* The answer of steward.glass_is_broken(), whose arguments are constants. */
static Node *
instantiate_glass(FuncExpr *call, const Situation *situation)
{
	Const	   *relid = linitial_node(Const, call->args);
	Const	   *subject = lsecond_node(Const, call->args);

	return makeBoolConst(glass_is_broken(DatumGetObjectId(relid->constvalue),
										 DatumGetObjectId(subject->constvalue)) &&
						 situation->at < glass_until(), false);
}

/*
 * The attribute as steward.attr() would give it, or NULL where the fallback
 * counts (attr of one argument: NULL as a constant).
 */
static Node *
attribute_const(FuncExpr *call, const char *key, bool typed, const Situation *situation)
{
	Datum		value;
	bool		found;

	if (typed)
	{
		if (!subject_attribute_as(situation->subject, key, situation->at, call->funcresulttype, &value))
			return NULL;
		return typed_const(call->funcresulttype, call->funccollid, value, false);
	}
	value = subject_attribute_at(situation->subject, key, situation->at, &found);
	return typed_const(TEXTARRAYOID, DEFAULT_COLLATION_OID,
					   found ? PointerGetDatum(DatumGetArrayTypePCopy(value)) : (Datum) 0, !found);
}

/* The keys of the attributes that a role has at a moment. */
static List *
attribute_keys(Oid roleid, TimestampTz at)
{
	List	   *keys = NIL;
	ScanKeyData key;
	FactScan   *scan;
	HeapTuple	tup;

	ScanKeyInit(&key, Anum_role_attribute_role, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(roleid));
	scan = facts_begin(past_at(at), TABLE_ROLE_ATTRIBUTE, 1, &key);
	while (HeapTupleIsValid(tup = facts_next(scan)))
	{
		bool		isnull;

		keys = lappend(keys, TextDatumGetCString(heap_getattr(tup, Anum_role_attribute_key,
															  facts_desc(scan), &isnull)));
	}
	facts_end(scan);
	return keys;
}

static CaseWhen *
make_when(Expr *condition, Node *result)
{
	CaseWhen   *when = makeNode(CaseWhen);

	when->expr = condition;
	when->result = (Expr *) result;
	when->location = -1;
	return when;
}

static CaseExpr *
make_case(List *whens, Node *otherwise)
{
	CaseExpr   *expr = makeNode(CaseExpr);

	expr->casetype = exprType(otherwise);
	expr->casecollid = exprCollation(otherwise);
	expr->args = whens;
	expr->defresult = (Expr *) otherwise;
	expr->location = -1;
	return expr;
}

/* CASE key WHEN each attribute of the subject THEN its value, of the type, END. */
static Node *
attribute_choice(Node *key, Oid type, const Situation *situation)
{
	List	   *whens = NIL;
	ListCell   *lc;

	foreach(lc, attribute_keys(situation->subject, situation->at))
	{
		char	   *name = lfirst(lc);
		Expr	   *matches = make_opclause(TextEqualOperator, BOOLOID, false,
											(Expr *) copyObject(key), (Expr *) text_const(name),
											InvalidOid, DEFAULT_COLLATION_OID);
		Datum		value;
		bool		found;

		if (type == TEXTOID)
			found = subject_attribute_as(situation->subject, name, situation->at, TEXTOID, &value);
		else
			value = subject_attribute_at(situation->subject, name, situation->at, &found);
		if (found)
			whens = lappend(whens, make_when(matches, typed_const(type, DEFAULT_COLLATION_OID, value, false)));
	}
	if (whens == NIL)
		return typed_const(type, DEFAULT_COLLATION_OID, (Datum) 0, true);
	return (Node *) make_case(whens, typed_const(type, DEFAULT_COLLATION_OID, (Datum) 0, true));
}

/*
 * attr() of a key that is not a constant, for instance a column: a CASE over
 * the attributes that the subject has.  With a fallback, the value is read as
 * its type only for rows that choose it, as attr() does.
 */
static Node *
attribute_case(FuncExpr *call, bool typed, const Situation *situation)
{
	Node	   *key = linitial(call->args);
	NullTest   *is_null = makeNode(NullTest);
	CoalesceExpr *value = makeNode(CoalesceExpr);
	Node	   *choice;

	if (!typed)
		return attribute_choice(key, TEXTARRAYOID, situation);

	choice = attribute_choice(key, TEXTOID, situation);
	if (call->funcresulttype != TEXTOID)
	{
		CoerceViaIO *read = makeNode(CoerceViaIO);

		read->arg = (Expr *) choice;
		read->resulttype = call->funcresulttype;
		read->resultcollid = call->funccollid;
		read->coerceformat = COERCE_EXPLICIT_CAST;
		read->location = -1;
		choice = (Node *) read;
	}
	value->coalescetype = call->funcresulttype;
	value->coalescecollid = call->funccollid;
	value->args = list_make2(choice, lsecond(call->args));
	value->location = -1;

	is_null->arg = (Expr *) copyObject(key);
	is_null->nulltesttype = IS_NULL;
	is_null->location = -1;
	return (Node *)
		make_case(list_make1(make_when((Expr *) is_null,
									   typed_const(call->funcresulttype, call->funccollid, (Datum) 0, true))),
				  (Node *) value);
}

/* A call of steward.attr(), its arguments instantiated. */
static Node *
instantiate_attribute(FuncExpr *call, bool typed, const Situation *situation)
{
	Const	   *key = linitial(call->args);
	Node	   *value;

	if (!IsA(key, Const))
		return attribute_case(call, typed, situation);
	if (key->constisnull)
		return typed_const(call->funcresulttype, call->funccollid, (Datum) 0, true);
	value = attribute_const(call, TextDatumGetCString(key->constvalue), typed, situation);
	return value != NULL ? value : lsecond(call->args);
}

/* pg_has_role() without a role, for the subject. */
static Node *
instantiate_has_role(FuncExpr *call, Oid funcid, const Situation *situation)
{
	call->funcid = funcid;
	call->args = lcons(role_name_const(situation->subject), call->args);
	return (Node *) call;
}

static Node *
instantiate_function(FuncExpr *call, InstantiateContext *context)
{
	const Situation *situation = context->situation;

	if (call->funcid == context->gate)
		return instantiate_gate(call, situation);
	if (call->funcid == context->subject)
		return text_const(GetUserNameFromId(situation->subject, false));
	if (call->funcid == context->purpose)
		return text_const(situation->purpose);

	call = (FuncExpr *) expression_tree_mutator((Node *) call, instantiate_mutator, context);
	if (call->funcid == context->attr || call->funcid == context->attr_typed)
		return instantiate_attribute(call, call->funcid == context->attr_typed, situation);

	switch (call->funcid)
	{
		case F_CURRENT_USER:
		case F_GETPGUSERNAME:
			return role_name_const(situation->subject);
		case F_SESSION_USER:
			return role_name_const(situation->session);
		case F_NOW:
		case F_TRANSACTION_TIMESTAMP:
		case F_STATEMENT_TIMESTAMP:
			return typed_const(TIMESTAMPTZOID, InvalidOid, TimestampTzGetDatum(situation->at), false);
		case F_PG_HAS_ROLE_NAME_TEXT:
			return instantiate_has_role(call, F_PG_HAS_ROLE_NAME_NAME_TEXT, situation);
		case F_PG_HAS_ROLE_OID_TEXT:
			return instantiate_has_role(call, F_PG_HAS_ROLE_NAME_OID_TEXT, situation);
		default:
			return (Node *) call;
	}
}

/* ------------------------------------------------------------------------
 * Folding
 * ------------------------------------------------------------------------
 */

/*
 * AND, OR, NOT with their arguments instantiated, constants folded.  What
 * comes after a deciding constant is not looked at: an attribute that cannot
 * be read fails no statement where a closed gate stands before it.
 */
static Node *
instantiate_boolean(BoolExpr *expr, InstantiateContext *context)
{
	bool		deciding = expr->boolop == OR_EXPR;
	List	   *args = NIL;
	ListCell   *lc;

	if (expr->boolop == NOT_EXPR)
	{
		Node	   *arg = instantiate_mutator(linitial(expr->args), context);

		if (is_bool_const(arg, true) || is_bool_const(arg, false))
			return makeBoolConst(is_bool_const(arg, false), false);
		return (Node *) makeBoolExpr(NOT_EXPR, list_make1(arg), -1);
	}

	foreach(lc, expr->args)
	{
		Node	   *arg = instantiate_mutator(lfirst(lc), context);

		if (is_bool_const(arg, deciding))
			return arg;
		if (is_bool_const(arg, !deciding))
			continue;

		/* Flat lists read better than nested ones. */
		if (IsA(arg, BoolExpr) && ((BoolExpr *) arg)->boolop == expr->boolop)
			args = list_concat(args, ((BoolExpr *) arg)->args);
		else
			args = lappend(args, arg);
	}
	if (args == NIL)
		return makeBoolConst(!deciding, false);
	if (list_length(args) == 1)
		return linitial(args);
	return (Node *) makeBoolExpr(expr->boolop, args, -1);
}

/* (SELECT gate) without anything else becomes what the gate says. */
static Node *
instantiate_sublink(SubLink *sublink, InstantiateContext *context)
{
	Query	   *query = castNode(Query, sublink->subselect);

	if (sublink->subLinkType == EXPR_SUBLINK && query->rtable == NIL &&
		list_length(query->targetList) == 1)
	{
		Expr	   *expr = linitial_node(TargetEntry, query->targetList)->expr;

		if (IsA(expr, FuncExpr) && ((FuncExpr *) expr)->funcid == context->gate)
			return instantiate_gate((FuncExpr *) expr, context->situation);
		if (OidIsValid(context->glass) && IsA(expr, FuncExpr) && ((FuncExpr *) expr)->funcid == context->glass)
			return instantiate_glass((FuncExpr *) expr, context->situation);
	}
	return expression_tree_mutator((Node *) sublink, instantiate_mutator, context);
}

static Node *
instantiate_mutator(Node *node, InstantiateContext *context)
{
	if (node == NULL)
		return NULL;
	check_stack_depth();
	switch (nodeTag(node))
	{
		case T_Query:
			return (Node *) query_tree_mutator((Query *) node, instantiate_mutator, context, 0);
		case T_SubLink:
			return instantiate_sublink((SubLink *) node, context);
		case T_BoolExpr:
			return instantiate_boolean((BoolExpr *) node, context);
		case T_FuncExpr:
			return instantiate_function((FuncExpr *) node, context);
		case T_SQLValueFunction:
			return instantiate_value_function((SQLValueFunction *) node, context->situation);
		default:
			return expression_tree_mutator(node, instantiate_mutator, context);
	}
}

/* A copy of the expression, closed for the situation. */
Expr *
expression_instantiate(Expr *expr, const Situation *situation)
{
	Oid			gate_args[] = {TEXTARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID, OIDOID};
	Oid			attr_args[] = {TEXTOID, ANYELEMENTOID};
	InstantiateContext context;

	context.situation = situation;
	context.gate = steward_function("policy_gate", lengthof(gate_args), gate_args);
	context.attr = steward_function("attr", 1, attr_args);
	context.attr_typed = steward_function("attr", 2, attr_args);
	context.subject = steward_function("subject", 0, NULL);
	context.purpose = steward_function("current_purpose", 0, NULL);
	context.glass = steward_has_table(TABLE_BREAK_GLASS_GRANT) ? glass_function() : InvalidOid;
	return (Expr *) instantiate_mutator((Node *) expr, &context);
}

/* Tells in whose expression an attribute could not be read, for instance. */
static void
show_policy(void *arg)
{
	errcontext("row policy \"%s\"", ((const RowPolicy *) arg)->name);
}

/*
 * A copy of the policy whose expressions are closed for the situation, as
 * they were written (not made ready for plans).  Those of a policy that does
 * not apply count for nothing and are not looked at: an attribute that cannot
 * be read does no harm there.
 */
static RowPolicy *
instantiate_policy(const RowPolicy *policy, Oid relid, int command, const Situation *situation)
{
	RowPolicy  *copy = palloc(sizeof(RowPolicy));
	bool		applies = policy_concerns(policy, command, situation->subject, situation->session) &&
	gate_is_open(policy->purposes, policy->valid_from, policy->valid_until,
				 situation->purpose, situation->at);

	*copy = *policy;
	copy->ready = true;
	copy->plan_qual = (Expr *) makeBoolConst(true, false);
	copy->plan_check = NULL;
	if (applies)
	{
		ErrorContextCallback callback = {error_context_stack, show_policy, unconstify(RowPolicy *, policy)};

		policy_make_ready(policy, relid);
		copy->relations = policy->relations;
		error_context_stack = &callback;
		copy->plan_qual = expression_instantiate(policy->qual, situation);
		copy->plan_check = expression_instantiate(policy->check, situation);
		error_context_stack = callback.previous;
	}
	return copy;
}

/*
 * What the set demands of a row, closed for the situation: the predicate of
 * predicate_build(), enforced even where the set only observes.
 */
void
predicate_instantiate(const PolicySet *set, int command, PredicateUse use,
					  const Situation *situation, PredicateResult *result)
{
	PolicySet	closed = *set;
	ListCell   *lc;

	closed.observe = false;
	closed.policies = NIL;
	foreach(lc, set->policies)
		closed.policies = lappend(closed.policies,
								  instantiate_policy(lfirst(lc), set->relid, command, situation));
	closed.context = NULL;
	predicate_build(&closed, command, use, situation->subject, situation->session, false, result);

	/* The gates. */
	result->expr = expression_instantiate(result->expr, situation);
}
