/*-------------------------------------------------------------------------
 *
 * registry.h
 *	  Public face of the room "registry": AI systems, their models, the models'
 *	  versions, stages, gates and runs.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_REGISTRY_H
#define STEWARD_REGISTRY_H

#include "common/common.h"
#include "executor/execdesc.h"
#include "tcop/utility.h"
#include "utils/uuid.h"

extern void registry_init(void);

/*
 * sealed.c: what pg_steward alone writes.  Called before a statement, before a
 * plan runs, and once it may run.
 */
extern void registry_before_utility(PlannedStmt *pstmt);
extern void registry_executor_start(QueryDesc *desc, int eflags);
extern void registry_executor_started(QueryDesc *desc, int eflags);

/*
 * admission.c: may inferences of this version be logged?  Raises (or, with
 * INFERENCE_REGISTRY_WARN, warns) unless it is registered; raises where it is
 * quarantined or not granted to the subject.
 */
extern void registry_admit_inference(const char *model, const char *version,
									 const char *purpose, int mode);

/*
 * run.c: for room lineage.  The run of which the session is part, NULL where
 * there is none; cheap.  What it read and wrote is noted as part of the
 * transaction: relation as lineage writes it ("schema.table" or a URI), rows
 * -1 where they are not known.  Nothing is noted for a run that has ended.
 */
extern const pg_uuid_t *registry_run_current(void);
extern void registry_run_reads(const char *relation, int64 rows, bool filtered, bool masked);
extern void registry_run_writes(const char *relation, int64 rows);

#endif							/* STEWARD_REGISTRY_H */
