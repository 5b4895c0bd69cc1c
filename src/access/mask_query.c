/*-------------------------------------------------------------------------
 *
 * mask_query.c
 *	  Puts masks into queries.
 *
 * A governed relation that is read becomes a sub-select, shaped like the
 * expansion of a view, in which masked columns are replaced; the planner pulls
 * it up, so that indexes stay in use, and sees to outer joins by itself.  The
 * target of UPDATE, DELETE or MERGE cannot become a sub-select: there, the
 * masked columns are replaced wherever the statement reads them.
 *
 * Row predicates and checks on new rows see the real values: they stay with
 * the relation, inside.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/break.h"
#include "access/mask.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/heap.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* A column of the relation, as a Var of varno 1. */
static Var *
column_var(Form_pg_attribute att)
{
	return makeVar(1, att->attnum, att->atttypid, att->atttypmod, att->attcollation, 0);
}

/* ------------------------------------------------------------------------
 * System columns
 * ------------------------------------------------------------------------
 */

/*
 * The columns that the sub-select has behind its ordinary ones: system
 * columns, and where there are any the whole row, which would else have them.
 */
typedef struct ExtraColumns
{
	int			rtindex;
	int			sublevels_up;
	int			natts;			/* of the relation */
	bool		whole_rows;		/* move references to the whole row, not to
								 * system columns */
	List	   *attnos;			/* 0 is the whole row */
} ExtraColumns;

/* Has references read the columns that the sub-select has for them. */
static bool
move_references(Node *node, ExtraColumns *extra)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		if (var->varno == extra->rtindex && var->varlevelsup == extra->sublevels_up &&
			(extra->whole_rows ? var->varattno == 0 : var->varattno < 0))
		{
			int			position = 1;
			ListCell   *lc;

			foreach(lc, extra->attnos)
			{
				if (lfirst_int(lc) == var->varattno)
					break;
				position++;
			}
			if (lc == NULL)
				extra->attnos = lappend_int(extra->attnos, var->varattno);
			var->varattno = extra->natts + position;
			var->varattnosyn = var->varattno;
		}
		return false;
	}
	if (IsA(node, Query))
	{
		bool		result;

		extra->sublevels_up++;
		result = query_tree_walker((Query *) node, move_references, extra, 0);
		extra->sublevels_up--;
		return result;
	}
	return expression_tree_walker(node, move_references, extra);
}

/* The row of the sub-select's ordinary columns, as a value of the relation's type. */
static Expr *
row_of_columns(Oid rowtype, List *columns)
{
	RowExpr    *row = makeNode(RowExpr);
	ListCell   *lc;

	foreach(lc, columns)
	{
		TargetEntry *column = lfirst_node(TargetEntry, lc);

		row->args = lappend(row->args, copyObject(column->expr));
		row->colnames = lappend(row->colnames, makeString(pstrdup(column->resname)));
	}
	row->row_typeid = rowtype;
	row->row_format = COERCE_IMPLICIT_CAST;
	row->location = -1;
	return (Expr *) row;
}

/* Gives the sub-select the columns that the query reads beyond the ordinary ones. */
static void
add_extra_columns(Query *query, int rtindex, Query *inner, Relation rel)
{
	RangeTblEntry *rte = rt_fetch(rtindex, query->rtable);
	ExtraColumns extra = {.rtindex = rtindex,.natts = RelationGetNumberOfAttributes(rel)};
	List	   *columns = list_copy(inner->targetList);
	ListCell   *lc;

	(void) query_tree_walker(query, move_references, &extra, 0);
	if (extra.attnos == NIL || BROKEN("system-columns"))
		return;
	extra.whole_rows = true;
	(void) query_tree_walker(query, move_references, &extra, 0);

	foreach(lc, extra.attnos)
	{
		AttrNumber	attno = lfirst_int(lc);
		char	   *name = "whole row";
		Expr	   *expr;

		if (attno == 0)
			expr = row_of_columns(rel->rd_rel->reltype, columns);
		else
		{
			const FormData_pg_attribute *att = SystemAttributeDefinition(attno);

			name = pstrdup(NameStr(att->attname));
			expr = (Expr *) makeVar(1, attno, att->atttypid, att->atttypmod, att->attcollation, 0);
		}
		inner->targetList = lappend(inner->targetList,
									makeTargetEntry(expr, list_length(inner->targetList) + 1, name, false));
		rte->eref->colnames = lappend(rte->eref->colnames, makeString(name));
	}
}

/* ------------------------------------------------------------------------
 * A relation that is read
 * ------------------------------------------------------------------------
 */

/* The columns of the sub-select. */
static List *
masked_columns(Relation rel, Oid subject, List **relations, bool *has_sublinks)
{
	TupleDesc	desc = RelationGetDescr(rel);
	List	   *columns = NIL;

	for (AttrNumber attno = 1; attno <= desc->natts; attno++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, attno - 1);
		Expr	   *expr;

		/*
		 * A row value has NULL for a dropped column whatever stands here; but
		 * "row IS NOT NULL" is taken apart before, and must not see one.
		 */
		if (att->attisdropped)
			expr = (Expr *) makeConst(INT4OID, -1, InvalidOid, sizeof(int32),
									  Int32GetDatum(0), false, true);
		else
		{
			MaskResult	result;

			expr = mask_column(RelationGetRelid(rel), column_var(att), subject, &result);
			*relations = list_concat_unique_oid(*relations, result.relations);
			*has_sublinks |= result.masked && checkExprHasSubLink((Node *) expr);
		}
		columns = lappend(columns, makeTargetEntry(expr, attno, pstrdup(NameStr(att->attname)), false));
	}
	return columns;
}

/* A row lock on the relation holds inside, where its rows are. */
static void
push_down_row_mark(Query *query, int rtindex, Query *inner)
{
	ListCell   *lc;

	foreach(lc, query->rowMarks)
	{
		RowMarkClause *mark = lfirst_node(RowMarkClause, lc);

		if (mark->rti == rtindex)
		{
			RowMarkClause *copy = copyObject(mark);

			copy->rti = 1;
			copy->pushedDown = true;
			inner->rowMarks = lappend(inner->rowMarks, copy);
			inner->hasForUpdate = true;
		}
	}
}

/*
 * Turns a governed relation that the query reads into a sub-select of what
 * the subject sees of it.  OIDs that masks read are added to *relations.
 */
void
mask_table_entry(Query *query, int rtindex, Oid subject, List **relations)
{
	RangeTblEntry *rte = rt_fetch(rtindex, query->rtable);
	RangeTblEntry *inner_rte = copyObject(rte);
	Query	   *inner = makeNode(Query);
	RangeTblRef *ref = makeNode(RangeTblRef);
	Relation	rel;
	bool		has_sublinks = false;

	rel = table_open(rte->relid, NoLock);

	inner->commandType = CMD_SELECT;
	inner->querySource = QSRC_ORIGINAL;
	inner->canSetTag = true;
	inner->rtable = list_make1(inner_rte);
	STEWARD_MOVE_PERMS(query, rte, inner, inner_rte);
	inner_rte->lateral = false;
	ref->rtindex = 1;
	inner->jointree = makeFromExpr(list_make1(ref), NULL);
	inner->targetList = masked_columns(rel, subject, relations, &has_sublinks);

	/* The predicates belong to the rows as they are. */
	ChangeVarNodes((Node *) inner_rte->securityQuals, rtindex, 1, 0);
	inner->hasSubLinks = has_sublinks || checkExprHasSubLink((Node *) inner_rte->securityQuals);
	inner->hasRowSecurity = true;
	push_down_row_mark(query, rtindex, inner);

	add_extra_columns(query, rtindex, inner, rel);
	table_close(rel, NoLock);

	rte->rtekind = RTE_SUBQUERY;
	rte->subquery = inner;
	rte->security_barrier = false;
	rte->securityQuals = NIL;
	rte->relid = InvalidOid;
	rte->relkind = 0;
	rte->rellockmode = 0;
	rte->tablesample = NULL;
	rte->inh = false;
}

/* ------------------------------------------------------------------------
 * The target of a statement
 * ------------------------------------------------------------------------
 */

typedef struct TargetContext
{
	Oid			relid;
	int			rtindex;
	Oid			subject;
	List	  **relations;
} TargetContext;

/* What stands in place of one column of the target. */
static Node *
masked_target_column(Var *var, AttrNumber attno, Relation rel, TargetContext *context)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), attno - 1);
	MaskResult	result;
	Expr	   *expr;

	expr = mask_column(context->relid, column_var(att), context->subject, &result);
	*context->relations = list_concat_unique_oid(*context->relations, result.relations);
	ChangeVarNodes((Node *) expr, 1, context->rtindex, 0);
	return (Node *) steward_returning(expr, var);
}

/* replace_rte_variables() callback: what the subject sees in place of a Var. */
static Node *
replace_target_var(Var *var, replace_rte_variables_context *context)
{
	TargetContext *target = context->callback_arg;
	Relation	rel;
	Node	   *result;

	if (var->varattno < 0 || (var->varattno == 0 && BROKEN("whole-row")))
		return (Node *) copyObject(var);

	rel = table_open(target->relid, NoLock);
	if (var->varattno > 0)
		result = masked_target_column(var, var->varattno, rel, target);
	else
	{
		RowExpr    *row = makeNode(RowExpr);

		for (AttrNumber attno = 1; attno <= RelationGetNumberOfAttributes(rel); attno++)
		{
			Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), attno - 1);

			row->args = lappend(row->args,
								att->attisdropped ?
								(Node *) makeNullConst(INT4OID, -1, InvalidOid) :
								masked_target_column(var, attno, rel, target));
			row->colnames = lappend(row->colnames, makeString(pstrdup(NameStr(att->attname))));
		}
		row->row_typeid = var->vartype;
		row->row_format = COERCE_IMPLICIT_CAST;
		row->location = -1;
		result = (Node *) steward_returning((Expr *) row, var);
	}
	table_close(rel, NoLock);

	if (var->varlevelsup > 0)
		IncrementVarSublevelsUp(result, var->varlevelsup, 0);
	if (checkExprHasSubLink(result))
		context->inserted_sublink = true;
	return result;
}

static void *
replace_in(Query *query, void *node, TargetContext *context)
{
	return replace_rte_variables((Node *) node, context->rtindex, 0, replace_target_var,
								 context, &query->hasSubLinks);
}

/* Has WHERE CURRENT OF on the target speak of another range table entry. */
static bool
retarget_current_of(Node *node, int *from_to)
{
	if (node == NULL)
		return false;
	if (IsA(node, CurrentOfExpr))
	{
		if (((CurrentOfExpr *) node)->cvarno == from_to[0])
			((CurrentOfExpr *) node)->cvarno = from_to[1];
		return false;
	}
	return expression_tree_walker(node, retarget_current_of, from_to);
}

/* Replaces in FROM and WHERE; core's walker refuses WHERE CURRENT OF. */
static void
replace_in_jointree(Query *query, TargetContext *context)
{
	int			away[] = {context->rtindex, 0};
	int			back[] = {0, context->rtindex};

	(void) retarget_current_of(query->jointree->quals, away);
	query->jointree = replace_in(query, query->jointree, context);
	(void) retarget_current_of(query->jointree->quals, back);
}

/*
 * Replaces the masked columns of the statement's target wherever they are
 * read: in conditions, in values to assign, in what is returned.
 */
void
mask_target(Query *query, Oid subject, List **relations)
{
	TargetContext context = {
		.relid = rt_fetch(query->resultRelation, query->rtable)->relid,
		.rtindex = query->resultRelation,
		.subject = subject,
		.relations = relations
	};
	ListCell   *lc;

	query->targetList = replace_in(query, query->targetList, &context);
	if (!BROKEN("returning"))
		query->returningList = replace_in(query, query->returningList, &context);
	if (!BROKEN("conditions"))
		replace_in_jointree(query, &context);
	if (query->onConflict != NULL && !BROKEN("on-conflict"))
	{
		query->onConflict->onConflictSet = replace_in(query, query->onConflict->onConflictSet, &context);
		query->onConflict->onConflictWhere = replace_in(query, query->onConflict->onConflictWhere, &context);
	}
	foreach(lc, query->mergeActionList)
	{
		MergeAction *action = lfirst_node(MergeAction, lc);

		if (BROKEN("merge"))
			break;
		action->qual = replace_in(query, action->qual, &context);
		action->targetList = replace_in(query, action->targetList, &context);
	}
	STEWARD_MERGE_JOIN_CONDITION(query, replace_in(query, merge_condition, &context));

	/* Expansions of join columns are read where the columns are. */
	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->rtekind == RTE_JOIN)
			rte->joinaliasvars = replace_in(query, rte->joinaliasvars, &context);
	}
}
