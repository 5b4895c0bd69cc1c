/*-------------------------------------------------------------------------
 *
 * statistics.c
 *	  Hides the statistics of indexes where those of their tables are hidden.
 *
 * The view pg_stats leaves out tables whose row security concerns the user,
 * but not their indexes: the owner of an index on upper(ssn) is shown the
 * commonest values.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access_internal.h"
#include "access/break.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/typcache.h"

static Var *
oid_var(int varno, AttrNumber attno, int levelsup)
{
	return makeVar(varno, attno, OIDOID, -1, InvalidOid, levelsup);
}

/*
 * Where a query reads pg_statistic, adds
 * NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = starelid AND row_security_active(indrelid)).
 * That is asked of the current user, as pg_stats asks it of tables.
 */
void
statistics_enforce(Query *query, int rtindex)
{
	RangeTblEntry *rte = rt_fetch(rtindex, query->rtable);
	RangeTblEntry *index;
	RangeTblRef *ref;
	Query	   *select;
	SubLink    *sublink;
	Expr	   *same;
	Expr	   *active;

	if (rte->rtekind != RTE_RELATION || rte->relid != StatisticRelationId ||
		rtindex == query->resultRelation || BROKEN("statistics"))
		return;

	LockRelationOid(IndexRelationId, AccessShareLock);
	index = makeNode(RangeTblEntry);
	index->rtekind = RTE_RELATION;
	index->relid = IndexRelationId;
	index->relkind = RELKIND_RELATION;
	index->rellockmode = AccessShareLock;
	index->eref = makeAlias("pg_index", NIL);
	index->inFromCl = true;

	same = make_opclause(lookup_type_cache(OIDOID, TYPECACHE_EQ_OPR)->eq_opr, BOOLOID, false,
						 (Expr *) oid_var(1, Anum_pg_index_indexrelid, 0),
						 (Expr *) oid_var(rtindex, Anum_pg_statistic_starelid, 1),
						 InvalidOid, InvalidOid);
	set_opfuncid((OpExpr *) same);
	active = (Expr *) makeFuncExpr(F_ROW_SECURITY_ACTIVE_OID, BOOLOID,
								   list_make1(oid_var(1, Anum_pg_index_indrelid, 0)),
								   InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
	ref = makeNode(RangeTblRef);
	ref->rtindex = 1;
	select = makeNode(Query);
	select->commandType = CMD_SELECT;
	select->querySource = QSRC_ORIGINAL;
	select->canSetTag = true;
	select->rtable = list_make1(index);
	STEWARD_NO_PERMS(select, index);
	select->jointree = makeFromExpr(list_make1(ref),
									(Node *) makeBoolExpr(AND_EXPR, list_make2(same, active), -1));

	sublink = makeNode(SubLink);
	sublink->subLinkType = EXISTS_SUBLINK;
	sublink->subselect = (Node *) select;
	sublink->location = -1;
	rte->securityQuals = lappend(rte->securityQuals,
								 makeBoolExpr(NOT_EXPR, list_make1(sublink), -1));
	query->hasSubLinks = true;
	query->hasRowSecurity = true;	/* plans depend on the current role */
}
