/*-------------------------------------------------------------------------
 *
 * entity.h
 *	  Whom the rows of governed relations are about.
 *
 * entity_plan.c      has queries tell it
 * record_entity.c    keeps it for the access log, as keyed hashes
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_ENTITY_H
#define STEWARD_ENTITY_H

#include "access/access_internal.h"
#include "nodes/primnodes.h"

/* The parser never makes such a call of touch_entity(). */
#define TOUCH_BY_PLAN		COERCE_SQL_SYNTAX

/* entity_plan.c */
extern void entity_enforce(Query *query, int rtindex, Oid relid, AttrNumber column, int ordinal);

/* record_entity.c: the entities of one access */
typedef struct Entities
{
	Oid			relid;
	bool		beyond;			/* more than the limit, or they cannot be told */
	int			limit;
	int			n;
	int			max;
	int64	   *hashes;			/* ascending */
	MemoryContext context;
} Entities;

extern void record_entity_init(void);
extern Entities *entities_make(MemoryContext context, Oid relid);

#endif							/* STEWARD_ENTITY_H */
