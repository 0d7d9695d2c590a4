# shellcheck shell=sh
# How the script talks: progress to stderr, so that a command's own output stays clean.

if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$(printf '\033[1m') red=$(printf '\033[31m') green=$(printf '\033[32m') plain=$(printf '\033[0m')
else
    bold='' red='' green='' plain=''
fi

say() { printf '%s\n' "$*" >&2; }
step() { printf '%s==>%s %s\n' "$bold" "$plain" "$*" >&2; }
try() { printf '      Try: %s\n' "$*" >&2; }

# fail CODE WHAT [HINT]: the only way out for an error the script itself found.
fail() {
    printf '%sError:%s %s\n' "$red" "$plain" "$2" >&2
    [ -z "${3:-}" ] || try "$3"
    exit "$1"
}

# confirm QUESTION: yes where nobody can be asked (no terminal), otherwise what the person says.
confirm() {
    { [ -t 0 ] && [ -t 2 ]; } || return 0
    printf '%s [Y/n] ' "$1" >&2
    read -r answer || return 1
    case $answer in '' | [Yy]*) return 0 ;; *) return 1 ;; esac
}

# at_least FOUND NEEDED: compares the first three numbers of two versions.
at_least() {
    for place in 1 2 3; do
        found_part=$(version_part "$1" $place) needed_part=$(version_part "$2" $place)
        [ "$found_part" -eq "$needed_part" ] || break
    done
    [ "$found_part" -ge "$needed_part" ]
}

version_part() {
    part=$(printf '%s' "$1" | sed 's/^[^0-9]*//' | tr -c '0-9\n' '.' | cut -d. -f"$2")
    printf '%s' "${part:-0}"
}

# last_lines OPTIONS…: the containers' logs as plain text; Compose puts a terminal code before each line.
last_lines() { docker compose "$@" 2>&1 | sed "s/^$(printf '\033')\[2K//"; }

# wait_for SECONDS COMMAND…: polls until the command succeeds or the time is over.
wait_for() {
    deadline=$(($(date +%s) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$deadline" ] || return 1
        sleep 0.3 2>/dev/null || sleep 1
    done
}
