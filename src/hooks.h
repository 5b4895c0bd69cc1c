/*-------------------------------------------------------------------------
 *
 * hooks.h
 *	  The dispatcher: the one place where shared hooks are installed.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_HOOKS_H
#define STEWARD_HOOKS_H

extern void hooks_install(void);

#endif							/* STEWARD_HOOKS_H */
