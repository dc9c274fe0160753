#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs full.c on a file system of 1,088 MiB in memory, mounted in a namespace of its own: run.sh
# FULL TAEL. Exits 77 (skipped) where a namespace or the mount is not permitted. What the server
# says is shown only when the test fails.
set -eu
if [ "${TAEL_FULL_INSIDE:-}" = "" ]; then
    folder=$(mktemp -d "${TMPDIR:-/tmp}/tael-full.XXXXXX")
    trap 'rm -rf "$folder"' EXIT
    for how in -m -rm; do
        if unshare $how mount -t tmpfs -o size=1088M tmpfs "$folder" 2>/dev/null; then
            TAEL_FULL_INSIDE=$folder unshare $how "$0" "$@"
            exit
        fi
    done
    echo "no mount in a namespace of its own is permitted here"
    exit 77
fi
folder=$TAEL_FULL_INSIDE
trace=$(mktemp)
trap 'rm -f "$trace"' EXIT
for reserve in 33554432 0; do
    mount -t tmpfs -o size=1088M tmpfs "$folder"
    if ! "$1" "$2" "$folder/data" "$trace" $reserve 2>"$trace"; then
        tail -n 40 "$trace"
        exit 1
    fi
    "$2" verify "$folder/data"
    umount "$folder"
done
