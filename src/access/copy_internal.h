/*-------------------------------------------------------------------------
 *
 * copy_internal.h
 *	  What the files of COPY share: copy.c, copy_check.c, copy_rows.c.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_COPY_INTERNAL_H
#define STEWARD_COPY_INTERNAL_H

#include "access/access_internal.h"
#include "commands/copy.h"
#include "executor/execdesc.h"
#include "nodes/primnodes.h"
#include "utils/rel.h"

/* A COPY FROM whose rows go through a planned INSERT. */
typedef struct CopyLoad
{
	CopyFromState cstate;
	List	   *where;			/* the statement's WHERE, implicitly AND-ed */
} CopyLoad;

/* A check expression with sub-selects, as a plan that is asked about each row. */
typedef struct CopyCheck
{
	FuncExpr   *call;			/* the call of copied_row_is_allowed() that
								 * asks */
	QueryDesc  *query_desc;		/* NULL: nothing had to be planned */
	FunctionCallInfo row;		/* the call's arguments: columns of the row */
	struct CopyCheck *outer;	/* that of the COPY around this one */
} CopyCheck;

/* Rows of a COPY FROM as a plan reads them. */
typedef struct CopyRows
{
	Relation	rel;
	List	   *attnums;		/* the columns that the plan reads */
	CopyLoad   *load;			/* rows are read here, */
	CopyCheck  *check;			/* or are handed over here */
} CopyRows;

/* copy_rows.c */
extern RangeTblEntry *copy_rows_entry(CopyRows *rows);
extern List *copy_rows_columns(CopyRows *rows, int varno);
extern void copy_rows_into_plan(PlannedStmt *plan, CopyRows *rows);
extern void copy_rows_will_start(CopyRows *rows);

/* copy_check.c */
extern bool copy_check_as_condition(const char *query_string, Relation rel, Expr *expr,
									CopyCheck *check, List **condition);
extern void copy_check_push(CopyCheck *check);
extern void copy_check_pop(CopyCheck *check);
extern void copy_check_end(CopyCheck *check);
extern bool copy_triggers_change_rows(Relation rel);

#endif							/* STEWARD_COPY_INTERNAL_H */
