/*-------------------------------------------------------------------------
 *
 * copy.c
 *	  COPY of governed relations.
 *
 * COPY TO becomes COPY of a query, which the planner hook governs like any
 * other.  PostgreSQL does so itself, but only where row security concerns
 * the current role, which in a definer function is not the one who acts.
 *
 * COPY FROM, which PostgreSQL refuses under row security, goes one of two
 * ways.  Usually the check expressions are put behind the statement's own
 * WHERE, and core's CopyFrom() loads in batches as it does elsewhere (see
 * copy_check.c).  Where that would not see the row that is stored (BEFORE
 * ROW triggers, some generated columns), and under native row security, the
 * rows are read by the same code but inserted by a planned INSERT, to which
 * the planner hook adds the checks as to any INSERT.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/copy_internal.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "commands/copyfrom_internal.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_relation.h"
#include "rewrite/rewriteHandler.h"
#include "storage/lmgr.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

/* ------------------------------------------------------------------------
 * COPY TO
 * ------------------------------------------------------------------------
 */

/* The statement as COPY (SELECT columns FROM ONLY relation) TO. */
static PlannedStmt *
copy_to_as_query(PlannedStmt *pstmt, Oid relid)
{
	CopyStmt   *stmt;
	SelectStmt *select = makeNode(SelectStmt);
	Relation	rel = table_open(relid, NoLock);
	RangeVar   *from;
	ListCell   *lc;

	if (rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot copy from partitioned table \"%s\"",
						RelationGetRelationName(rel)),
				 errhint("Try the COPY (SELECT ...) TO variant.")));

	pstmt = copyObject(pstmt);
	stmt = castNode(CopyStmt, pstmt->utilityStmt);

	/* The columns that COPY means by default: "*" has generated ones too. */
	foreach(lc, CopyGetAttnums(RelationGetDescr(rel), rel, stmt->attlist))
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), lfirst_int(lc) - 1);
		ColumnRef  *column = makeNode(ColumnRef);
		ResTarget  *target = makeNode(ResTarget);

		column->fields = list_make1(makeString(pstrdup(NameStr(att->attname))));
		column->location = -1;
		target->val = (Node *) column;
		target->location = -1;
		select->targetList = lappend(select->targetList, target);
	}

	/* The lock taken on the relation keeps its name. */
	from = makeRangeVar(get_namespace_name(RelationGetNamespace(rel)),
						pstrdup(RelationGetRelationName(rel)), -1);
	from->inh = false;
	select->fromClause = list_make1(from);

	stmt->relation = NULL;
	stmt->attlist = NIL;
	stmt->query = (Node *) select;
	table_close(rel, NoLock);
	return pstmt;
}


/* ------------------------------------------------------------------------
 * COPY FROM: what is asked for
 * ------------------------------------------------------------------------
 */

/*
 * Transforms the WHERE clause as DoCopy() does, into an implicitly AND-ed
 * list.
 */
static List *
transform_where(ParseState *pstate, ParseNamespaceItem *nsitem, Relation rel, Node *raw)
{
	Node	   *where;
	Bitmapset  *columns = NULL;
	int			member = -1;

	if (raw == NULL)
		return NIL;

	addNSItemToQuery(pstate, nsitem, false, true, true);
	where = transformExpr(pstate, raw, EXPR_KIND_COPY_WHERE);
	where = coerce_to_boolean(pstate, where, "WHERE");
	assign_expr_collations(pstate, where);

	pull_varattnos(where, 1, &columns);
	if (bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, columns))
		columns = bms_add_range(columns,
								1 - FirstLowInvalidHeapAttributeNumber,
								RelationGetNumberOfAttributes(rel) - FirstLowInvalidHeapAttributeNumber);
	while ((member = bms_next_member(columns, member)) >= 0)
	{
		AttrNumber	attno = member + FirstLowInvalidHeapAttributeNumber;

		if (attno > 0 && TupleDescAttr(RelationGetDescr(rel), attno - 1)->attgenerated)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
					 errmsg("generated columns are not supported in COPY FROM WHERE conditions"),
					 errdetail("Column \"%s\" is a generated column.",
							   get_attname(RelationGetRelid(rel), attno, false))));
	}

	where = eval_const_expressions(NULL, where);
	where = (Node *) canonicalize_qual((Expr *) where, false);
	return make_ands_implicit((Expr *) where);
}

/* Has the relation native policies of its users, besides those that carry ours? */
static bool
has_native_policies(Relation rel)
{
	ListCell   *lc;

	if (rel->rd_rsdesc == NULL)
		return false;
	foreach(lc, rel->rd_rsdesc->policies)
	{
		if (!policy_is_carried(lfirst(lc)) && !policy_is_net(lfirst(lc)))
			return true;
	}
	return false;
}

/* ------------------------------------------------------------------------
 * COPY FROM: rows through core's CopyFrom()
 * ------------------------------------------------------------------------
 */

/* Loads with core's CopyFrom(), while the check's plan (if any) can be asked. */
static uint64
load_through_core(ParseState *pstate, CopyStmt *stmt, Relation rel, List *where,
				  CopyCheck *check, bool checked)
{
	CopyFromState cstate;
	volatile uint64 processed = 0;

	copy_check_push(check);
	PG_TRY();
	{
		cstate = BeginCopyFrom(pstate, rel, (Node *) where, stmt->filename, stmt->is_program,
							   NULL, stmt->attlist, stmt->options);
		processed = CopyFrom(cstate);
		EndCopyFrom(cstate);
	}
	PG_FINALLY();
	{
		copy_check_pop(check);
	}
	PG_END_TRY();

	copy_check_end(check);

	/*
	 * Partitions are locked when their first row comes.  A trigger that was
	 * created on one before that may have changed rows after their check.
	 */
	if (checked && rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE && copy_triggers_change_rows(rel))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("a trigger was created on a partition of \"%s\" while rows were copied",
						RelationGetRelationName(rel)),
				 errhint("Repeat the COPY.")));
	return processed;
}

/* ------------------------------------------------------------------------
 * COPY FROM: rows through a planned INSERT
 * ------------------------------------------------------------------------
 */

/* Makes errors show the line's number, but not what it holds. */
static void
hide_line(CopyFromState cstate)
{
	cstate->cur_attname = NULL;
	cstate->cur_attval = NULL;
	cstate->line_buf_valid = false;
}

/* Error context: the line, its contents only where no policy refuses it. */
static void
load_error_callback(void *arg)
{
	CopyFromState cstate = ((CopyLoad *) arg)->cstate;

	/* Statement triggers run before the first line and after the last. */
	if (cstate == NULL || cstate->cur_lineno == 0)
		return;
	if (geterrcode() == ERRCODE_INSUFFICIENT_PRIVILEGE ||
		geterrcode() == ERRCODE_WITH_CHECK_OPTION_VIOLATION)
		hide_line(cstate);
	CopyFromErrorCallback(cstate);
}

/*
 * For the refusal of a row: is it being copied, and from which line?  What
 * the line holds will not be shown.
 */
bool
copy_refused_line(uint64 *line)
{
	CopyFromState cstate;

	/* Only the innermost: a trigger's own INSERT is not the line's row. */
	if (error_context_stack == NULL)
		return false;
	if (error_context_stack->callback == CopyFromErrorCallback)
		cstate = (CopyFromState) error_context_stack->arg;
	else if (error_context_stack->callback == load_error_callback)
		cstate = ((CopyLoad *) error_context_stack->arg)->cstate;
	else
		return false;
	if (cstate == NULL)
		return false;
	hide_line(cstate);
	*line = cstate->cur_lineno;
	return true;
}

/* INSERT INTO relation (columns) SELECT columns FROM source */
static Query *
insert_query(PlannedStmt *pstmt, ParseState *pstate, CopyRows *rows)
{
	Query	   *query = makeNode(Query);
	RangeTblRef *ref = makeNode(RangeTblRef);
	ListCell   *lc;

	query->commandType = CMD_INSERT;
	query->querySource = QSRC_ORIGINAL;
	query->canSetTag = true;
	query->resultRelation = 1;
	query->rtable = list_make2(copyObject(linitial(pstate->p_rtable)), copy_rows_entry(rows));
	STEWARD_COPY_PERMS(query, pstate);

	/* What the WHERE reads are columns of the input, not of stored rows. */
	STEWARD_QUERY_PERMS(query)->requiredPerms = ACL_INSERT;
	ref->rtindex = 2;
	query->jointree = makeFromExpr(list_make1(ref), NULL);
	query->override = OVERRIDING_SYSTEM_VALUE;
	query->stmt_location = pstmt->stmt_location;
	query->stmt_len = pstmt->stmt_len;

	query->targetList = copy_rows_columns(rows, 2);
	foreach(lc, query->targetList)
	{
		lfirst_node(TargetEntry, lc)->resno =
			list_nth_int(rows->attnums, foreach_current_index(lc));
	}
	return query;
}

/* FREEZE, which only CopyFrom() can do, is still refused where core refuses it. */
static void
check_freeze(CopyFromState cstate)
{
	Relation	rel = cstate->rel;

	if (!cstate->opts.freeze)
		return;
	if (rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot perform COPY FREEZE on a partitioned table")));
	if (rel->rd_createSubid != GetCurrentSubTransactionId() &&
		STEWARD_NEW_STORAGE_SUBID(rel) != GetCurrentSubTransactionId())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot perform COPY FREEZE because the table was not created or truncated in the current subtransaction")));
}

/* Loads through an INSERT that is planned, governed and run like any other. */
static uint64
load_through_insert(PlannedStmt *pstmt, CopyStmt *stmt, const char *query_string,
					ParseState *pstate, Relation rel, List *where, bool native)
{
	TupleDesc	desc = RelationGetDescr(rel);
	CopyLoad	load = {.where = where};
	CopyRows	rows = {.rel = rel,.load = &load};
	ErrorContextCallback callback;
	CopyFromState cstate;
	Query	   *query;
	PlannedStmt *plan;
	QueryDesc  *query_desc;
	uint64		processed;

	for (AttrNumber attno = 1; attno <= desc->natts; attno++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, attno - 1);

		if (!att->attisdropped && !att->attgenerated)
			rows.attnums = lappend_int(rows.attnums, attno);
	}
	query = insert_query(pstmt, pstate, &rows);

	/*
	 * Native row security is added by the rewriter.  It would apply rules
	 * too, which COPY never does.
	 */
	if (native)
	{
		if (rel->rd_rules != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("COPY FROM not supported with row-level security and rules"),
					 errhint("Use INSERT statements instead.")));
		query = linitial_node(Query, QueryRewrite(query));
	}

	plan = pg_plan_query(query, query_string, 0, NULL);
	copy_rows_into_plan(plan, &rows);

	PushCopiedSnapshot(GetActiveSnapshot());
	UpdateActiveSnapshotCommandId();
	query_desc = CreateQueryDesc(plan, query_string, GetActiveSnapshot(), InvalidSnapshot,
								 None_Receiver, NULL, NULL, 0);

	/* All that can refuse the statement does so before input is asked for. */
	copy_rows_will_start(&rows);
	ExecutorStart(query_desc, 0);
	cstate = load.cstate = BeginCopyFrom(pstate, rel, NULL, stmt->filename, stmt->is_program,
										 NULL, stmt->attlist, stmt->options);
	check_freeze(cstate);

	callback.callback = load_error_callback;
	callback.arg = &load;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	STEWARD_EXECUTOR_RUN(query_desc);
	error_context_stack = callback.previous;

	if (STEWARD_COPY_ERRORS(cstate) > 0 && !STEWARD_COPY_SILENT(cstate))
		ereport(NOTICE,
				(errmsg_plural("%llu row was skipped due to data type incompatibility",
							   "%llu rows were skipped due to data type incompatibility",
							   (unsigned long) STEWARD_COPY_ERRORS(cstate),
							   (unsigned long long) STEWARD_COPY_ERRORS(cstate))));

	processed = query_desc->estate->es_processed;
	ExecutorFinish(query_desc);
	ExecutorEnd(query_desc);
	FreeQueryDesc(query_desc);
	PopActiveSnapshot();
	EndCopyFrom(cstate);
	return processed;
}

/* ------------------------------------------------------------------------
 * The statement
 * ------------------------------------------------------------------------
 */

/* Carries out COPY FROM, with the permissions that DoCopy() asks for. */
static uint64
copy_from(PlannedStmt *pstmt, const char *query_string, Oid relid, bool bypasses)
{
	CopyStmt   *stmt = copyObject(castNode(CopyStmt, pstmt->utilityStmt));
	ParseState *pstate = make_parsestate(NULL);
	Relation	rel = table_open(relid, NoLock);
	ParseNamespaceItem *nsitem;
	Expr	   *expr = NULL;
	CopyCheck	check = {0};
	List	   *relations = NIL;
	List	   *where;
	List	   *condition;
	bool		native;
	uint64		processed;
	ListCell   *lc;

	pstate->p_sourcetext = query_string;
	nsitem = addRangeTableEntryForRelation(pstate, rel, RowExclusiveLock, NULL, false, false);
	STEWARD_NSITEM_PERMS(nsitem)->requiredPerms = ACL_INSERT;
	where = transform_where(pstate, nsitem, rel, stmt->whereClause);
	foreach(lc, CopyGetAttnums(RelationGetDescr(rel), rel, stmt->attlist))
	{
		STEWARD_NSITEM_PERMS(nsitem)->insertedCols =
			bms_add_member(STEWARD_NSITEM_PERMS(nsitem)->insertedCols,
						   lfirst_int(lc) - FirstLowInvalidHeapAttributeNumber);
	}
	(void) STEWARD_REQUIRE_PERMS(pstate);

	native = check_enable_rls(relid, InvalidOid, false) == RLS_ENABLED &&
		has_native_policies(rel);
	if (XactReadOnly && !rel->rd_islocaltemp)
		PreventCommandIfReadOnly("COPY FROM");

	if (!bypasses)
		expr = predicate_for_insert(relid, &relations);
	foreach(lc, relations)
		LockRelationOid(lfirst_oid(lc), AccessShareLock);
	if (!native && copy_check_as_condition(query_string, rel, expr, &check, &condition))
	{
		processed = load_through_core(pstate, stmt, rel, list_concat(where, condition),
									  &check, condition != NIL);
		record_copied(relid, processed);
	}
	else
		processed = load_through_insert(pstmt, stmt, query_string, pstate, rel, where, native);

	free_parsestate(pstate);
	table_close(rel, NoLock);
	return processed;
}

/* May the current role use the file or program?  Core words the refusal. */
static bool
may_use_file(CopyStmt *stmt)
{
	Oid			needed;

	if (stmt->filename == NULL)
		return true;
	if (stmt->is_program)
		needed = ROLE_PG_EXECUTE_SERVER_PROGRAM;
	else
		needed = stmt->is_from ? ROLE_PG_READ_SERVER_FILES : ROLE_PG_WRITE_SERVER_FILES;
	return has_privs_of_role(GetUserId(), needed);
}

/* Begins the record of COPY FROM; core words what is wrong with the columns. */
static void
begin_record(CopyStmt *stmt, Oid relid)
{
	Relation	rel;

	if (governance_of(relid)->audit == AUDIT_LEVEL_OFF)
		return;
	rel = table_open(relid, NoLock);
	record_copy_from(relid, CopyGetAttnums(RelationGetDescr(rel), rel, stmt->attlist));
	table_close(rel, NoLock);
}

/*
 * Sees to COPY of a governed relation.  True where the command has been
 * carried out; else core shall carry out *pstmt, which may be another one
 * than before.
 */
bool
access_copy(PlannedStmt **pstmt, const char *query_string, QueryCompletion *qc)
{
	CopyStmt   *stmt = castNode(CopyStmt, (*pstmt)->utilityStmt);
	Oid			relid;
	bool		bypasses;
	uint64		processed;

	if (stmt->relation == NULL || !steward_is_created() || guard_is_suspended())
		return false;
	AcceptInvalidationMessages();
	if (!governance_any())
		return false;

	/* What core refuses in any case, it does best itself. */
	if (!may_use_file(stmt) ||
		(stmt->is_from && (IsInParallelMode() || RecoveryInProgress())))
		return false;

	/* Locked as core does, so that the name cannot come to mean another. */
	relid = RangeVarGetRelid(stmt->relation,
							 stmt->is_from ? RowExclusiveLock : AccessShareLock, true);
	if (!OidIsValid(relid) || governance_of(relid)->sets == NIL)
		return false;

	/* What is logged is told by the plan. */
	bypasses = steward_bypasses(access_subject());
	if (!stmt->is_from)
	{
		if (!bypasses || (governance_of(relid)->audit != AUDIT_LEVEL_OFF &&
						  get_rel_relkind(relid) == RELKIND_RELATION))
			*pstmt = copy_to_as_query(*pstmt, relid);
		return false;
	}
	begin_record(stmt, relid);
	if (bypasses && check_enable_rls(relid, InvalidOid, true) != RLS_ENABLED)
		return false;

	processed = copy_from(*pstmt, query_string, relid, bypasses);
	if (qc != NULL)
		SetQueryCompletion(qc, CMDTAG_COPY, processed);
	return true;
}
