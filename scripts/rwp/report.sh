# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the user sees of a long run: numbered steps with the time that has
# passed, one log a step, and an ending that says what failed and what to do.
# Sourced after settings.sh.
# shellcheck shell=bash

# What ninja says itself is for its log; its children have the user's terminal.
if [ -n "${RWP_UNDER_NINJA:-}" ]; then
    exec >&5 2>&6
fi

# Their order here is their number on the screen.
RWP_STEPS=(packages fetch tree configure compile vm)

# The first script of a run starts the clock, its children inherit it.
export RWP_STARTED=${RWP_STARTED:-$(date +%s)}

elapsed() {
    local s=$(( $(date +%s) - RWP_STARTED ))
    printf '%d:%02d' $((s / 60)) $((s % 60))
}

# step NAME TEXT: say what happens now.
step() {
    local i
    for i in "${!RWP_STEPS[@]}"; do
        [ "${RWP_STEPS[i]}" != "$1" ] ||
            printf '[%d/%d %s] %s\n' $((i + 1)) ${#RWP_STEPS[@]} "$(elapsed)" "$2"
    done
}

note() { printf '          %s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }

# die WHAT [WHAT-TO-DO]: the last lines of a failed run.
die() {
    {
        printf '\nerror: %s\n' "$1"
        [ $# -lt 2 ] || printf '       %s\n' "${@:2}"
    } >&2
    exit 1
}

free_mib() {
    local dir=$1
    while [ ! -d "$dir" ]; do dir=$(dirname "$dir"); done
    df -Pm "$dir" | awk 'NR == 2 { print $4 }'
}

# need_space DIR MIB WHAT-FOR: better said now than half way through.
need_space() {
    local free
    free=$(free_mib "$1")
    [ "$free" -ge "$2" ] ||
        die "the disk is too full for $3: $1 has $free MiB free, $2 MiB are needed." \
            "Free some space there, or put the clone (build/) or RWP_CACHE= on another disk, and run the same command again."
}

# No script ends without a word: a command that nobody expected to fail.
set -o errtrace
trap 'status=$?; [ $BASH_SUBSHELL != 0 ] || printf "\nerror: %s, line %s: \"%s\" failed (status %s); logs are in %s\n" \
          "$0" "$LINENO" "$BASH_COMMAND" "$status" "$RWP_LOGS" >&2' ERR

make_dir() {
    local dir
    for dir; do
        mkdir -p "$dir" 2>/dev/null && [ -w "$dir" ] ||
            die "cannot write into the folder $dir: no permission, or a full or read-only disk." \
                "The clone's build/ and RWP_CACHE ($RWP_CACHE) must be writable for $(id -un)."
    done
}

# logged LOG WHAT COMMAND...: run it with its output in build/logs/LOG; when
# it fails, show the end of the log, and say so when it is the disk's fault.
logged() {
    local log=$RWP_LOGS/$1 what=$2 status=0
    shift 2
    make_dir "$RWP_LOGS"
    "$@" >"$log" 2>&1 </dev/null || status=$?
    [ $status = 0 ] || failed "$log" "$what" $status
}

# failed LOG WHAT STATUS: the ending that `logged` and its like share.
failed() {
    local log=$1 what=$2 status=$3
    if [ "$status" -gt 128 ]; then
        die "$what was stopped by signal $((status - 128))." \
            "Run the same command again: it goes on where it stopped."
    fi
    tail -n 20 "$log" | sed 's/^/    | /' >&2
    if grep -qs 'No space left on device' "$log"; then
        die "$what failed: the disk is full ($(free_mib "$RWP_BUILD") MiB free below $RWP_BUILD, $(free_mib "$RWP_CACHE") MiB below $RWP_CACHE)." \
            "The log: $log" \
            "Free some space and run the same command again: it goes on where it stopped."
    fi
    die "$what failed." "The log: $log"
}

# One run at a time works on build/: several people or helpers may share it.
lock_build() {
    [ -z "${RWP_LOCKED:-}" ] || return 0
    make_dir "$RWP_BUILD"
    exec 9>"$RWP_BUILD/.lock"
    if ! flock -n 9; then
        note "another run is working in $RWP_BUILD; waiting for it to end"
        flock 9
    fi
    export RWP_LOCKED=1
}
