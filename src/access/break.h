/*-------------------------------------------------------------------------
 *
 * break.h
 *	  Paths that a test can switch off, to show that the canary test finds
 *	  it (test/fuzz).
 *
 * Only in a build with -DSTEWARD_BREAKABLE, which test/fuzz/run makes for
 * itself: there, the environment variable STEWARD_BREAK of the postmaster
 * names the path that does not work.  In every other build BROKEN() is false,
 * and nothing of it is compiled.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_BREAK_H
#define STEWARD_BREAK_H

#ifdef STEWARD_BREAKABLE
#define BROKEN(path) \
	(getenv("STEWARD_BREAK") != NULL && strcmp(getenv("STEWARD_BREAK"), path) == 0)
#else
#define BROKEN(path) false
#endif

#endif							/* STEWARD_BREAK_H */
