/*-------------------------------------------------------------------------
 *
 * mask.h
 *	  Column masks, for the files of the room "access" that deal with them.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_MASK_H
#define STEWARD_MASK_H

#include "access/access_internal.h"
#include "catalog/objectaddress.h"

/* Names of the native policies that carry masks begin so. */
#define MASK_CARRIER_PREFIX "mask."

#define MAX_TAG_LENGTH 63		/* bytes */

struct Past;

/* One mask on one column. */
typedef struct ColumnMask
{
	char	   *name;
	AttrNumber	attno;			/* of the protected relation */
	int			priority;		/* the lowest wins */
	bool		by_tag;
	int			nroles;
	Oid		   *unless_roles;	/* InvalidOid stands for public */
	ArrayType  *unless_purposes;	/* text[]; NULL: none spares */
	Oid			created_by;		/* not by tag */
	char	   *text;			/* by tag: parsed for each column; of the
								 * past: as it was carried */
	char	   *tag;			/* by tag */
	Expr	   *expr;			/* as parsed, Vars are of varno 1; NULL: lost */
	Expr	   *when;			/* NULL: every cell */
	bool		looked;			/* the next one is known */
	bool		converts;		/* see expression_converts() */
	Expr	   *plan_expr;		/* ready for a query, see RowPolicy */
	Expr	   *plan_when;
	List	   *relations;		/* OIDs that sub-selects read */
	char	   *problem;		/* of a moment of the past: why it can no
								 * longer be read, or NULL */
} ColumnMask;

/* What building a mask has found out. */
typedef struct MaskResult
{
	bool		masked;			/* some mask may apply */
	bool		always;			/* one does so whatever the purpose */
	List	   *spared_by;		/* of ArrayType *: the purposes that spare, a
								 * mask each */
	List	   *relations;		/* OIDs that sub-selects read */
} MaskResult;

/* mask.c */
extern List *masks_read(Relation rel, const struct Past *past);
extern char *mask_carrier_name(const char *mask);
extern Expr *carried_mask(Expr *qual);
extern List *mask_column_tags(Oid relid, AttrNumber attno);
extern List *mask_split_tags(const char *label);
extern Expr *mask_parse_for_column(const char *text, AttrNumber attno, Oid type,
								   int32 typmod, Oid collation);
extern void mask_make_ready(const ColumnMask *mask, Oid relid);
extern AttrNumber mask_attno(const PolicySet *set, const ColumnMask *mask);
extern bool mask_spares(const ColumnMask *mask, Oid subject);
extern bool mask_converts(const ColumnMask *mask);
extern bool mask_any(const Governance *governance, Oid subject);
extern bool mask_may_apply(Oid relid, AttrNumber attno, Oid subject);
extern Expr *mask_column(Oid relid, Var *var, Oid subject, MaskResult *result);
extern void mask_check_label(const ObjectAddress *column, const char *label);

/* mask_query.c */
extern void mask_table_entry(Query *query, int rtindex, Oid subject, List **relations);
extern void mask_target(Query *query, Oid subject, List **relations);

/* mask_write.c */
extern void mask_check_writes(Query *query, Oid subject);

#endif							/* STEWARD_MASK_H */
