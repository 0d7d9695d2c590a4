# shellcheck shell=sh
# A Docker Engine that answers, Compose v2 and buildx: found, installed from the distribution, started.

NEED_ENGINE=20.10
NEED_COMPOSE=2.20.2 # the first to know `depends_on: required: false`
DOCKERD_LOG=${DOCKERD_LOG:-/var/log/dockerd.log}

engine_version() { docker version --format '{{.Server.Version}}' 2>/dev/null; }
compose_version() { docker compose version --short 2>/dev/null; }
buildx_version() { docker buildx version 2>/dev/null | cut -d' ' -f2; }
is_root() { [ "$(id -u)" -eq 0 ]; }
has_systemd() { [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1; }

# require_docker: returns with all three there and the engine answering, or does not return.
require_docker() {
    missing=$(missing_parts)
    if [ -n "$missing" ]; then
        report_versions
        install_parts "$missing"
    fi
    engine_version >/dev/null || start_engine
    check_versions
}

# missing_parts: of "engine compose buildx" those that are not on this machine at all.
missing_parts() {
    if ! engine_version >/dev/null && [ -z "${DOCKER_HOST:-}" ] && ! command -v dockerd >/dev/null 2>&1; then
        printf 'engine '
    elif ! command -v docker >/dev/null 2>&1; then
        printf 'client '
    fi
    compose_version >/dev/null || printf 'compose '
    buildx_version | grep -q . || printf 'buildx '
}

report_versions() {
    say "Docker Engine    found: $(found "$(engine_version || installed_engine)")   needed: $NEED_ENGINE or newer"
    say "Docker Compose   found: $(found "$(compose_version)")   needed: $NEED_COMPOSE or newer"
    say "Docker buildx    found: $(found "$(buildx_version)")   needed: any"
}

found() { printf '%s' "${1:-none}"; }
installed_engine() { dockerd --version 2>/dev/null | sed 's/^Docker version \([^,]*\).*/\1 (not running)/'; }

check_versions() {
    engine=$(engine_version) compose=$(compose_version)
    if ! at_least "$engine" "$NEED_ENGINE" || ! at_least "$compose" "$NEED_COMPOSE"; then
        report_versions
        fail "$EXIT_MISSING" "Docker on this machine is too old." "upgrade the part named above, then run this again"
    fi
}

start_engine() {
    [ -z "${DOCKER_HOST:-}" ] ||
        fail "$EXIT_ENGINE" "The engine that DOCKER_HOST names ($DOCKER_HOST) does not answer." "unset DOCKER_HOST to use this machine's own engine"
    if ! is_root; then
        if [ -S /var/run/docker.sock ] && [ ! -w /var/run/docker.sock ]; then
            fail "$EXIT_ENGINE" "You ($(id -un)) may not talk to the Docker engine." \
                "sudo usermod -aG docker $(id -un), log in again; or run this with sudo"
        fi
        fail "$EXIT_ENGINE" "The Docker engine is installed but does not run." "sudo systemctl start docker"
    fi
    step "Starting the Docker engine"
    if has_systemd; then
        systemctl start docker >&2 || fail "$EXIT_ENGINE" "systemd could not start Docker." "journalctl -u docker -n 50"
    else
        forget_killed_engine
        # Its own session: Ctrl-C in this terminal must not reach the engine.
        setsid dockerd >>"$DOCKERD_LOG" 2>&1 </dev/null &
        engine_pid=$!
    fi
    wait_for 60 engine_answers_or_ended
    engine_version >/dev/null || {
        has_systemd || tail -n 15 "$DOCKERD_LOG" >&2
        fail "$EXIT_ENGINE" "The Docker engine was started but does not answer." "read $DOCKERD_LOG or journalctl -u docker"
    }
}

engine_answers_or_ended() { engine_version || { [ -n "${engine_pid:-}" ] && ! kill -0 "$engine_pid"; }; }

# An engine that was killed leaves its pid files, and the next one refuses to start beside them.
forget_killed_engine() {
    for pid_file in /var/run/docker.pid /var/run/docker/containerd/containerd.pid; do
        [ -f "$pid_file" ] || continue
        engine_lives "$(cat "$pid_file")" || rm -f "$pid_file"
    done
}

# engine_lives PID: the number may be another program's by now, or one that has ended and was not reaped.
engine_lives() {
    case $(sed -n 's/^Name:[[:space:]]*//p; s/^State:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null | tr '\n' ' ') in
        *' Z'*) return 1 ;;
        'dockerd '* | 'containerd '*) return 0 ;;
        *) return 1 ;;
    esac
}
