#!/bin/sh
# Makes the folders under volumes/, gives each to the service that uses it, and generates what
# secrets were not given. Every step can be repeated, and a kill between any two of them is mended
# by the next start: files appear whole (written aside, then renamed).
#
# It is root, and the folders belong to services that may have been taken over. So it writes in a
# folder of its own only, and renames from there, which follows no link; it reads regular files
# only; and it gives files away from inside their folder (find -execdir), without following links.
set -euC
umask 077

volumes=${VOLUMES:-/volumes}
bot_uid=${BOT_UID:-10001}
bot_gid=${BOT_GID:-10001}
postgres_uid=999

# The person who owns volumes/ keeps what a person puts files into: certificates, a password.
person=$(stat -c %u "$volumes")
person_group=$(stat -c %g "$volumes")

main() {
    numbers_or_exit
    rm -rf "$volumes"/.prepare.*
    own=$(mktemp -d "$volumes/.prepare.XXXXXX")
    trap 'rm -rf "$own"' EXIT
    folder sqlite "$bot_uid:$bot_gid" 0750
    folder json "$bot_uid:$bot_gid" 0750
    folder emergency "$bot_uid:$bot_gid" 0750
    folder state "$bot_uid:$bot_gid" 0750
    folder notes "$bot_uid:$bot_gid" 0750
    folder postgres "$postgres_uid:$postgres_uid" 0700
    folder ca "$person:$postgres_uid" 0775
    folder secrets "$person:$person_group" 0711
    folder secrets/backup "$bot_uid:$bot_gid" 0500
    folder secrets/restore "$bot_uid:$bot_gid" 0500
    folder secrets/postgres "$postgres_uid:$postgres_uid" 0500
    folder secrets/page "$bot_uid:$bot_gid" 0500
    belongs_to_bot sqlite json emergency state notes
    installation
    passwords
    notices alert_urls ALERT_URLS "${ALERT_URLS:-}"
    notices discord_webhook_url DISCORD_WEBHOOK_URL "${DISCORD_WEBHOOK_URL:-}"
    notices heartbeat_url HEARTBEAT_URL "${HEARTBEAT_URL:-}"
}

numbers_or_exit() {
    for number in "$bot_uid" "$bot_gid"; do
        case $number in
            '' | 0 | *[!0-9]*)
                echo "prepare: BOT_UID and BOT_GID must be numbers above 0, not \"$number\". Correct them in .env." >&2
                exit 2
                ;;
        esac
    done
}

# folder NAME OWNER MODE
folder() {
    mkdir -p "$volumes/$1"
    [ ! -L "$volumes/$1" ] || [ "$1" = "${1%/*}" ] || refuse "$1"
    chown "$2" "$volumes/$1"
    chmod "$3" "$volumes/$1"
}

# What a person copied in (a bot's older files, say) belongs to the bot like what it writes itself. A bot, a run or a drill
# that is at work takes files and folders away while they are looked at: then it is done once more.
belongs_to_bot() {
    for name; do
        for _ in 1 2 3 4 5 6 7 8 9; do
            owned "$name" 2>/dev/null && continue 2
        done
        owned "$name"
    done
}

owned() {
    find -P "$volumes/$1/." -ignore_readdir_race -mindepth 1 ! -uid "$bot_uid" -execdir chown -h "$bot_uid:$bot_gid" {} +
}

# file NAME OWNER MODE, content on standard input: there whole, or not at all.
file() {
    new=$(mktemp "$own/XXXXXX")
    cat >|"$new"
    chown -h "$2" "$new"
    chmod "$3" "$new"
    sync "$new"
    [ ! -d "$volumes/$1" ] || [ -L "$volumes/$1" ] || refuse "$1"
    mv -fT "$new" "$volumes/$1"
    rm -f "$volumes/$1.new" # of an older version, killed
}

# refuse NAME: what is there is nothing that this script has made.
refuse() {
    echo "prepare: volumes/$1 is not what it should be: a link, or a folder instead of a file." >&2
    echo "prepare: find out who put it there, remove it, and start again." >&2
    exit 2
}

# plain NAME: a regular file with something in it, and no link to one.
plain() { [ ! -L "$volumes/$1" ] && [ -f "$volumes/$1" ] && [ -s "$volumes/$1" ]; }

# The id of this installation, made once: a mirror has one holder, and this is its name.
installation() {
    plain state/installation ||
        file state/installation "$bot_uid:$bot_gid" 0644 </proc/sys/kernel/random/uuid
}

passwords() {
    if [ -z "${SUPABASE_DB_HOST:-}" ]; then
        password=$(target_password)
        [ -n "$password" ] || password=$(kept secrets/postgres/target_password)
        [ -n "$password" ] || password=$(generated)
        secret postgres "$postgres_uid:$postgres_uid" "$password"
    else
        password=$(target_password)
        [ -n "$password" ] || {
            echo "prepare: SUPABASE_DB_HOST is set, and no password is given." >&2
            echo "prepare: set SUPABASE_DB_PASSWORD (or SUPABASE_DB_PASSWORD_FILE) in .env, or write it to volumes/secrets/target_password." >&2
            exit 2
        }
    fi
    secret backup "$bot_uid:$bot_gid" "$password"
    secret restore "$bot_uid:$bot_gid" "$password"
    status_password
}

# The status page's own; empty where the page is to be open to everybody on this machine.
status_password() {
    value=$(given STATUS_PASSWORD "${STATUS_PASSWORD:-}" status_password)
    [ -n "$value" ] || value=$(kept secrets/status_password)
    secret page "$bot_uid:$bot_gid" "$value" status_password
}

# The password that a person gave, in .env or in a file; a file leaves no trace in `docker inspect`.
target_password() {
    value=$(given SUPABASE_DB_PASSWORD "${SUPABASE_DB_PASSWORD:-}" target_password) || exit
    if [ -n "$value" ]; then
        printf '%s' "$value"
    else
        kept secrets/target_password
    fi
}

# notices FILE VARIABLE VALUE: where the sidecar sends alerts and its sign of life. The sidecar's copy may be empty.
notices() {
    value=$(given "$2" "$3" "$1")
    secret backup "$bot_uid:$bot_gid" "$value" "$1"
}

# given VARIABLE VALUE FILE: the value from .env, or what is in the file that .env names, which is mounted at /given.
given() {
    if [ -s "/given/$3" ]; then
        [ -z "$2" ] || {
            echo "prepare: $1 and $1_FILE are both set. Keep one of them in .env." >&2
            exit 2
        }
        cat "/given/$3"
    else
        printf '%s' "$2"
    fi
}

kept() { ! plain "$1" || cat "$volumes/$1"; }
generated() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }

# secret SERVICE OWNER VALUE [FILE]: the service's own copy, written only when it differs, also in its owner.
secret() {
    name=secrets/$1/${4:-target_password}
    if [ "$(kept "$name")" != "$3" ] || [ "$(stat -c %u:%g:%a "$volumes/$name" 2>/dev/null)" != "$2:400" ]; then
        printf '%s' "$3" | file "$name" "$2" 0400
    fi
}

main
