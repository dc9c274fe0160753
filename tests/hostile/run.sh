#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs hostile.c in a folder of its own and removes it: run.sh HOSTILE TAEL INPUTS. What the server
# says is shown only when the test fails.
set -eu
folder=$(mktemp -d "${TMPDIR:-/tmp}/tael-hostile.XXXXXX")
trap 'rm -rf "$folder"' EXIT
if ! "$1" "$2" "$folder" "$3"; then
    tail -n 40 "$folder/trace"
    exit 1
fi
"$2" verify "$folder/data" --replay
