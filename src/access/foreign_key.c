/*-------------------------------------------------------------------------
 *
 * foreign_key.c
 *	  Tells the queries by which core checks foreign keys from others.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access_internal.h"
#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/syscache.h"

static bool
only_compares_parameters(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
		case T_Param:
		case T_Const:
		case T_List:
		case T_BoolExpr:
		case T_OpExpr:
		case T_RelabelType:
		case T_CoerceViaIO:
		case T_FuncExpr:
		case T_CollateExpr:
		case T_RangeTblRef:
		case T_FromExpr:
		case T_TargetEntry:
			return expression_tree_walker(node, only_compares_parameters, context);
		default:
			return true;
	}
}

/*
 * Is this one of the queries by which core checks and carries out foreign
 * keys?  They run with SECURITY_NOFORCE_RLS, but so do BEFORE triggers that
 * such a query fires; therefore the query must also look like one of
 * ri_triggers.c: run by the owner of its one relation, showing nothing,
 * setting columns only to parameters, constants or defaults.  That much an
 * owner can do with a foreign key anyway.
 */
static bool
is_owned(RangeTblEntry *rte)
{
	HeapTuple	tup;
	bool		owned = false;

	if (rte->rtekind != RTE_RELATION)
		return false;
	tup = SearchSysCache1(RELOID, ObjectIdGetDatum(rte->relid));
	if (HeapTupleIsValid(tup))
	{
		owned = ((Form_pg_class) GETSTRUCT(tup))->relowner == GetUserId();
		ReleaseSysCache(tup);
	}
	return owned;
}

bool
is_foreign_key_check(Query *query)
{
	RangeTblEntry *rte;
	ListCell   *lc;

	if (!InNoForceRLSOperation() || query->cteList != NIL ||
		query->returningList != NIL || query->hasSubLinks ||
		query->setOperations != NULL || query->groupClause != NIL)
		return false;

	/*
	 * A period's key (18): SELECT 1 FROM (SELECT period FROM ONLY …) HAVING …
	 */
	if (query->commandType == CMD_SELECT && list_length(query->rtable) == 1 &&
		query->havingQual != NULL)
	{
		rte = linitial_node(RangeTblEntry, query->rtable);
		lc = list_head(query->targetList);
		return rte->rtekind == RTE_SUBQUERY && list_length(query->targetList) == 1 &&
			IsA(((TargetEntry *) lfirst(lc))->expr, Const) &&
			list_length(rte->subquery->rtable) == 1 &&
			is_owned(linitial_node(RangeTblEntry, rte->subquery->rtable)) &&
			rte->subquery->rowMarks != NIL &&
			!only_compares_parameters((Node *) rte->subquery->jointree, NULL);
	}

	if (list_length(query->rtable) != 1)
		return false;
	rte = linitial_node(RangeTblEntry, query->rtable);
	if (!is_owned(rte) || (rte->inh && rte->relkind != RELKIND_PARTITIONED_TABLE) ||
		query->havingQual != NULL ||
		only_compares_parameters((Node *) query->jointree, NULL))
		return false;

	switch (query->commandType)
	{
		case CMD_SELECT:
			return query->rowMarks != NIL && list_length(query->targetList) == 1 &&
				IsA(linitial_node(TargetEntry, query->targetList)->expr, Const);
		case CMD_DELETE:
			return true;
		case CMD_UPDATE:
			foreach(lc, query->targetList)
			{
				if (contain_var_clause((Node *) lfirst_node(TargetEntry, lc)->expr))
					return false;
			}
			return true;
		default:
			return false;
	}
}
