/*-------------------------------------------------------------------------
 *
 * copy_rows.c
 *	  Rows of a COPY FROM as a source that a plan reads.
 *
 * The planner takes the source for a tuplestore, of which it asks nothing.
 * In the finished plan our scan stands in its place.  It reads the input of
 * the COPY, or, where a plan is asked about one row at a time, gives this
 * row.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/copy_internal.h"
#include "commands/copyfrom_internal.h"
#include "commands/progress.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/backend_progress.h"

typedef struct CopyScanState
{
	CustomScanState css;
	CopyRows   *rows;
	TupleTableSlot *row;		/* of the relation's own row type */
	ExprState  *where;
	int64		passed;
	int64		excluded;
} CopyScanState;

static Node *copy_scan_create(CustomScan *plan);
static void copy_scan_begin(CustomScanState *node, EState *estate, int eflags);
static TupleTableSlot *copy_scan_exec(CustomScanState *node);
static void copy_scan_end(CustomScanState *node);
static void copy_scan_rescan(CustomScanState *node);

static const CustomScanMethods copy_scan_methods = {
	.CustomName = "Copied Rows",
	.CreateCustomScanState = copy_scan_create
};

static const CustomExecMethods copy_exec_methods = {
	.CustomName = "Copied Rows",
	.BeginCustomScan = copy_scan_begin,
	.ExecCustomScan = copy_scan_exec,
	.EndCustomScan = copy_scan_end,
	.ReScanCustomScan = copy_scan_rescan
};

/* From copy_rows_will_start() to copy_scan_create(), and no longer. */
static CopyRows *starting_rows = NULL;

/* What the plan believes to read: a tuplestore of the columns. */
RangeTblEntry *
copy_rows_entry(CopyRows *rows)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	ListCell   *lc;

	rte->rtekind = RTE_NAMEDTUPLESTORE;
	rte->enrname = "copied_row";
	rte->enrtuples = 1000;
	rte->eref = makeAlias("copied_row", NIL);
	rte->inFromCl = true;
	foreach(lc, rows->attnums)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rows->rel), lfirst_int(lc) - 1);

		rte->eref->colnames = lappend(rte->eref->colnames,
									  makeString(pstrdup(NameStr(att->attname))));
		rte->coltypes = lappend_oid(rte->coltypes, att->atttypid);
		rte->coltypmods = lappend_int(rte->coltypmods, att->atttypmod);
		rte->colcollations = lappend_oid(rte->colcollations, att->attcollation);
	}
	return rte;
}

/* The columns of the rows, as Vars of the range table entry varno. */
List *
copy_rows_columns(CopyRows *rows, int varno)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, rows->attnums)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rows->rel), lfirst_int(lc) - 1);
		AttrNumber	column = foreach_current_index(lc) + 1;

		result = lappend(result,
						 makeTargetEntry((Expr *) makeVar(varno, column, att->atttypid,
														  att->atttypmod, att->attcollation, 0),
										 column, pstrdup(NameStr(att->attname)), false));
	}
	return result;
}

/* Rewrites Vars of the source into Vars of a scan that has no relation. */
static Node *
as_scan_vars(Node *node, Index *scanrelid)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var) && ((Var *) node)->varno == *scanrelid)
	{
		Var		   *var = copyObject((Var *) node);

		var->varno = INDEX_VAR;
		return (Node *) var;
	}
	return expression_tree_mutator(node, as_scan_vars, scanrelid);
}

/* Puts our scan in the place where the plan would read the tuplestore. */
static Plan *
replace_source(Plan *plan, CopyRows *rows)
{
	CustomScan *scan;
	Index		scanrelid;

	if (plan == NULL)
		elog(ERROR, "plan of COPY does not read its rows");
	if (!IsA(plan, NamedTuplestoreScan))
	{
		plan->lefttree = replace_source(plan->lefttree, rows);
		return plan;
	}

	scanrelid = ((Scan *) plan)->scanrelid;
	scan = makeNode(CustomScan);
	scan->scan.plan = *plan;
	scan->scan.plan.type = T_CustomScan;
	scan->scan.plan.targetlist = (List *) as_scan_vars((Node *) plan->targetlist, &scanrelid);
	scan->scan.scanrelid = 0;
	scan->custom_scan_tlist = copy_rows_columns(rows, scanrelid);
	scan->custom_relids = bms_make_singleton(scanrelid);
	scan->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	scan->methods = &copy_scan_methods;
	return (Plan *) scan;
}

/* The same for a whole plan. */
void
copy_rows_into_plan(PlannedStmt *plan, CopyRows *rows)
{
	plan->planTree = replace_source(plan->planTree, rows);
}

/* The plan that starts next reads these rows. */
void
copy_rows_will_start(CopyRows *rows)
{
	starting_rows = rows;
}

static Node *
copy_scan_create(CustomScan *plan)
{
	CopyScanState *state = (CopyScanState *) newNode(sizeof(CopyScanState), T_CustomScanState);

	state->css.methods = &copy_exec_methods;
	state->rows = starting_rows;
	starting_rows = NULL;
	if (state->rows == NULL)
		elog(ERROR, "plan of COPY started outside of COPY");
	return (Node *) state;
}

static void
copy_scan_begin(CustomScanState *node, EState *estate, int eflags)
{
	CopyScanState *state = (CopyScanState *) node;

	if (state->rows->load == NULL)
		return;
	state->row = ExecInitExtraTupleSlot(estate, RelationGetDescr(state->rows->rel),
										&TTSOpsVirtual);
	state->where = ExecInitQual(state->rows->load->where, &node->ss.ps);
}

/* ON_ERROR: true where the row just read is to be skipped. */
static bool
skip_unreadable(CopyFromState cstate)
{
	if (!STEWARD_COPY_SOFT_ERROR(cstate))
		return false;
	STEWARD_COPY_SOFT_ERROR_RESET(cstate);
	pgstat_progress_update_param(STEWARD_PROGRESS_COPY_SKIPPED, STEWARD_COPY_ERRORS(cstate));
	if (STEWARD_COPY_REJECT_LIMIT(cstate) > 0 &&
		STEWARD_COPY_ERRORS(cstate) > STEWARD_COPY_REJECT_LIMIT(cstate))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("skipped more than REJECT_LIMIT (%lld) rows due to data type incompatibility",
						(long long) STEWARD_COPY_REJECT_LIMIT(cstate))));
	return true;
}

/* The row about which copied_row_is_allowed() asks. */
static TupleTableSlot *
handed_over(CopyScanState *state)
{
	FunctionCallInfo fcinfo = state->rows->check->row;
	TupleTableSlot *slot = state->css.ss.ss_ScanTupleSlot;

	ExecClearTuple(slot);
	for (int i = 0; i < list_length(state->rows->attnums); i++)
	{
		slot->tts_values[i] = fcinfo->args[i].value;
		slot->tts_isnull[i] = fcinfo->args[i].isnull;
	}
	return ExecStoreVirtualTuple(slot);
}

/* The next row that the statement's WHERE lets through, in the scan's slot. */
static TupleTableSlot *
copy_scan_next(ScanState *node)
{
	CopyScanState *state = (CopyScanState *) node;
	CopyLoad   *load = state->rows->load;
	TupleTableSlot *row = state->row;
	TupleTableSlot *slot = node->ss_ScanTupleSlot;
	ExprContext *econtext = node->ps.ps_ExprContext;
	ListCell   *lc;

	if (load == NULL)
		return handed_over(state);

	ExecClearTuple(slot);
	for (;;)
	{
		MemoryContext old;
		bool		found;

		CHECK_FOR_INTERRUPTS();

		ResetExprContext(econtext);
		ExecClearTuple(row);
		old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
		found = NextCopyFrom(load->cstate, econtext, row->tts_values, row->tts_isnull);
		MemoryContextSwitchTo(old);
		if (!found)
		{
			/* Statement triggers that follow have no line. */
			load->cstate->cur_lineno = 0;
			return slot;
		}
		if (skip_unreadable(load->cstate))
			continue;
		ExecStoreVirtualTuple(row);
		row->tts_tableOid = RelationGetRelid(state->rows->rel);
		if (state->where == NULL)
			break;
		econtext->ecxt_scantuple = row;
		if (ExecQual(state->where, econtext))
			break;
		pgstat_progress_update_param(PROGRESS_COPY_TUPLES_EXCLUDED, ++state->excluded);
	}

	foreach(lc, state->rows->attnums)
	{
		int			column = foreach_current_index(lc);
		int			attno = lfirst_int(lc);

		slot->tts_values[column] = row->tts_values[attno - 1];
		slot->tts_isnull[column] = row->tts_isnull[attno - 1];
	}
	pgstat_progress_update_param(PROGRESS_COPY_TUPLES_PROCESSED, ++state->passed);
	return ExecStoreVirtualTuple(slot);
}

static bool
copy_scan_recheck(ScanState *node, TupleTableSlot *slot)
{
	return true;
}

static TupleTableSlot *
copy_scan_exec(CustomScanState *node)
{
	return ExecScan(&node->ss, copy_scan_next, copy_scan_recheck);
}

static void
copy_scan_end(CustomScanState *node)
{
}

static void
copy_scan_rescan(CustomScanState *node)
{
	elog(ERROR, "copied rows cannot be read twice");
}
