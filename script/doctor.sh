# shellcheck shell=sh
# `./sidemirror doctor`. What only this machine knows stands here: engine, settings, images, containers, ports, disk. The
# sidecar tells the rest, and where it does not run, one that is started for the question. Nothing is installed or changed.

doctor() {
    report=$(mktemp) || exit 1
    trap 'rm -f "$report" "$report.code"' EXIT
    [ $# -eq 0 ] || fail "$EXIT_USAGE" "doctor takes no option."
    { about_this_machine && about_the_sidecar; } | tee "$report"
    bad=$(grep -c '^WRONG' "$report") notes=$(grep -c '^NOTE' "$report")
    printf '\n%s\n' "$([ "$bad" -eq 0 ] && echo 'Nothing is wrong.' || echo "$bad wrong: see the lines that begin with WRONG, the first one first.")$([ "$notes" -eq 0 ] || echo " $notes to look at: NOTE.")"
    [ "$bad" -gt 0 ] || exit 0
    code=$(cat "$report.code" 2>/dev/null)
    [ "${code:-0}" -gt 0 ] || code=1
    exit "$code"
}

# Each line: ok SUBJECT WORDS; note or wrong SUBJECT WORDS REMEDY.
ok() { printf 'ok    %s: %s\n' "$1" "$2"; }
note() { printf 'NOTE  %s: %s\n  Try: %s\n' "$1" "$2" "$3"; }
wrong() { printf 'WRONG %s: %s\n  Try: %s\n' "$1" "$2" "$3"; }

# about_this_machine: fails where there is no use in asking the sidecar.
about_this_machine() {
    ok "Sidemirror" "$(git describe --always --dirty 2>/dev/null || echo 'not a git checkout')"
    ok "machine" "$(uname -srm), $(system_name)"
    about_docker && about_settings || return 1
    ok "target" "$([ -n "$(supabase_host)" ] && echo 'another machine' || echo 'the local stand-in')"
    about_images && about_services
    about_ports
    about_disk
}

about_docker() {
    engine=$(engine_version) compose=$(compose_version)
    if [ -z "$engine" ]; then
        echo "$EXIT_ENGINE" >"$report.code"
        wrong "Docker" "no engine answers" "./sidemirror up, which installs and starts what is missing; as root, or as a member of the group docker"
        return 1
    fi
    told="engine $engine, Compose ${compose:-none}, buildx $(found "$(buildx_version)")"
    if at_least "$engine" "$NEED_ENGINE" && at_least "${compose:-0}" "$NEED_COMPOSE"; then
        ok "Docker" "$told"
    else
        wrong "Docker" "$told; needed are engine $NEED_ENGINE and Compose $NEED_COMPOSE, or newer" "upgrade it: docs.docker.com/engine/install, or ./sidemirror up, which says how"
    fi
    [ -n "$compose" ]
}

# Compose's own words can show a line of .env, so only those are shown that this repository has written.
about_settings() {
    if ! said=$(docker compose config --quiet 2>&1); then
        echo 2 >"$report.code"
        said=$(printf '%s\n' "$said" | sed -n 's/.*required variable \([A-Z_]*\) is missing a value: /\1: /p' | head -n 1)
        wrong "settings" "${said:-Compose cannot read .env or docker-compose.yml}" "correct .env; docker compose config --quiet says more, perhaps with a secret in it: do not paste that"
        return 1
    fi
    unknown_names | while read -r name; do note "settings" ".env sets $name, which nothing reads" "correct the name: .env.example has all of them"; done
}

about_images() {
    for image in $(docker compose config --images | sort -u); do
        if made=$(docker image inspect --format '{{slice .Id 7 19}} of {{slice .Created 0 19}}' "$image" 2>/dev/null); then
            ok "image" "$image, $made"
        else
            wrong "image" "$image is not there" "./sidemirror up"
        fi
    done
}

about_services() {
    for service in $(docker compose config --services | sort); do
        container=$(docker compose ps --all --quiet "$service")
        facts='{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{else}}-{{end}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.RestartCount}}'
        # shellcheck disable=SC2046
        set -- $([ -z "$container" ] || docker inspect --format "$facts" "$container")
        [ $# -eq 5 ] || set -- missing - 0 false 0
        about_service "$service" "$@"
    done
}

# about_service NAME STATE HEALTH EXIT-CODE OUT-OF-MEMORY RESTARTS
about_service() {
    case $1:$2:$4 in
        prepare:exited:0 | restore-on-empty:exited:0) ok "service" "$1 has done its work" && return ;;
        *:missing:*) wrong "service" "$1 was never started" "./sidemirror up" && return ;;
        *:running:*) ;;
        *) wrong "service" "$1 does not run: $2 with code $4" "./sidemirror logs $1 for the reason; ./sidemirror up" && return ;;
    esac
    told="$1 runs, health $3, $6 restarts"
    if [ "$3" = unhealthy ]; then
        wrong "service" "$told" "./sidemirror logs $1"
    elif [ "$5" = true ]; then
        wrong "service" "$told; it ran out of memory" "./sidemirror logs $1; raise its mem_limit in a docker-compose.override.yml"
    elif [ "$6" -gt 0 ]; then
        note "service" "$told: it ended, and Docker started it again" "./sidemirror logs $1"
    else
        ok "service" "$told"
    fi
}

# Ports that other machines can reach: an override can open them, or Docker's own settings.
about_ports() {
    bound='{{range .NetworkSettings.Ports}}{{range .}}{{.HostIp}} {{.HostPort}}{{println}}{{end}}{{end}}'
    open=$(docker compose ps --quiet | xargs -r docker inspect --format "$bound" | sed -n '/^127\./d; /^::1 /d; s/.* //p' | sort -un | tr '\n' ' ')
    if [ -n "$open" ]; then
        wrong "ports" "other machines can reach: $open" "bind them to 127.0.0.1 in docker-compose.override.yml; to the page with a proxy of yours and STATUS_PASSWORD"
    else
        ok "ports" "none can be reached from another machine"
    fi
}

about_disk() {
    volumes=$(volumes_folder)
    [ -d "$volumes" ] || return 0
    # shellcheck disable=SC2046
    set -- $(df -PTk "$volumes" | awk 'NR == 2 { print $2, int($5 / 1024), int($3 / 1024) }')
    if [ "${2:-0}" -lt 1024 ]; then
        wrong "disk of volumes/" "$1, $2 MB free of $3" "make room: docker system df shows what Docker uses, docker builder prune frees a part of it"
    else
        ok "disk of volumes/" "$1, $2 MB free of $3"
    fi
}

about_the_sidecar() {
    if [ ! -d "$(volumes_folder)/state" ]; then
        wrong "sidecar" "nothing was ever started here" "./sidemirror up"
        return
    fi
    if [ -n "$(docker compose ps --quiet --status running backup)" ]; then
        docker compose exec -T backup python -m backup doctor
    elif docker image inspect "$(docker compose config --images backup | grep /backup: | head -n 1)" >/dev/null 2>&1; then
        once_in_backup doctor
    else
        false
    fi
    echo $? >"$report.code"
}
