/*-------------------------------------------------------------------------
 *
 * copy_check.c
 *	  Check expressions as a condition that core's CopyFrom() evaluates.
 *
 * What holds for the whole statement (purpose, attributes, gates) is put in
 * as it is when the statement starts.  An expression that still has
 * sub-selects then is planned, and becomes a call of a function that asks
 * the plan about the row.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/copy_internal.h"
#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "rewrite/rewriteHandler.h"
#include "rewrite/rewriteManip.h"
#include "tcop/dest.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* Checks that are being asked, the innermost COPY first. */
static CopyCheck *active_checks = NULL;

/* Evaluates an expression without Vars, into a constant. */
static Node *
evaluate_once(Expr *expr)
{
	EState	   *estate = CreateExecutorState();
	MemoryContext old;
	ExprState  *state;
	Datum		value;
	bool		isnull;
	int16		typlen;
	bool		typbyval;

	get_typlenbyval(exprType((Node *) expr), &typlen, &typbyval);
	old = MemoryContextSwitchTo(estate->es_query_cxt);
	state = ExecPrepareExpr(copyObject(expr), estate);
	value = ExecEvalExprSwitchContext(state, GetPerTupleExprContext(estate), &isnull);
	MemoryContextSwitchTo(old);
	if (!isnull)
		value = typlen == -1 ? PointerGetDatum(PG_DETOAST_DATUM_COPY(value)) :
			datumCopy(value, typbyval, typlen);
	FreeExecutorState(estate);

	return (Node *) makeConst(exprType((Node *) expr), exprTypmod((Node *) expr),
							  exprCollation((Node *) expr), typlen, value, isnull, typbyval);
}

/* What a sub-select of the form (SELECT expression without Vars) selects, else NULL. */
static Expr *
selected_once(SubLink *sublink)
{
	Query	   *query = (Query *) sublink->subselect;
	TargetEntry *tle;

	if (sublink->subLinkType != EXPR_SUBLINK || !IsA(query, Query) ||
		query->commandType != CMD_SELECT || query->rtable != NIL ||
		query->jointree->fromlist != NIL || query->jointree->quals != NULL ||
		query->hasSubLinks || query->hasAggs || query->hasWindowFuncs ||
		query->hasTargetSRFs || query->groupClause != NIL ||
		query->groupingSets != NIL || query->havingQual != NULL ||
		query->limitCount != NULL || query->limitOffset != NULL ||
		query->setOperations != NULL || list_length(query->targetList) != 1)
		return NULL;
	tle = linitial_node(TargetEntry, query->targetList);
	return contain_vars_of_level((Node *) tle->expr, 1) ? NULL : tle->expr;
}

static Node *fold_once(Node *node, void *context);

/*
 * Folds AND and OR from the left, and no further than decides them: behind a
 * gate that is closed nothing is evaluated.
 */
static Node *
fold_bool(BoolExpr *expr, void *context)
{
	bool		decisive = expr->boolop == OR_EXPR;
	List	   *args = NIL;
	ListCell   *lc;

	foreach(lc, expr->args)
	{
		Node	   *arg = fold_once(lfirst(lc), context);

		if (IsA(arg, Const) && !((Const *) arg)->constisnull)
		{
			if (DatumGetBool(((Const *) arg)->constvalue) != decisive)
				continue;
			if (args == NIL)
				return arg;
		}
		args = lappend(args, arg);
	}
	if (args == NIL)
		return makeBoolConst(!decisive, false);
	return list_length(args) == 1 ? linitial(args) :
		(Node *) makeBoolExpr(expr->boolop, args, -1);
}

/*
 * Replaces what holds for the whole execution (purpose, attributes, gates)
 * by its value at the start of the statement.
 */
static Node *
fold_once(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Query))
		return node;
	if (IsA(node, BoolExpr) && ((BoolExpr *) node)->boolop != NOT_EXPR)
		return fold_bool((BoolExpr *) node, context);
	if (IsA(node, SubLink))
	{
		Expr	   *once = selected_once((SubLink *) node);

		if (once != NULL)
			return evaluate_once(once);
	}
	return expression_tree_mutator(node, fold_once, context);
}

/* The columns of the row that the expression reads, in sub-selects too. */
static Bitmapset *
columns_of(Expr *expr)
{
	Bitmapset  *columns = NULL;
	ListCell   *lc;

	/* pull_varattnos() does not look into sub-selects. */
	foreach(lc, pull_vars_of_level((Node *) expr, 0))
	{
		Var		   *var = lfirst_node(Var, lc);

		columns = bms_add_member(columns, var->varattno - FirstLowInvalidHeapAttributeNumber);
	}
	return columns;
}

static bool
is_users_function(Oid funcid, void *context)
{
	return funcid >= FirstNormalObjectId;
}

static bool
calls_users_function(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return check_functions_in_node(node, is_users_function, context) ||
		expression_tree_walker(node, calls_users_function, context);
}

/* The expression of a generated column; other columns as they are. */
static Node *
generated_or_column(Var *var, replace_rte_variables_context *context)
{
	Relation	rel = context->callback_arg;
	Node	   *expr = NULL;

	if (var->varattno > 0 &&
		TupleDescAttr(RelationGetDescr(rel), var->varattno - 1)->attgenerated)
		expr = build_column_default(rel, var->varattno);
	if (expr == NULL || calls_users_function(expr, NULL))
		return copyObject((Node *) var);
	if (var->varlevelsup > 0)
		IncrementVarSublevelsUp(expr, var->varlevelsup, 0);
	return expr;
}

/*
 * Computes generated columns in the check itself.  Not with functions of
 * users: one that only says to be immutable could show the check another
 * value than it stores.  Not for partitions, which may generate otherwise
 * than their root.
 */
static Expr *
compute_generated(Relation rel, Expr *expr)
{
	bool		sublinks = true;

	if (rel->rd_rel->relkind != RELKIND_RELATION)
		return expr;
	return (Expr *) replace_rte_variables((Node *) expr, 1, 0, generated_or_column, rel, &sublinks);
}

/* Does the expression read what a row does not have yet when it is read? */
static bool
needs_stored_row(Relation rel, Bitmapset *columns)
{
	int			member = -1;

	while ((member = bms_next_member(columns, member)) >= 0)
	{
		AttrNumber	attno = member + FirstLowInvalidHeapAttributeNumber;

		/* System columns; the whole row, which might have generated columns. */
		if (attno <= 0 || TupleDescAttr(RelationGetDescr(rel), attno - 1)->attgenerated)
			return true;
	}
	return false;
}

/*
 * Plans the check as SELECT check FROM source, and returns the call of
 * copied_row_is_allowed() that asks this plan about a row.
 *
 * Planned and started without the hooks: what the sub-selects of a policy
 * read is not itself subject to policies.
 */
static Expr *
check_through_plan(const char *query_string, Relation rel, Expr *expr, Bitmapset *columns,
				   CopyCheck *check)
{
	CopyRows   *rows = palloc0(sizeof(CopyRows));
	AttrMap    *map = make_attrmap(RelationGetNumberOfAttributes(rel));
	RangeTblRef *ref = makeNode(RangeTblRef);
	Query	   *query = makeNode(Query);
	PlannedStmt *plan;
	Oid			types[] = {ANYOID};
	List	   *args = NIL;
	int			member = -1;
	bool		whole_row;

	rows->rel = rel;
	rows->check = check;
	while ((member = bms_next_member(columns, member)) >= 0)
	{
		AttrNumber	attno = member + FirstLowInvalidHeapAttributeNumber;
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), attno - 1);

		rows->attnums = lappend_int(rows->attnums, attno);
		map->attnums[attno - 1] = list_length(rows->attnums);
		args = lappend(args, makeVar(1, attno, att->atttypid, att->atttypmod,
									 att->attcollation, 0));
	}
	if (args == NIL)
		args = list_make1(makeBoolConst(true, false));

	query->commandType = CMD_SELECT;
	query->querySource = QSRC_ORIGINAL;
	query->canSetTag = true;
	query->hasSubLinks = true;
	query->rtable = list_make1(copy_rows_entry(rows));
	ref->rtindex = 1;
	query->jointree = makeFromExpr(list_make1(ref), NULL);
	expr = (Expr *) map_variable_attnos((Node *) expr, 1, 0, map, InvalidOid, &whole_row);
	query->targetList = list_make1(makeTargetEntry(expr, 1, pstrdup("allowed"), false));

	plan = standard_planner(query, query_string, 0, NULL);
	copy_rows_into_plan(plan, rows);

	PushCopiedSnapshot(GetActiveSnapshot());
	UpdateActiveSnapshotCommandId();
	check->query_desc = CreateQueryDesc(plan, query_string, GetActiveSnapshot(), InvalidSnapshot,
										None_Receiver, NULL, NULL, 0);
	copy_rows_will_start(rows);
	standard_ExecutorStart(check->query_desc, 0);
	PopActiveSnapshot();

	check->call = makeFuncExpr(steward_function("copied_row_is_allowed", lengthof(types), types),
							   BOOLOID, args, InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
	return (Expr *) check->call;
}

STEWARD_FUNCTION(steward_copied_row_is_allowed);

/* copied_row_is_allowed(VARIADIC "any"): asks the plan of the running COPY. */
Datum
steward_copied_row_is_allowed(PG_FUNCTION_ARGS)
{
	CopyCheck  *check = active_checks;
	TupleTableSlot *slot;
	MemoryContext old;

	/* Nobody else's call has the very expression that was made for COPY. */
	while (check != NULL && (Node *) check->call != fcinfo->flinfo->fn_expr)
		check = check->outer;
	if (check == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("steward.copied_row_is_allowed() is for COPY alone")));

	check->row = fcinfo;
	old = MemoryContextSwitchTo(check->query_desc->estate->es_query_cxt);
	slot = ExecProcNode(check->query_desc->planstate);
	MemoryContextSwitchTo(old);
	check->row = NULL;

	if (TupIsNull(slot))
		elog(ERROR, "plan of the checks of COPY gave no row");
	slot_getallattrs(slot);
	if (slot->tts_isnull[0])
		PG_RETURN_NULL();
	PG_RETURN_DATUM(slot->tts_values[0]);
}

/* Lets the check be asked, until the pop. */
void
copy_check_push(CopyCheck *check)
{
	check->outer = active_checks;
	active_checks = check;
}

void
copy_check_pop(CopyCheck *check)
{
	active_checks = check->outer;
}

/* Ends the check's plan, where it has one. */
void
copy_check_end(CopyCheck *check)
{
	if (check->query_desc == NULL)
		return;
	standard_ExecutorFinish(check->query_desc);
	standard_ExecutorEnd(check->query_desc);
	FreeQueryDesc(check->query_desc);
}

/*
 * Can triggers change a row between its reading and its storing, in the
 * relation or in a partition?
 */
bool
copy_triggers_change_rows(Relation rel)
{
	bool		result = false;
	ListCell   *lc;

	if (rel->trigdesc != NULL &&
		(rel->trigdesc->trig_insert_before_row || rel->trigdesc->trig_insert_instead_row))
		return true;
	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return false;

	foreach(lc, find_all_inheritors(RelationGetRelid(rel), NoLock, NULL))
	{
		HeapTuple	tup = SearchSysCache1(RELOID, ObjectIdGetDatum(lfirst_oid(lc)));
		bool		look;
		Relation	partition;

		if (!HeapTupleIsValid(tup))
			continue;			/* dropped just now */
		look = ((Form_pg_class) GETSTRUCT(tup))->relhastriggers;
		ReleaseSysCache(tup);
		if (!look)
			continue;

		partition = try_table_open(lfirst_oid(lc), AccessShareLock);
		if (partition == NULL)
			continue;
		result = partition->trigdesc != NULL && partition->trigdesc->trig_insert_before_row;
		table_close(partition, AccessShareLock);
		if (result)
			break;
	}
	return result;
}

/*
 * Tries to express the check as a condition that core's CopyFrom() can
 * evaluate for each row that it reads.  False where it takes an INSERT.
 */
bool
copy_check_as_condition(const char *query_string, Relation rel, Expr *expr, CopyCheck *check,
						List **condition)
{
	Bitmapset  *columns = NULL;

	*condition = NIL;
	if (expr == NULL)
		return true;
	expr = (Expr *) fold_once((Node *) expr, NULL);
	expr = compute_generated(rel, expr);
	columns = columns_of(expr);
	if (needs_stored_row(rel, columns) || copy_triggers_change_rows(rel))
		return false;

	if (checkExprHasSubLink((Node *) expr))
	{
		if (bms_num_members(columns) > FUNC_MAX_ARGS)
			return false;
		expr = check_through_plan(query_string, rel, expr, columns, check);
		expr = refuse_unless(expr, RelationGetRelid(rel), COMMAND_INSERT);
	}
	else
		expr = expression_planner(refuse_unless(expr, RelationGetRelid(rel), COMMAND_INSERT));
	*condition = make_ands_implicit(expr);
	return true;
}
