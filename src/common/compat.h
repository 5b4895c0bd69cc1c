/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  The one place that knows PostgreSQL's versions.
 *
 * Supported: 15 to 18.  Everything else in the extension is written against
 * the names defined here or against names that all of them share.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_COMPAT_H
#define STEWARD_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "pg_steward supports PostgreSQL 15 to 18"
#endif

/* Before 16, PGDLLEXPORT does not lift -fvisibility=hidden. */
#if PG_VERSION_NUM < 160000
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
#endif

#include "nodes/parsenodes.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"

#if PG_VERSION_NUM >= 180000
#define STEWARD_MODULE_MAGIC \
	PG_MODULE_MAGIC_EXT(.name = "pg_steward", .version = STEWARD_VERSION)
#else
#define STEWARD_MODULE_MAGIC PG_MODULE_MAGIC
#endif

#endif							/* STEWARD_COMPAT_H */
