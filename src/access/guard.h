/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  What the files of the guard share among themselves.
 *
 * guard.c			statements: what is left to do before and after them
 * guard_objects.c	catalog objects that are made, altered, dropped: decides
 * guard_catalog.c	what is governed and whom an allowance lets through
 * guard_check.c	expressions, types and objects: could they show a row?
 * guard_roles.c	statements about pg_steward's own roles
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_GUARD_H
#define STEWARD_GUARD_H

#include "access/access_internal.h"
#include "access/htup.h"
#include "nodes/parsenodes.h"

/* A carried policy that went while its table stayed. */
typedef struct LostPolicy
{
	Oid			relid;
	NameData	name;
} LostPolicy;

/* A column that got another name. */
typedef struct RenamedColumn
{
	Oid			relid;
	NameData	old;
	NameData	new;
} RenamedColumn;

typedef struct GuardLevel
{
	struct GuardLevel *outer;
	uint64		id;
	int			nest;			/* transaction nesting level at which it began */
	Oid			subject;		/* who acted when it began: core may switch to
								 * the table's owner */
	NodeTag		tag;
	ObjectType	object;			/* of DROP and RENAME */
	bool		using_clause;	/* ALTER COLUMN TYPE … USING */
	bool		detaches;		/* DETACH PARTITION */
	bool		finishing;		/* our own clean-up runs: refuse nothing */
	bool		weakens;		/* DISABLE or NO FORCE ROW LEVEL SECURITY */
	List	   *unsecured;		/* governed relations whose row security was
								 * off before */
	List	   *created;		/* relations not governed before the
								 * statement: checked at its end */
	List	   *joined;			/* relations to which it gave a governed
								 * parent */
	List	   *left;			/* child and parent, alternating, that it
								 * parted */
	List	   *dropped;		/* relations of which governance speaks */
	List	   *lost;			/* of LostPolicy */
	List	   *renamed;		/* of RenamedColumn */
} GuardLevel;

/* guard.c */
extern GuardLevel *current_level;

extern void guard_note(List **list, Oid oid);
extern void *guard_alloc(Size size);
extern void guard_append(List **list, void *item);
extern bool guard_within(NodeTag tag);
extern bool guard_checks_later(Oid relid);
extern Oid	guard_subject(void);

/* guard_objects.c */
extern void guard_require_allowance(Oid relid, const char *action, const char *detail);

/* guard_catalog.c */
extern List *guard_protectors(Oid relid);
extern bool guard_governs(Oid relid);
extern bool guard_is_protected(Oid relid);
extern char *guard_name_protected(int limit);
extern List *guard_parents(Oid relid);
extern List *guard_everything(void);
extern List *guard_unsecured(void);
extern HeapTuple guard_fetch_new(Oid catalog, Oid index, AttrNumber attno, Oid oid);
extern bool guard_inherits(Oid child, Oid parent, bool uncommitted);
extern List *guard_relations_of_type(Oid typid);
extern List *guard_relations_of_function(Oid funcid);
extern bool guard_policy_is_registered(Oid relid, Name name);
extern bool guard_has_rows_about(Oid relid);
extern void guard_delete_rows_about(Oid relid);
pg_noreturn extern void guard_refuse(Oid relid, const char *action, const char *detail);

/* guard_check.c: each returns a sentence that says what is wrong, or NULL */
extern char *guard_check_constraint(HeapTuple constraint, bool rows_exist);
extern char *guard_check_index(Oid indexid);
extern char *guard_check_default(Oid relid, AttrNumber attnum);
extern char *guard_check_statistics(HeapTuple statistics);
extern char *guard_check_type(Oid typid);
extern char *guard_check_domain_default(HeapTuple type);
extern char *guard_check_new_column(Oid relid, AttrNumber attnum);
extern char *guard_check_altered_column(Oid relid, AttrNumber attnum);
extern char *guard_check_relation(Oid relid);
extern bool guard_index_is_clone(Oid indexid);
extern bool guard_trigger_is_clone(HeapTuple trigger);

/* guard_roles.c */
extern void guard_role_statement(Node *stmt);
extern bool guard_names_carrier(List *rolespecs);

#endif							/* STEWARD_GUARD_H */
