/*-------------------------------------------------------------------------
 *
 * explain.h
 *	  What the files that explain decisions share among themselves.
 *
 * explain.c		explain_access(): policies and the decision
 * explain_mask.c	its rows about masks, and which columns are masked
 * explain_past.c	what they stand on, for moments of the past
 * who_can.c		who_can_access()
 * last_access.c	last_access()
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_EXPLAIN_H
#define STEWARD_EXPLAIN_H

#include "access/access_internal.h"
#include "access/mask.h"
#include "nodes/execnodes.h"

struct Past;

/* What is asked: one relation, command, person, purpose and moment. */
typedef struct Explanation
{
	Relation	rel;
	char	   *relname;		/* qualified */
	int			command;
	const char *asked;			/* the purpose asked about, granted or not */
	Situation	situation;
	ReturnSetInfo *out;

	/* For a moment of the past, else NULL: */
	const Governance *governance;
	bool		natives_known;
	List	   *natives;		/* of RowSecurityPolicy: those of users */
	List	   *problems;		/* natives that can no longer be read */
} Explanation;

/* What is decided about the rows. */
typedef struct Decision
{
	Expr	   *predicate;		/* enforced */
	Expr	   *observed;		/* only counted; NULL: nothing is */
	bool		admitted;		/* an allowing policy applies in every
								 * enforcing set */
	bool		reads;			/* update, delete: select is admitted, too */
} Decision;

/* explain.c */
extern Decision explain_rows(const Explanation *explanation);
extern char *explain_rows_by_glass(const Explanation *explanation);
extern List *explain_applying_policies(const Explanation *explanation);
extern char *explain_relation_name(Relation rel);
extern void explain_emit(const Explanation *explanation, const char *kind, const char *name,
						 const char *verdict, const char *reason, const char *expression);
extern char *explain_not_granted(const char *purpose, const Situation *situation);
extern char *role_in_words(Oid roleid);
extern char *list_in_words(List *names);
extern char *expression_in_sql(Expr *expr, Oid relid);

/* explain_past.c */
extern const Governance *explain_governance(const Explanation *explanation);
extern List *explain_natives(const Explanation *explanation);
extern void explain_look_back(Explanation *explanation, const struct Past *past);
extern char *explain_unreadable(const Explanation *explanation);
extern bool explain_may_break_glass(const Explanation *explanation);

/* explain_mask.c */
extern void explain_masks(Explanation *explanation, bool denied);
extern bool explain_is_lifted(const Explanation *explanation);
extern Bitmapset *explain_masked_columns(const Explanation *explanation);
extern List *explain_column_names(Relation rel, const Bitmapset *columns);
extern Datum explain_text_array(List *strings);

#endif							/* STEWARD_EXPLAIN_H */
