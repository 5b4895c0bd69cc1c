/*-------------------------------------------------------------------------
 *
 * enforce.h
 *	  What plans over governed relations carry with them.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_ENFORCE_H
#define STEWARD_ENFORCE_H

/*
 * Kinds of items in PlannedStmt.invalItems: PlanInvalItem.cacheId below every
 * real one; hashValue holds an OID.
 */
#define ITEM_SUBJECT		(-4001) /* the subject the plan was made for */
#define ITEM_SESSION		(-4002) /* the session role it was made for */
#define ITEM_SEEN			(-4003) /* a governed relation that was dealt with */
#define ITEM_EXEMPT			(-4004) /* a foreign-key check: nothing applies */
#define ITEM_NEED_SUBJECT	(-4005) /* whom the ITEM_NEED that follow concern */
#define ITEM_NEED_RELATION	(-4006) /* whose broken glass lets the next
									 * ITEM_NEED in */
#define ITEM_TRACE_SUBJECT	(-4007) /* whom the ITEM_TRACE that follow concern */
#define ITEM_NEED			(-4100) /* minus command: must be let in at start */
#define ITEM_RELY			(-4200) /* the same, and the predicates rely on it */

#define ITEM_TRACE			(-4300) /* minus TRACE_* and commands: for
									 * last_access() */
#define ITEM_TRACE_MASKED	(-5000) /* minus number of a column that is masked */

/* For record.c, after the ITEM_TRACE_SUBJECT that they concern. */
#define ITEM_ACCESS			(-10000)	/* minus ACCESS_* bits: an access to
										 * the relation */
#define ITEM_COLUMNS		(-20000)	/* minus n: columns 32 n and on of
										 * that access, as bits */

#endif							/* STEWARD_ENFORCE_H */
