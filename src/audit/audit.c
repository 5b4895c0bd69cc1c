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

/* What rooms above answer. */
AuditQuestions audit_questions;

/* Takes over what a room above answers; called while libraries are preloaded. */
void
audit_ask(const AuditQuestions *questions)
{
	if (questions->subject)
		audit_questions.subject = questions->subject;
	if (questions->purpose)
		audit_questions.purpose = questions->purpose;
	if (questions->admit_inference)
		audit_questions.admit_inference = questions->admit_inference;
}

/* Called once, while libraries are preloaded. */
void
audit_init(void)
{
	access_format_init();
	queue_init();
	writer_init();
	keeper_init();
	ship_init();
	launcher_init();
	installation_init();
	database_init();
	inference_init();
	change_init();
	presence_init();
}
