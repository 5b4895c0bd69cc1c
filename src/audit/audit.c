/*-------------------------------------------------------------------------
 *
 * audit.c
 *	  Opens the room "audit".
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "audit/audit_internal.h"

/* Called once, while libraries are preloaded. */
void
audit_init(void)
{
	queue_init();
	writer_init();
	keeper_init();
	launcher_init();
	installation_init();
	database_init();
}
