/*-------------------------------------------------------------------------
 *
 * entity_plan.c
 *	  Has queries tell whom the rows are about that they read or write.
 *
 * A governed relation with an entity column is read through one more
 * condition, touch_entity(n, relation, column), which is always true and notes
 * the value (record_entity.c).  It stands at the relation itself, below every
 * join, so that it goes along into the nullable side of an outer join and
 * leaves what others ask of the relation alone; and it is asked after all
 * other conditions on the relation, so that it sees the rows that passed them.
 *
 * The executor asks the conditions of one security level in the order of their
 * cost.  A huge cost would turn plans upside down: so the planner is told that
 * this one costs a little more than the dearest of the others, and that every
 * row passes it.
 *
 * New rows are told by checks, which the executor asks of the rows as they are
 * written; rows that a MERGE finds are told by its actions.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/entity.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"

/* touch_entity(ordinal, relid, column) */
static Node *
touch(Oid relid, AttrNumber column, int rtindex, int ordinal)
{
	Oid			types[] = {INT4OID, OIDOID, ANYOID};
	Oid			type;
	int32		typmod;
	Oid			collation;

	get_atttypetypmodcoll(relid, column, &type, &typmod, &collation);
	return (Node *) makeFuncExpr(steward_function("touch_entity", lengthof(types), types), BOOLOID,
								 list_make3(makeConst(INT4OID, -1, InvalidOid, sizeof(int32),
													  Int32GetDatum(ordinal), false, true),
											makeConst(OIDOID, -1, InvalidOid, sizeof(Oid),
													  ObjectIdGetDatum(relid), false, true),
											makeVar(rtindex, column, type, typmod, collation, 0)),
								 InvalidOid, InvalidOid, TOUCH_BY_PLAN);
}

/* Puts the condition to the place where the relation is read; false: nowhere. */
static bool
ask_at_relation(Node **node, int rtindex, Node *condition)
{
	if (IsA(*node, RangeTblRef))
	{
		if (((RangeTblRef *) *node)->rtindex != rtindex)
			return false;
		*node = (Node *) makeFromExpr(list_make1(*node), condition);
		return true;
	}
	if (IsA(*node, JoinExpr))
	{
		JoinExpr   *join = (JoinExpr *) *node;

		return ask_at_relation(&join->larg, rtindex, condition) ||
			ask_at_relation(&join->rarg, rtindex, condition);
	}
	if (IsA(*node, FromExpr))
	{
		ListCell   *lc;

		foreach(lc, ((FromExpr *) *node)->fromlist)
		{
			if (ask_at_relation((Node **) &lfirst(lc), rtindex, condition))
				return true;
		}
	}
	return false;
}

/* Has the rows that are written checked by the condition, last. */
static void
add_check(Query *query, Oid relid, WCOKind kind, Node *condition)
{
	WithCheckOption *check = makeNode(WithCheckOption);

	check->kind = kind;
	check->relname = get_rel_name(relid);
	check->qual = condition;
	query->withCheckOptions = lappend(query->withCheckOptions, check);
}

/* Has the rows told that a MERGE finds: before anything is asked of them. */
static void
ask_in_actions(Query *query, Node *condition)
{
	ListCell   *lc;

	foreach(lc, query->mergeActionList)
	{
		MergeAction *action = lfirst_node(MergeAction, lc);

		if (!STEWARD_ACTION_SEES_TARGET(action))
			continue;
		action->qual = action->qual == NULL ? copyObject(condition) :
			(Node *) makeBoolExpr(AND_EXPR, list_make2(copyObject(condition), action->qual), -1);
	}
}

/*
 * Has the query tell whom the rows are about that it reads from the relation,
 * or writes to it.  The access is the plan's n-th, from 0.  Called when the
 * predicates and masks are in place.
 */
void
entity_enforce(Query *query, int rtindex, Oid relid, AttrNumber column, int ordinal)
{
	RangeTblEntry *rte = rt_fetch(rtindex, query->rtable);
	bool		is_target = rtindex == query->resultRelation;
	bool		has_foreign = governance_of(relid)->has_foreign;
	Node	   *condition = touch(relid, column, rtindex, ordinal);

#define CHECK(kind) add_check(query, relid, kind, copyObject(condition))

	if (rte->rtekind == RTE_SUBQUERY)	/* for its masks */
	{
		(void) ask_at_relation((Node **) &rte->subquery->jointree, 1, touch(relid, column, 1, ordinal));
		return;
	}
	switch (is_target ? query->commandType : CMD_SELECT)
	{
		case CMD_INSERT:
			CHECK(WCO_RLS_INSERT_CHECK);
			if (query->onConflict != NULL && query->onConflict->action == ONCONFLICT_UPDATE)
			{
				CHECK(WCO_RLS_CONFLICT_CHECK);
				CHECK(WCO_RLS_UPDATE_CHECK);
			}
			break;
		case CMD_UPDATE:
			(void) ask_at_relation((Node **) &query->jointree, rtindex, condition);
			CHECK(WCO_RLS_UPDATE_CHECK);
			break;
		case CMD_MERGE:
			ask_in_actions(query, condition);
			CHECK(WCO_RLS_UPDATE_CHECK);
			CHECK(WCO_RLS_INSERT_CHECK);
			break;
		default:
			(void) ask_at_relation((Node **) &query->jointree, rtindex, condition);
			return;
	}

	/* Of foreign tables, the executor asks only the checks of views. */
	if (has_foreign && query->commandType != CMD_DELETE)
		CHECK(WCO_VIEW_CHECK);

#undef CHECK
}

/* ------------------------------------------------------------------------
 * What the planner is told
 * ------------------------------------------------------------------------
 */

/* The dearest of the conditions, but for those that are calls of the function. */
static Cost
dearest(PlannerInfo *root, List *conditions, Oid funcid)
{
	Cost		most = 0;
	ListCell   *lc;

	foreach(lc, conditions)
	{
		RestrictInfo *info = lfirst_node(RestrictInfo, lc);
		QualCost	cost;

		if (IsA(info->clause, FuncExpr) && ((FuncExpr *) info->clause)->funcid == funcid)
			continue;
		cost_qual_eval_node(&cost, (Node *) info, root);
		most = Max(most, cost.per_tuple);
	}
	return most;
}

/* Something more than any other condition on the relation costs. */
static void
tell_cost(SupportRequestCost *request)
{
	Cost		most = cpu_operator_cost;
	Node	   *node = request->node;
	PlannerInfo *root = request->root;

	if (root != NULL && root->simple_rel_array != NULL && node != NULL && IsA(node, FuncExpr) &&
		IsA(llast(((FuncExpr *) node)->args), Var))
	{
		Index		relid = llast_node(Var, ((FuncExpr *) node)->args)->varno;
		RelOptInfo *rel = relid < root->simple_rel_array_size ? root->simple_rel_array[relid] : NULL;

		if (rel != NULL)
		{
			most = Max(most, dearest(root, rel->baserestrictinfo, request->funcid));
			most = Max(most, dearest(root, rel->joininfo, request->funcid));
		}
	}
	request->startup = 0;
	request->per_tuple = most * 1.01;
}

STEWARD_FUNCTION(steward_touch_entity_support);

/* touch_entity_support(request): every row passes, after all other conditions. */
Datum
steward_touch_entity_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestSelectivity))
		((SupportRequestSelectivity *) request)->selectivity = 1.0;
	else if (IsA(request, SupportRequestCost))
		tell_cost((SupportRequestCost *) request);
	else
		request = NULL;
	PG_RETURN_POINTER(request);
}
