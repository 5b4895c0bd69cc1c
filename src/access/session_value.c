/*-------------------------------------------------------------------------
 *
 * session_value.c
 *	  What predicates and masks ask of the session (attributes, purposes,
 *	  validity), evaluated once an execution.
 *
 * Policies hold it as sub-selects, see once_per_execution().  Planned and run
 * as such, each would cost as much as a small statement, so in a query that
 * is about to be planned they become parameters: external ones, which plans
 * leave alone, numbered above those of the client that the query uses or that
 * the planner knows.  The expressions travel with the plan.  When it starts, it
 * is given a parameter list that knows both the client's parameters and these,
 * and evaluates one when its value is first asked for.
 *
 * Somebody who runs the plan without us has no such parameter: an error, not
 * a row.  Parallel workers get the values from their leader, so that a
 * statement is decided once.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access_internal.h"
#include "access/parallel.h"
#include "catalog/pg_type.h"
#include "executor/execExpr.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/params.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteManip.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/*
 * So many numbers are left free behind the client's.  Where somebody ran a plan
 * without us, none that the client gave beyond those it uses would be taken
 * for one of ours.
 */
#define FREE_PARAMS 1024

typedef struct SessionParams SessionParams;

typedef struct SessionValue
{
	SessionParams *params;
	Expr	   *expr;
	bool		known;
	bool		isnull;
	Datum		value;
} SessionValue;

/* What stands behind the parameter list of one execution, in one chunk with it. */
struct SessionParams
{
	ParamListInfo given;		/* the client's, or NULL */
	ParamListInfo list;			/* what the executor gets */
	int			ngiven;			/* the client's go up to this number */
	MemoryContext context;		/* lives as long as the execution */
	MemoryContextCallback callback;
	bool		evaluated;		/* one value or more */
	int			nvalues;
	SessionValue values[FLEXIBLE_ARRAY_MEMBER];
};

/* ------------------------------------------------------------------------
 * Into a query
 * ------------------------------------------------------------------------
 */

typedef struct TakeContext
{
	List	  **values;			/* Const: number of the last parameter of the
								 * client; then of Expr */
	List	  **items;			/* PlanInvalItem: what the values depend on */
} TakeContext;

static bool
last_param_walker(Node *node, int *last)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXTERN)
		*last = Max(*last, ((Param *) node)->paramid);
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, last_param_walker, last, 0);
	return expression_tree_walker(node, last_param_walker, last);
}

/*
 * Begins the values of a query, before anything is taken out of it.  A number
 * that the planner knew a value for would be replaced by that value.
 */
List *
session_values_begin(Query *query, ParamListInfo params)
{
	int			last = params == NULL ? 0 : params->numParams;

	(void) last_param_walker((Node *) query, &last);
	return list_make1(makeConst(INT4OID, -1, InvalidOid, sizeof(int32), Int32GetDatum(last + FREE_PARAMS), false, true));
}

/* Number of the last parameter of the client, from the begin of the list. */
static int
last_param(List *values)
{
	return DatumGetInt32(linitial_node(Const, values)->constvalue);
}

/* Is it a call of constants?  Nothing about it needs planning. */
static bool
is_plain_call(Expr *expr)
{
	ListCell   *lc;

	if (!IsA(expr, FuncExpr))
		return false;
	foreach(lc, ((FuncExpr *) expr)->args)
	{
		if (!IsA(lfirst(lc), Const))
			return false;
	}
	return true;
}

/* The parameter for an expression; equal ones share it. */
static Node *
make_session_param(Expr *expr, TakeContext *context)
{
	Param	   *param = makeNode(Param);
	int			index = 1;

	while (index < list_length(*context->values) && !equal(list_nth(*context->values, index), expr))
		index++;
	if (index == list_length(*context->values))
		*context->values = lappend(*context->values, expr);
	param->paramkind = PARAM_EXTERN;
	param->paramid = last_param(*context->values) + index;
	param->paramtype = exprType((Node *) expr);
	param->paramtypmod = exprTypmod((Node *) expr);
	param->paramcollid = exprCollation((Node *) expr);
	param->location = -1;
	return (Node *) param;
}

static Node *
take_mutator(Node *node, TakeContext *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, SubLink) && is_once_per_execution((SubLink *) node))
	{
		Query	   *query = castNode(Query, ((SubLink *) node)->subselect);
		Expr	   *expr = linitial_node(TargetEntry, query->targetList)->expr;

		if (!is_plain_call(expr))
		{
			List	   *relations;
			List	   *items;

			expr = expression_planner_with_deps(expr, &relations, &items);
			*context->items = list_concat(*context->items, items);
		}
		return IsA(expr, Const) ? (Node *) expr : make_session_param(expr, context);
	}
	if (IsA(node, Query))
		return (Node *) query_tree_mutator((Query *) node, take_mutator, context, 0);
	return expression_tree_mutator(node, take_mutator, context);
}

/*
 * The expression (or list) with parameters in place of what is to be run once
 * an execution.  That is added to *values, what plans depend on because of it
 * to *items.
 */
void *
session_values_take(void *expr, List **values, List **items)
{
	TakeContext context = {values, items};

	if (!checkExprHasSubLink(expr))
		return expr;
	return take_mutator(expr, &context);
}

/* ------------------------------------------------------------------------
 * In an execution
 * ------------------------------------------------------------------------
 */

/*
 * The short way for calls that nearly every policy makes; false where it is
 * none of them.
 */
static bool
evaluate_own_call(FuncExpr *call, Datum *value, bool *isnull)
{
	Oid			attr_args[] = {TEXTOID, ANYELEMENTOID};
	Oid			gate_args[] = {TEXTARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID, OIDOID};

	if (!is_plain_call((Expr *) call))
		return false;
	if (call->funcid == steward_function("attr", lengthof(attr_args), attr_args))
	{
		Const	   *key = linitial_node(Const, call->args);
		Const	   *fallback = lsecond_node(Const, call->args);

		*isnull = key->constisnull;
		if (key->constisnull ||
			subject_own_attribute_as(TextDatumGetCString(key->constvalue), fallback->consttype, value))
			return true;
		*value = fallback->constvalue;
		*isnull = fallback->constisnull;
		return true;
	}
	if (call->funcid == steward_function("policy_gate", lengthof(gate_args), gate_args))
	{
		Const	   *purposes = linitial_node(Const, call->args);
		Const	   *from = lsecond_node(Const, call->args);
		Const	   *until = lthird_node(Const, call->args);
		Const	   *subject = lfourth_node(Const, call->args);

		*value = BoolGetDatum(gate_is_open_for(purposes->constisnull ? NULL : DatumGetArrayTypeP(purposes->constvalue),
											   from->constisnull ? DT_NOBEGIN : DatumGetTimestampTz(from->constvalue),
											   until->constisnull ? DT_NOEND : DatumGetTimestampTz(until->constvalue),
											   DatumGetObjectId(subject->constvalue)));
		*isnull = false;
		return true;
	}
	return false;
}

static void
evaluate(SessionValue *value)
{
	MemoryContext old = MemoryContextSwitchTo(value->params->context);

	/* News of what they are made of is read once an execution. */
	if (!value->params->evaluated)
		AcceptInvalidationMessages();
	value->params->evaluated = true;
	if (!evaluate_own_call((FuncExpr *) value->expr, &value->value, &value->isnull))
	{
		ExprContext *econtext = CreateStandaloneExprContext();
		ExprState  *state = ExecInitExpr(value->expr, NULL);
		int16		len;
		bool		byval;

		value->value = ExecEvalExprSwitchContext(state, econtext, &value->isnull);
		get_typlenbyval(exprType((Node *) value->expr), &len, &byval);
		if (!value->isnull)
			value->value = datumCopy(value->value, byval, len);
		FreeExprContext(econtext, true);
	}
	value->known = true;
	MemoryContextSwitchTo(old);
}

/* Runs wherever the value is needed. */
static void
session_value_step(ExprState *state, ExprEvalStep *op, ExprContext *econtext)
{
	SessionValue *value = op->d.cparam.paramarg;

	if (unlikely(!value->known))
		evaluate(value);
	*op->resvalue = value->value;
	*op->resnull = value->isnull;
}

/* Compiles a parameter of the client's as it would be without us, and ours. */
static void
compile_param(ParamListInfo list, Param *param, ExprState *state, Datum *resv, bool *resnull)
{
	SessionParams *params = list->paramCompileArg;
	int			index = param->paramid - params->ngiven - 1;
	ExprEvalStep step = {0};

	/* Plans are initialized in the context that lives as long as they. */
	if (params->context == NULL)
		params->context = CurrentMemoryContext;

	step.resvalue = resv;
	step.resnull = resnull;
	if (index >= 0 && index < params->nvalues)
	{
		step.opcode = EEOP_PARAM_CALLBACK;
		step.d.cparam.paramfunc = session_value_step;
		step.d.cparam.paramarg = &params->values[index];
		step.d.cparam.paramid = param->paramid;
		step.d.cparam.paramtype = param->paramtype;
	}
	else if (params->given != NULL && params->given->paramCompile != NULL)
	{
		params->given->paramCompile(params->given, param, state, resv, resnull);
		return;
	}
	else
	{
		step.opcode = EEOP_PARAM_EXTERN;
		step.d.param.paramid = param->paramid;
		step.d.param.paramtype = param->paramtype;
	}
	ExprEvalPushStep(state, &step);
}

/*
 * A parameter by its number: the client's are followed by ours.  Ours are asked
 * for so when all are sent to parallel workers, and by expressions that are
 * compiled without the plan, such as lists of VALUES.
 */
static ParamExternData *
fetch_param(ParamListInfo list, int paramid, bool speculative, ParamExternData *workspace)
{
	SessionParams *params = list->paramCompileArg;
	SessionValue *value;

	if (paramid <= params->ngiven)
	{
		if (params->given == NULL || paramid > params->given->numParams)
		{
			/* one that the plan does not use */
			memset(workspace, 0, sizeof(ParamExternData));
			workspace->isnull = true;
			return workspace;
		}
		return params->given->paramFetch == NULL ? &params->given->params[paramid - 1] :
			params->given->paramFetch(params->given, paramid, speculative, workspace);
	}
	value = &params->values[paramid - params->ngiven - 1];
	if (!value->known)
		evaluate(value);
	workspace->value = value->value;
	workspace->isnull = value->isnull;
	workspace->pflags = 0;
	workspace->ptype = exprType((Node *) value->expr);
	return workspace;
}

/*
 * The expressions of a plan over governed relations.  They travel in the
 * entry of our marker table (access_finish_plan()), as plan cache and parallel
 * workers keep a copy of that; unlike those of users, it names no columns.
 */
static List *
values_of_plan(PlannedStmt *plan)
{
	Oid			marker = steward_table(TABLE_PROTECTED_RELATION);

	for (int i = list_length(plan->rtable) - 1; i >= 0; i--)
	{
		RangeTblEntry *rte = list_nth_node(RangeTblEntry, plan->rtable, i);

		if (rte->rtekind == RTE_RELATION && rte->relid == marker && rte->eref->colnames == NIL)
			return rte->securityQuals;
	}
	return NIL;
}

/*
 * A plan over governed relations is about to start, or a plan in a parallel
 * worker: it gets a list of the parameters that it was given and of ours.
 */
void
session_values_start(QueryDesc *queryDesc)
{
	List	   *values = values_of_plan(queryDesc->plannedstmt);
	int			nvalues = list_length(values) - 1;
	ParamListInfo given = queryDesc->params;
	SessionParams *params;
	Size		head;
	ListCell   *lc;

	if (values == NIL)
		return;
	head = MAXALIGN(offsetof(SessionParams, values) + nvalues * sizeof(SessionValue));
	params = palloc0(head + offsetof(ParamListInfoData, params));
	params->given = given;
	params->ngiven = last_param(values);
	params->nvalues = nvalues;
	if (IsParallelWorker() && (given == NULL || given->numParams != params->ngiven + nvalues))
		elog(ERROR, "a parallel worker was not sent the values of its session");
	for_each_from(lc, values, 1)
	{
		int			index = foreach_current_index(lc) - 1;
		SessionValue *value = &params->values[index];

		value->params = params;
		value->expr = lfirst(lc);
		if (IsParallelWorker())
		{
			ParamExternData *sent = &given->params[params->ngiven + index];

			value->known = true;
			value->value = sent->value;
			value->isnull = sent->isnull;
		}
	}

	/* Whoever compiles the client's parameters may look for paramFetchArg. */
	params->list = (ParamListInfo) ((char *) params + head);
	if (given != NULL)
		*params->list = *given;
	params->list->numParams = params->ngiven + nvalues;
	params->list->paramFetch = fetch_param;
	params->list->paramCompile = compile_param;
	params->list->paramCompileArg = params;
	queryDesc->params = params->list;
}

static void
free_params(void *arg)
{
	pfree(arg);
}

/*
 * The plan has been started; what it had been given before it gets back.  The
 * list is freed with the execution.
 */
void
access_executor_started(QueryDesc *queryDesc, ParamListInfo given)
{
	EState	   *estate = queryDesc->estate;
	SessionParams *params;

	if (queryDesc->params == given)
		return;
	params = queryDesc->params->paramCompileArg;
	params->context = estate->es_query_cxt;
	params->callback.func = free_params;
	params->callback.arg = params;
	MemoryContextRegisterResetCallback(estate->es_query_cxt, &params->callback);
	queryDesc->params = given;
}
