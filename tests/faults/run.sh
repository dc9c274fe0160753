#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs a program of this folder in a folder of its own, which it removes:
#   run.sh calls|files|stop|twice|clock PROGRAM TAEL ROUNDS [LIBRARY]
#   run.sh folders PROGRAM CASES
# SEED is the seed; the commit's when it is not given, so that it changes from run to run. What a
# server says is shown only when the test fails. Exits 77 (skipped) where a fault cannot be made.
set -eu
commit=$(git -C "$(dirname "$0")" rev-parse --short=7 HEAD 2>/dev/null || echo 1)
SEED=${SEED:-$(printf %d "0x$commit")}
mode=$1
program=$2
if [ "$mode" = folders ]; then
    exec "$program" "$3" "$SEED"
fi
folder=$(mktemp -d "${TMPDIR:-/tmp}/tael-faults.XXXXXX")
trap 'rm -rf "$folder"' EXIT
code=0
if [ "$mode" = calls ]; then
    "$program" "$3" "$folder" "$4" "$SEED" || code=$?
elif [ "$mode" = files ]; then
    "$program" "$3" "$folder" "$SEED" || code=$?
else
    "$program" "$mode" "$3" "$folder" "$4" "$SEED" ${5:+"$5"} || code=$?
fi
if [ $code != 0 ]; then
    [ $code = 77 ] && exit 77
    echo "seed $SEED; the server said:"
    tail -n 40 "$folder/trace" 2>/dev/null
    exit 1
fi
[ "$mode" = calls ] || "$3" verify "$folder/data" --replay
