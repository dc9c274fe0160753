// SPDX-License-Identifier: Apache-2.0
//
// `tael bench`: loads a server through the TigerBeetle protocol and reports what it does.
//
// Each request waits for the reply before it, as the official load generator does; every result is
// checked. Without --connect it starts a server of its own in a fresh folder, waits until its
// background work is drained, restarts it after a clean stop and after a kill in the middle of a
// load, looks up what was acknowledged, and removes the folder.
#ifndef TAEL_CLI_BENCH_H
#define TAEL_CLI_BENCH_H

// `argv[0]` is "bench". Returns the exit code: 0 done, 1 the server refused or lost something that
// it must not, 2 usage, 3 environment.
int bench_main(int argc, char **argv);

#endif
