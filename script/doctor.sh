# shellcheck shell=sh
# What only this machine knows, for `./sidemirror doctor`: engine, images, containers, disk. The sidecar tells the rest.

doctor() {
    start_engine_if_needed
    fact "Sidemirror" "$(git describe --always --dirty 2>/dev/null || echo 'not a git checkout')"
    fact "machine" "$(uname -srm), $(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release 2>/dev/null)"
    fact "Docker" "$(docker version --format '{{.Client.Version}} (client), {{.Server.Version}} (engine)' 2>&1 | head -n 1)"
    fact "Compose" "$(docker compose version --short 2>&1)"
    fact "target" "$([ -n "$(supabase_host)" ] && echo 'another machine' || echo 'the local stand-in')"
    docker compose config --images 2>/dev/null | sort -u | while read -r image; do
        fact "image" "$image $(docker image inspect --format '{{.Id}} of {{.Created}}' "$image" 2>/dev/null | cut -c8-19,72-94 || true)"
    done
    docker compose ps --all --format '{{.Service}} {{.State}} {{.Health}}, {{.Status}}' 2>/dev/null | while read -r line; do fact "service" "$line"; done
    docker compose ps --all --quiet 2>/dev/null | xargs -r docker inspect --format \
        '{{index .Config.Labels "com.docker.compose.service"}}: {{.RestartCount}} restarts, out of memory: {{.State.OOMKilled}}, ended with {{.State.ExitCode}}' |
        while read -r line; do fact "service" "$line"; done
    volumes=${SIDEMIRROR_VOLUMES:-volumes}
    [ ! -d "$volumes" ] || fact "disk" "$(df -PTh "$volumes" | awk 'NR == 2 { print $2 ", " $5 " free of " $3 }')"
    if [ -n "$(docker compose ps --quiet --status running backup)" ]; then
        compose_tty exec backup python -m backup doctor "$@"
    fi
    say "The sidecar does not run; this is what one that is started now finds:"
    compose_tty run --rm --no-deps backup python -m backup doctor "$@"
}

# fact SUBJECT WORDS
fact() { printf 'ok    %s: %s\n' "$1" "$2"; }
