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
 * row passes it.  But where one of the others calls what could carry values
 * away (a function that a user wrote, a volatile one, a sub-select), this one
 * costs less than any: whoever is shown to such a function has been seen.
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
#include "access/transam.h"
#include "catalog/pg_proc.h"
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

/* check_functions_in_node() callback: could the function carry values away? */
static bool
carries_away(Oid funcid, void *arg)
{
	return !get_func_leakproof(funcid) &&
		(funcid >= FirstNormalObjectId || func_volatile(funcid) == PROVOLATILE_VOLATILE);
}

/* Could values be carried away by the condition? */
static bool
could_see(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubLink) || IsA(node, SubPlan) || IsA(node, AlternativeSubPlan) || IsA(node, CoerceToDomain))
		return true;
	if (IsA(node, FuncExpr) && ((FuncExpr *) node)->funcformat == TOUCH_BY_PLAN &&
		((FuncExpr *) node)->funcresulttype == BOOLOID)
		return false;
	return check_functions_in_node(node, carries_away, context) ||
		expression_tree_walker(node, could_see, context);
}

/* First the one, then the other. */
static Node *
and_then(Node *first, Node *second)
{
	return second == NULL ? first : (Node *) makeBoolExpr(AND_EXPR, list_make2(first, second), -1);
}

/*
 * Has the rows told that a MERGE finds: before its actions ask anything of
 * them, or where its condition might, when they are read.
 */
static void
ask_in_merge(Query *query, Node *condition)
{
	ListCell   *lc;

	if (could_see(STEWARD_MERGE_CONDITION(query), NULL))
		STEWARD_MERGE_CONDITION(query) = and_then(copyObject(condition), STEWARD_MERGE_CONDITION(query));

	foreach(lc, query->mergeActionList)
	{
		MergeAction *action = lfirst_node(MergeAction, lc);

		if (!STEWARD_ACTION_SEES_TARGET(action))
			continue;
		action->qual = and_then(copyObject(condition), action->qual);
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

				/* That is asked before the checks are. */
				if (query->onConflict->onConflictWhere != NULL)
					query->onConflict->onConflictWhere = and_then(copyObject(condition),
																  query->onConflict->onConflictWhere);
			}
			break;
		case CMD_UPDATE:
			(void) ask_at_relation((Node **) &query->jointree, rtindex, condition);
			CHECK(WCO_RLS_UPDATE_CHECK);
			break;
		case CMD_MERGE:
			ask_in_merge(query, condition);
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

/*
 * Raises *most to the cost of the dearest of the conditions, but for calls of
 * the function itself.  True where one could carry values away.
 */
static bool
look_at(PlannerInfo *root, List *conditions, Oid funcid, Cost *most)
{
	ListCell   *lc;

	foreach(lc, conditions)
	{
		RestrictInfo *info = lfirst_node(RestrictInfo, lc);
		QualCost	cost;

		if (IsA(info->clause, FuncExpr) && ((FuncExpr *) info->clause)->funcid == funcid)
			continue;

		/* Policies are asked before anyway. */
		if (info->security_level >= root->qual_security_level && could_see((Node *) info->clause, NULL))
			return true;
		cost_qual_eval_node(&cost, (Node *) info, root);
		*most = Max(*most, cost.per_tuple);
	}
	return false;
}

/* More than any other condition on the relation costs, or less. */
static Cost
fitting_cost(PlannerInfo *root, Node *node, Oid funcid)
{
	Cost		most = cpu_operator_cost;
	Index		relid;
	RelOptInfo *rel;

	if (root == NULL || root->simple_rel_array == NULL || node == NULL || !IsA(node, FuncExpr) ||
		!IsA(llast(((FuncExpr *) node)->args), Var))
		return most;
	relid = llast_node(Var, ((FuncExpr *) node)->args)->varno;
	rel = relid < root->simple_rel_array_size ? root->simple_rel_array[relid] : NULL;
	if (rel == NULL)
		return most;
	if (look_at(root, rel->baserestrictinfo, funcid, &most) ||
		look_at(root, rel->joininfo, funcid, &most))
		return -1e-20;
	return most * 1.01;
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
	{
		SupportRequestCost *cost = (SupportRequestCost *) request;

		cost->startup = 0;
		cost->per_tuple = fitting_cost(cost->root, cost->node, cost->funcid);
	}
	else
		request = NULL;
	PG_RETURN_POINTER(request);
}
