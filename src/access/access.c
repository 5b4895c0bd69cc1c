/*-------------------------------------------------------------------------
 *
 * access.c
 *	  Opens the room "access".
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access_internal.h"
#include "access/history.h"
#include "audit/audit.h"

/* Called once, while libraries are preloaded. */
void
access_init(void)
{
	static const AuditQuestions answers = {.subject = access_subject_name,.purpose = access_purpose};

	audit_ask(&answers);
	subject_init();
	governance_init();
	trust_init();
	observe_init();
	guard_init();
	identity_init();
	issuer_init();
	mask_hash_init();
	glass_init();
	record_init();
	second_person_init();
	history_init();
}

/* Shared memory of the room. */
Size
access_shmem_size(void)
{
	return observe_shmem_size();
}

/* Called in shmem_startup_hook, under AddinShmemInitLock. */
void
access_shmem_init(void)
{
	observe_shmem_init();
}
