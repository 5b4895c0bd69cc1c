/*-------------------------------------------------------------------------
 *
 * history.h
 *	  The history of what governs relations: how it is kept and read.
 *
 * history.c	notes what a transaction touches, writes it when it commits
 * past.c		reads what was in force at a moment of the past
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_HISTORY_H
#define STEWARD_HISTORY_H

#include "access/access_internal.h"
#include "access/genam.h"
#include "access/htup.h"
#include "catalog/objectaccess.h"

/* Kinds of objects whose history is kept. */
typedef enum HistoryKind
{
	HISTORY_PROTECTED_RELATION,
	HISTORY_ROW_POLICY,
	HISTORY_COLUMN_MASK,
	HISTORY_TAG_MASK,
	HISTORY_COLUMN_TAG,
	HISTORY_NATIVE_POLICY,
	HISTORY_PURPOSE,
	HISTORY_PURPOSE_GRANT,
	HISTORY_ROLE_ATTRIBUTE,
	HISTORY_BREAK_GLASS_GRANT,
	HISTORY_TRUSTED_OBJECT
} HistoryKind;

#define HISTORY_KIND_COUNT (HISTORY_TRUSTED_OBJECT + 1)

/* Who acted before the owner of the history did. */
typedef struct HistoryActor
{
	Oid			userid;
	int			security;
} HistoryActor;

/* history.c */
extern void history_act_as_owner(HistoryActor *before);
extern void history_act_as_before(const HistoryActor *before);
extern void history_init(void);
extern void history_touch(HistoryKind kind);
extern void history_touch_everything(void);
extern void history_note_written(Oid relid, const char *policy, const char *using_text, const char *check_text);
extern void history_object_access(ObjectAccessType access, Oid classid, Oid objid, int subid);

/* past.c: the tables of governance, as they are (past is NULL) or were */
typedef struct Past Past;
typedef struct FactScan FactScan;

extern Past *past_open(TimestampTz at);
extern void past_close(Past *past);
extern const Past *past_at(TimestampTz at);
extern char *past_role_name(Oid roleid);

extern FactScan *facts_begin(const Past *past, StewardTable table, int nkeys, ScanKey keys);
extern HeapTuple facts_next(FactScan *scan);
extern TupleDesc facts_desc(const FactScan *scan);
extern void facts_end(FactScan *scan);

/* An expression that a policy of PostgreSQL had. */
typedef struct PastExpression
{
	char	   *name;			/* of the policy or mask */
	char	   *using_text;
	char	   *check_text;		/* NULL: none */
	TimestampTz since;			/* its names are those of this moment */
} PastExpression;

extern List *past_expressions(const Past *past, HistoryKind kind, Relation rel);
extern bool past_parse(const Past *past, Relation rel, const PastExpression *expression,
					   Expr **using_expr, Expr **check_expr, char **problem);
extern List *past_native_policies(const Past *past, Relation rel, List **problems);
extern List *past_column_tags(const Past *past, Oid relid, AttrNumber attno);
extern List *past_lost_masks(const Past *past, Oid relid);

/* governance.c */
extern const Governance *governance_at(Oid relid, const Past *past);

#endif							/* STEWARD_HISTORY_H */
