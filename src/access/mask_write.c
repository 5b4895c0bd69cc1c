/*-------------------------------------------------------------------------
 *
 * mask_write.c
 *	  Refuses statements that would write masked values over real ones.
 *
 * Where a value that a statement assigns to a governed table comes from, is
 * followed through sub-selects, CTEs and joins of the statement.  What went
 * through the client, through a variable of a function or through another
 * table cannot be seen here.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/mask.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

typedef struct TraceContext
{
	Oid			subject;
	List	   *queries;		/* of Query, innermost first */
	List	   *visited;		/* of Query: CTEs on the way, for recursive
								 * ones */
	MaskResult	result;
	int			depth;			/* of the assignment, in queries */
	int			skip;			/* "excluded" of ON CONFLICT: not read from
								 * the table */
} TraceContext;

static bool trace_walker(Node *node, TraceContext *context);

/* Adds what is masked in a column of a relation. */
static void
trace_relation(Oid relid, AttrNumber attno, TraceContext *context)
{
	Relation	rel;

	if (attno < 0 || !access_is_governed(relid))
		return;
	rel = table_open(relid, NoLock);
	for (AttrNumber i = 1; i <= RelationGetNumberOfAttributes(rel); i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), i - 1);
		MaskResult	result;

		if (att->attisdropped || (attno != 0 && attno != i))
			continue;
		(void) mask_column(relid, makeVar(1, i, att->atttypid, att->atttypmod, att->attcollation, 0),
						   context->subject, &result);
		context->result.masked |= result.masked;
		context->result.always |= result.always;
		context->result.spared_by = list_concat(context->result.spared_by, result.spared_by);
	}
	table_close(rel, NoLock);
}

/* Follows one column (0: all) of a query that stands within the innermost one. */
static void
trace_output(Query *query, AttrNumber resno, TraceContext *context)
{
	ListCell   *lc;

	check_stack_depth();
	context->queries = lcons(query, context->queries);
	if (query->setOperations != NULL)
	{
		foreach(lc, query->rtable)
		{
			RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

			if (rte->rtekind == RTE_SUBQUERY)
				trace_output(rte->subquery, resno, context);
		}
	}
	else
	{
		foreach(lc, query->commandType == CMD_SELECT ? query->targetList : query->returningList)
		{
			TargetEntry *tle = lfirst_node(TargetEntry, lc);

			if (resno == 0 || tle->resno == resno)
				(void) trace_walker((Node *) tle->expr, context);
		}
	}
	context->queries = list_delete_first(context->queries);
}

/* Follows a column of a CTE that is visible at a level. */
static void
trace_cte(RangeTblEntry *rte, int level, AttrNumber resno, TraceContext *context)
{
	List	   *saved = context->queries;
	Query	   *holder;
	ListCell   *lc;

	level += rte->ctelevelsup;
	if (level >= list_length(saved))
		return;
	holder = list_nth(saved, level);
	foreach(lc, holder->cteList)
	{
		CommonTableExpr *cte = lfirst_node(CommonTableExpr, lc);

		if (strcmp(cte->ctename, rte->ctename) != 0 || list_member_ptr(context->visited, cte))
			continue;
		context->visited = lcons(cte, context->visited);
		context->queries = list_copy_tail(saved, level);
		trace_output(castNode(Query, cte->ctequery), resno, context);
		context->queries = saved;
		context->visited = list_delete_first(context->visited);
	}
}

static void
trace_var(Var *var, TraceContext *context)
{
	List	   *saved = context->queries;
	RangeTblEntry *rte;

	if (var->varlevelsup >= list_length(saved))
		return;
	if (var->varlevelsup == 0 && list_length(saved) == context->depth && var->varno == context->skip)
		return;
	rte = rt_fetch(var->varno, ((Query *) list_nth(saved, var->varlevelsup))->rtable);

	switch (rte->rtekind)
	{
		case RTE_RELATION:
			trace_relation(rte->relid, var->varattno, context);
			break;
		case RTE_SUBQUERY:
			context->queries = list_copy_tail(saved, var->varlevelsup);
			trace_output(rte->subquery, var->varattno, context);
			break;
		case RTE_CTE:
			trace_cte(rte, var->varlevelsup, var->varattno, context);
			break;
		case RTE_JOIN:
			context->queries = list_copy_tail(saved, var->varlevelsup);
			if (var->varattno > 0)
				(void) trace_walker(list_nth(rte->joinaliasvars, var->varattno - 1), context);
			else
				(void) trace_walker((Node *) rte->joinaliasvars, context);
			break;
		default:
			context->queries = list_copy_tail(saved, var->varlevelsup);
			(void) range_table_entry_walker(rte, trace_walker, context, 0);
			break;
	}
	context->queries = saved;
}

typedef struct SubLinkSearch
{
	int			id;
	SubLink    *found;
} SubLinkSearch;

static bool
find_sublink(Node *node, SubLinkSearch *search)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubLink) && ((SubLink *) node)->subLinkId == search->id &&
		((SubLink *) node)->subLinkType == MULTIEXPR_SUBLINK)
	{
		search->found = (SubLink *) node;
		return true;
	}
	return expression_tree_walker(node, find_sublink, search);
}

/* SET (a, b) = (SELECT ...): follows one column of the sub-select. */
static void
trace_multiexpr(Param *param, TraceContext *context)
{
	SubLinkSearch search = {param->paramid >> 16, NULL};
	Query	   *query = linitial(context->queries);

	(void) find_sublink((Node *) query->targetList, &search);
	if (search.found != NULL)
		trace_output(castNode(Query, search.found->subselect), param->paramid & 0xFFFF, context);
}

static bool
trace_walker(Node *node, TraceContext *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_MULTIEXPR)
	{
		trace_multiexpr((Param *) node, context);
		return false;
	}
	if (IsA(node, Var))
	{
		trace_var((Var *) node, context);
		return false;
	}
	if (IsA(node, Query))
	{
		trace_output((Query *) node, 0, context);
		return false;
	}
	return expression_tree_walker(node, trace_walker, context);
}

static void
refuse_write(Oid relid, AttrNumber attno)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("column \"%s\" of table \"%s\" would be set from a masked value",
					get_attname(relid, attno, false), get_rel_name(relid)),
			 errhint("Set it to a value of your own, or work for a purpose for which the value is not masked.")));
}

STEWARD_FUNCTION(steward_refuse_masked_write);

/* refuse_masked_write(relation, column, NULL): raises, in plans. */
Datum
steward_refuse_masked_write(PG_FUNCTION_ARGS)
{
	refuse_write(PG_GETARG_OID(0), PG_GETARG_INT16(1));
	PG_RETURN_NULL();
}

/* CASE WHEN the purposes spare THEN value ELSE raise END */
static Expr *
unless_masked(Expr *value, Oid relid, AttrNumber attno, List *spared_by, Oid subject)
{
	Oid			types[] = {OIDOID, INT2OID, ANYELEMENTOID};
	CaseExpr   *expr = makeNode(CaseExpr);
	CaseWhen   *when = makeNode(CaseWhen);
	Oid			type = exprType((Node *) value);
	List	   *gates = NIL;
	ListCell   *lc;

	foreach(lc, spared_by)
		gates = lappend(gates, purpose_gate(lfirst(lc), subject));
	when->expr = list_length(gates) == 1 ? linitial(gates) : makeBoolExpr(AND_EXPR, gates, -1);
	when->result = value;
	when->location = -1;
	expr->casetype = type;
	expr->casecollid = exprCollation((Node *) value);
	expr->args = list_make1(when);
	expr->defresult = (Expr *)
		makeFuncExpr(steward_function("refuse_masked_write", lengthof(types), types), type,
					 list_make3(makeConst(OIDOID, -1, InvalidOid, sizeof(Oid),
										  ObjectIdGetDatum(relid), false, true),
								makeConst(INT2OID, -1, InvalidOid, sizeof(int16),
										  Int16GetDatum(attno), false, true),
								makeNullConst(type, -1, expr->casecollid)),
					 expr->casecollid, InvalidOid, COERCE_EXPLICIT_CALL);
	expr->location = -1;
	return (Expr *) expr;
}

/*
 * Checks what a statement assigns.  An update is refused wherever a masked
 * value goes in; an insert only where the column itself is masked, for there
 * the new row would pass the mask off as the truth.
 */
static void
check_assignments(List *queries, List *targetlist, bool inserts, int skip, Oid subject)
{
	Query	   *query = linitial(queries);
	RangeTblEntry *target = rt_fetch(query->resultRelation, query->rtable);
	ListCell   *lc;

	foreach(lc, targetlist)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);
		TraceContext context = {.subject = subject,.queries = queries,.depth = list_length(queries),.skip = skip};

		if (tle->resjunk || tle->resno <= 0)
			continue;
		if (inserts)
		{
			TraceContext own = {.subject = subject};

			trace_relation(target->relid, tle->resno, &own);
			if (!own.result.masked)
				continue;
		}
		(void) trace_walker((Node *) tle->expr, &context);
		if (!context.result.masked)
			continue;
		if (context.result.always)
			refuse_write(target->relid, tle->resno);
		tle->expr = unless_masked(tle->expr, target->relid, tle->resno,
								  context.result.spared_by, subject);
		query->hasSubLinks = true;
	}
}

/* The same for one query, the first of the list; the others stand around it. */
static void
check_query(List *queries, Oid subject)
{
	Query	   *query = linitial(queries);
	ListCell   *lc;

	if (query->resultRelation == 0 ||
		!access_is_governed(rt_fetch(query->resultRelation, query->rtable)->relid))
		return;
	switch (query->commandType)
	{
		case CMD_UPDATE:
			check_assignments(queries, query->targetList, false, 0, subject);
			break;
		case CMD_INSERT:
			check_assignments(queries, query->targetList, true, 0, subject);
			if (query->onConflict != NULL)
				check_assignments(queries, query->onConflict->onConflictSet, false,
								  query->onConflict->exclRelIndex, subject);
			break;
		case CMD_MERGE:
			foreach(lc, query->mergeActionList)
			{
				MergeAction *action = lfirst_node(MergeAction, lc);

				if (action->commandType == CMD_UPDATE || action->commandType == CMD_INSERT)
					check_assignments(queries, action->targetList,
									  action->commandType == CMD_INSERT, 0, subject);
			}
			break;
		default:
			break;
	}
}

typedef struct WriteContext
{
	Oid			subject;
	List	   *queries;		/* innermost first */
} WriteContext;

static bool
write_walker(Node *node, WriteContext *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		check_stack_depth();
		context->queries = lcons(node, context->queries);
		check_query(context->queries, context->subject);
		(void) query_tree_walker((Query *) node, write_walker, context, 0);
		context->queries = list_delete_first(context->queries);
		return false;
	}
	return expression_tree_walker(node, write_walker, context);
}

/*
 * Refuses a statement that would write masked values over real ones; to be
 * called for statements that write, before any mask is put in.
 */
void
mask_check_writes(Query *query, Oid subject)
{
	WriteContext context = {subject, NIL};

	(void) write_walker((Node *) query, &context);
}
