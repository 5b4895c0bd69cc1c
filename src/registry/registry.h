/*-------------------------------------------------------------------------
 *
 * registry.h
 *	  Public face of the room "registry": AI systems, their models, the models'
 *	  versions.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_REGISTRY_H
#define STEWARD_REGISTRY_H

#include "common/common.h"

extern void registry_init(void);

/*
 * admission.c: may inferences of this version be logged?  Raises (or, with
 * INFERENCE_REGISTRY_WARN, warns) unless it is registered.
 */
extern void registry_admit_inference(const char *model, const char *version, int mode);

#endif							/* STEWARD_REGISTRY_H */
