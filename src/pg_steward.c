/*-------------------------------------------------------------------------
 *
 * pg_steward.c
 *	  Opens the rooms of the house, lowest first.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access.h"
#include "audit/audit.h"
#include "common/common.h"
#include "crypto/crypto.h"
#include "hooks.h"
#include "ledger/ledger.h"
#include "miscadmin.h"
#include "registry/registry.h"

STEWARD_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

/*
 * Loaded at server start, the library opens its rooms.  Loaded later (by
 * LOAD, or by calling a function), it does nothing: its functions then raise
 * an error that tells what to do.
 */
void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;

	settings_init();
	catalog_init();
	crypto_init();
	ledger_init();
	audit_init();
	access_init();
	registry_init();

	/* What statements are known by in the access log. */
	EnableQueryId();

	MarkGUCPrefixReserved("steward");
	hooks_install();
}
