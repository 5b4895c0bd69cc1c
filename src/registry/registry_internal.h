/*-------------------------------------------------------------------------
 *
 * registry_internal.h
 *	  What the files of room "registry" share.
 *
 * sealed.c		tables that pg_steward alone writes, and how it does
 * gate.c		gates: conditions that are asked before a stage changes
 * stage.c		stages, approvals, deployments
 * use.c		grants of models, quarantine
 * admission.c	may the subject use a model's version?
 * run.c		runs
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_REGISTRY_INTERNAL_H
#define STEWARD_REGISTRY_INTERNAL_H

#include "registry/registry.h"

#define MAX_REASON_CHARACTERS	10000

/*
 * sealed.c: statements with text arguments (NULL stands for NULL).  Between
 * registry_begin() and registry_end(); registry_value() reads a result of the
 * last one, palloc'd in the context of registry_begin(), or NULL.
 */
extern void registry_begin(const char *what);
extern void registry_end(void);
extern uint64 registry_execute(const char *sql, int n, const char *const *args);
extern uint64 registry_write(const char *sql, int n, const char *const *args);
extern char *registry_value(uint64 row, int column);

extern void registry_require(StewardRole role, StewardRole other, StewardRole third);
extern void registry_require_own_statement(const char *function);
extern const char *registry_subject(void);
extern char *registry_argument(FunctionCallInfo fcinfo, int n);
extern void registry_check_reason(const char *what, const char *reason, bool required);
extern void registry_require_version(const char *model, const char *version);
extern void registry_lock_model(const char *model);

/* gate.c */
typedef struct GateResult
{
	char	   *name;
	bool		required;
	bool		passed;
	char	   *measured;		/* or NULL, as the next two */
	char	   *threshold;
	char	   *reason;			/* why it could not be asked */
} GateResult;

extern List *gates_ask(const char *model, const char *version, const char *stage);
extern int	stage_number(const char *stage);	/* 0: draft; raises for unknown ones */

/* use.c */
extern void require_not_quarantined(const char *model, const char *version);

/* run.c */
extern void run_init(void);

#endif							/* STEWARD_REGISTRY_INTERNAL_H */
