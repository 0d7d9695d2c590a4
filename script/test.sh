# shellcheck shell=sh
# Every check of this repository. One line for each step with its time; what a failed step said stands below it; at the end
# each part with its time. Everything it starts has a name of its own and is taken away again.
#
# HYPOTHESIS_PROFILE=nightly: all of it at full length. Otherwise what is only repeated for confidence is left out: tests with
# the mark `nightly`, the gallery through the other ports and with Postgres 15, the benches but one.

TEST_PROJECT=sidemirror-test-$$
# Images of its own, too: what a stack of this machine runs on is not replaced by a test.
export SIDEMIRROR_TAG=$TEST_PROJECT
passed=0
failed=''

test_command() {
    case ${1:-all} in
        all | lint | unit | integration | stack | faults | soak) ;;
        *) fail "$EXIT_USAGE" "There is no part \"$1\"." "./sidemirror test [lint|unit|integration|stack|faults|soak]" ;;
    esac
    started=$(date +%s)
    export HYPOTHESIS_PROFILE="${HYPOTHESIS_PROFILE:-ci}"
    # Some of the checks read the environment: a developer's own settings must not change their outcome.
    unset COMPOSE_FILE COMPOSE_PROJECT_NAME COMPOSE_PROFILES SUPABASE_DB_HOST SUPABASE_DB_USER SUPABASE_DB_PORT \
        SUPABASE_DB_PASSWORD SOURCE_NAME BOT_IMAGE BOT_TOKEN BOT_TOKEN_FILE BOT_UID BOT_GID SIDEMIRROR_VOLUMES \
        SUPABASE_DB_PASSWORD_FILE STATUS_PASSWORD STATUS_PASSWORD_FILE STATUS_PORT STATUS_HOSTS DISCORD_WEBHOOK_URL DISCORD_WEBHOOK_URL_FILE EMERGENCY_DIR
    export COMPOSE_ENV_FILES=/dev/null
    scratch=$(mktemp -d)
    chmod 755 "$scratch"
    trap clean_up EXIT
    trap 'say; say "Interrupted: taking away what was started."; exit 130' INT
    trap 'say; say "Ended: taking away what was started."; exit 143' TERM

    require_docker
    require_base_image
    remove_leftovers
    run_step "tools" make_venv || finish
    case ${1:-all} in all | lint) part lint lint ;; esac
    case ${1:-all} in all | unit | integration | stack | faults | soak) part images test_image ;; esac
    case ${1:-all} in all | unit) part unit unit ;; esac
    case ${1:-all} in all | integration) integration ;; esac
    case ${1:-all} in all | stack | faults | soak) part images stack_images ;; esac
    case ${1:-all} in all | stack) part stack stack ;; esac
    case ${1:-all} in all | faults) part faults faults ;; esac
    case ${1:-all} in soak) part soak soak ;; esac
    finish
}

nightly() { [ "$HYPOTHESIS_PROFILE" = nightly ]; }

# part NAME COMMAND…: its seconds are added to those of the part in the table at the end.
part() {
    part_name=$1
    shift
    part_started=$(date +%s)
    "$@"
    part_code=$?
    printf '%s %s\n' "$part_name" "$(($(date +%s) - part_started))" >>"$scratch/times"
    return "$part_code"
}

# run_step NAME COMMAND…
run_step() {
    name=$1
    shift
    step_started=$(date +%s)
    printf '%s==>%s %-44s ' "$bold" "$plain" "$name"
    if "$@" >"$scratch/log" 2>&1; then
        passed=$((passed + 1))
        printf '%sok%s %4ss  %s\n' "$green" "$plain" "$(($(date +%s) - step_started))" "$(grep -E '^=*.*[0-9]+ passed' "$scratch/log" | tail -n 1 | tr -d '=')"
    else
        failed="$failed
    $name"
        printf '%sFAILED%s %ss\n' "$red" "$plain" "$(($(date +%s) - step_started))"
        tail -n 200 "$scratch/log" | sed 's/^/    /'
        return 1
    fi
}

finish() {
    printf '\n'
    [ ! -f "$scratch/times" ] || awk '!($1 in s) { order[++n] = $1 } { s[$1] += $2 }
        END { for (i = 1; i <= n; i++) printf "%-12s %5d s\n", order[i], s[order[i]] }' "$scratch/times"
    printf '%-12s %5d s.' "in all" "$(($(date +%s) - started))"
    if [ -n "$failed" ]; then printf ' Failed:%s\n' "$failed"; else printf '\n'; fi
    count=$(printf '%s' "$failed" | grep -c .)
    printf '\n%s passed, %s failed\n' "$passed" "$count"
    [ "$count" -eq 0 ]
    exit
}

# --- lint --------------------------------------------------------------------------------------------------------

lint() {
    run_step "ruff check" .venv/bin/ruff check .
    run_step "ruff format" .venv/bin/ruff format --check .
    run_step "mypy --strict" .venv/bin/mypy --strict mirror backup restore
    run_step "mypy --strict, the services" .venv/bin/mypy --strict services/bot/bot services/telegram/telegram_stand_in
    run_step "hadolint" dockerfiles .venv/bin/hadolint
    run_step "shellcheck" scripts .venv/bin/shellcheck --external-sources --check-sourced
    run_step "yamllint" .venv/bin/yamllint --strict docker-compose.yml services/compose .hadolint.yaml .compose-lint.yml .yamllint
    run_step "docker compose config" compose_config
    run_step "documentation" .venv/bin/python -m pytest -p no:cacheprovider tests/unit/test_docs.py tests/unit/test_monitoring.py
    run_step "documentation as a site" .venv/bin/zensical build --clean --strict
    run_step "compose-lint" .venv/bin/compose-lint check --strict-config --fail-on low --config .compose-lint.yml "$scratch/merged.yml"
}

dockerfiles() { git ls-files -z -- '*Dockerfile' | xargs -0 "$@"; }
# The files of script/ are checked as what they are: parts of ./sidemirror.
scripts() { git grep -zlE '^#!/bin/(ba)?sh' -- ':!*.py' ':!*.md' | xargs -0 "$@"; }

# Each road through the interpolated files: the stand-in, Supabase, a bot of one's own.
compose_config() {
    docker compose config --quiet &&
        SUPABASE_DB_HOST=db.example.org SUPABASE_DB_USER=postgres.ref docker compose config --quiet &&
        BOT_IMAGE=example/bot:1 docker compose config --quiet &&
        BOT_TOKEN=1:a docker compose config --quiet &&
        BOT_TOKEN_FILE=/etc/hostname docker compose config --quiet &&
        DISCORD_WEBHOOK_URL=https://example.org/1 docker compose config --quiet &&
        BOT_TOKEN=1:a DISCORD_WEBHOOK_URL_FILE=/etc/hostname docker compose config --quiet &&
        docker compose --profile '*' config --output "$scratch/merged.yml"
}

# make_venv: anew when requirements/ has changed or the last try was cut short.
make_venv() {
    wanted=$(cat requirements/*.txt | sha256sum | cut -c1-64)
    [ "$(cat .venv/made-from 2>/dev/null)" != "$wanted" ] || return 0
    python3 -c 'import venv, ensurepip' 2>/dev/null || install_venv
    rm -rf .venv
    python3 -m venv .venv && .venv/bin/pip install --quiet --disable-pip-version-check --requirement requirements/dev.txt &&
        printf '%s' "$wanted" >.venv/made-from
}

install_venv() {
    if ! is_root || [ -n "${SIDEMIRROR_NO_INSTALL:-}" ]; then
        say "Python 3 with venv is missing. As root: apt-get update && apt-get install -y python3-venv"
        return 1
    fi
    apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv git
}

# --- unit and integration: inside the shipped image ----------------------------------------------------------------

test_image() {
    run_step "build the test image" image test || finish
}

# image STAGE: of the sidecar's Dockerfile.
image() {
    docker buildx build --quiet --target "$1" --file backup/Dockerfile \
        --secret "id=ca,src=${SIDEMIRROR_CA_BUNDLE:-/etc/ssl/certs/ca-certificates.crt}" --tag "sidemirror/$1:$SIDEMIRROR_TAG" .
}

# shellcheck disable=SC2086 # the options are words
# in_test_image PART [DOCKER OPTIONS…]: as hardened as the sidecar itself.
in_test_image() {
    part=$1
    # More at a time than there are processors: many tests start programs and wait for them. The integration tests' files each
    # have a database of their own, so it is files that are shared out; the gallery is one file of cases that have nothing to
    # do with each other.
    case $part in
        integration) how='--numprocesses 4 --dist loadfile' ;;
        page) how='--numprocesses 0' ;;
        *) how='--numprocesses 3' ;;
    esac
    shift
    docker run --rm --init --name "$TEST_PROJECT-test" --label "$TEST_PROJECT" --read-only --cap-drop ALL \
        --security-opt no-new-privileges --pids-limit 400 --tmpfs /tmp:exec --tmpfs /small:size=2m,uid=10001 --env HOME=/tmp --env CI="${CI:-}" --env HYPOTHESIS_PROFILE="$HYPOTHESIS_PROFILE" \
        "$@" "sidemirror/${stage:-test}:$SIDEMIRROR_TAG" pytest -p no:cacheprovider $how "tests/$part"
}

unit() { run_step "unit tests, inside the image" in_test_image unit; }

integration() {
    export SIDEMIRROR_VOLUMES="$scratch/integration" STAND_IN_PORT=0 STAND_IN_POOLER_PORT=0
    mkdir -p "$SIDEMIRROR_VOLUMES"
    part integration run_step "start a stand-in for the integration tests" \
        docker compose -p "$TEST_PROJECT" up --build --detach --wait postgres || return
    # Values of 50 MB take most of its 1 GB, and here four sources write to it at the same time.
    docker update --memory 3g --memory-swap 3g "$(docker compose -p "$TEST_PROJECT" ps --quiet postgres)" >/dev/null
    part integration integration_tests
    part page page_in_a_browser
    part benches run_step "a bench, scaled down" one_bench
    if nightly; then
        part galleries run_step "the gallery through a session pooler" gallery 5433
        part galleries run_step "the gallery without a pooler" gallery 5432
        part benches run_step "the benches, scaled down, with their peers" quick_bench
    fi
    docker compose -p "$TEST_PROJECT" down --volumes --remove-orphans --timeout 5 >/dev/null 2>&1
    ! nightly || part galleries postgres_15
    unset SIDEMIRROR_VOLUMES STAND_IN_PORT STAND_IN_POOLER_PORT
}

integration_tests() {
    # shellcheck disable=SC2046 # the options are words
    run_step "integration tests, inside the image" in_test_image integration $(stand_in_options 6543) ||
        last_lines -p "$TEST_PROJECT" logs --tail 60 --no-color
}

# Only to see that it works: no goal counts. One that needs no peers, and so no image of its own.
# shellcheck disable=SC2046 # the options are words
one_bench() {
    docker run --rm --init --name "$TEST_PROJECT-bench" --label "$TEST_PROJECT" --read-only --cap-drop ALL \
        --security-opt no-new-privileges --tmpfs /tmp:exec --env HOME=/tmp $(stand_in_options 6543) \
        "sidemirror/test:$SIDEMIRROR_TAG" python -m bench --quick unchanged
}

# Each of them.
quick_bench() {
    # shellcheck source=script/bench.sh
    . script/bench.sh && bench_image && in_bench_image --quick --output /tmp
}

# The other Postgres that Supabase offers, in the three ways in which it is reached.
postgres_15() {
    export SIDEMIRROR_VOLUMES="$scratch/postgres15"
    mkdir -p "$SIDEMIRROR_VOLUMES"
    run_step "start a stand-in with Postgres 15" start_postgres_15 || return
    for port in 6543 5433 5432; do run_step "Postgres 15: the gallery through port $port" gallery "$port"; done
    docker compose -p "$TEST_PROJECT" down --volumes --remove-orphans --timeout 5 >/dev/null 2>&1
}

start_postgres_15() {
    require_base_image bookworm &&
        docker compose -p "$TEST_PROJECT" -f docker-compose.yml -f tests/postgres15.yml up --build --detach --wait postgres
}

page_in_a_browser() {
    run_step "build the browser image" image browser && run_step "the page, in a real Chromium" page
}

# Chromium wants more processes than the sidecar is given, and shared memory.
# shellcheck disable=SC2046 # the options are words
page() {
    stage=browser
    in_test_image page --pids-limit 1000 --shm-size 256m $(stand_in_options 6543)
    code=$?
    stage=''
    return "$code"
}

# shellcheck disable=SC2046 # the options are words
gallery() { in_test_image integration/test_gallery.py $(stand_in_options "$1"); }

# stand_in_options PORT: how a container of the tests reaches the stand-in, as options of docker run.
stand_in_options() {
    printf '%s ' --network "${TEST_PROJECT}_target" --volume "$SIDEMIRROR_VOLUMES/ca:/ca:ro" \
        --volume "$SIDEMIRROR_VOLUMES/secrets/backup:/run/secrets:ro" --env SUPABASE_DB_HOST=postgres \
        --env "SUPABASE_DB_PORT=$1" --env SUPABASE_DB_SSLMODE=verify-full --env SUPABASE_DB_SSLROOTCERT=/ca/local.crt \
        --env SUPABASE_DB_PASSWORD_FILE=/run/secrets/target_password
}

# --- stack: the running containers -------------------------------------------------------------------------------------

stack_images() {
    run_step "build the images" docker compose --profile '*' build --quiet || finish
}

# Two at a time: each has a stack that runs, and with four of them on two cores the health checks took longer than they may.
stack() { run_step "stack tests" on_containers tests/stack --numprocesses 2 --dist loadfile; }

# on_containers TESTS OPTIONS…
on_containers() {
    env SIDEMIRROR_TEST_PROJECT="$TEST_PROJECT" SIDEMIRROR_TEST_SCRATCH="$scratch" \
        .venv/bin/python -m pytest -p no:cacheprovider "$@"
}

# --- faults: the running containers, broken in every way that we know; soak: for MINUTES, by chance --------------------

# HYPOTHESIS_PROFILE=nightly: all of it at full length.
faults() { run_step "fault suite" on_containers tests/faults --numprocesses 2 --dist worksteal; }

soak() {
    SIDEMIRROR_TEST_PROJECT="$TEST_PROJECT" .venv/bin/python tests/faults/soak.py --minutes "${MINUTES:-30}" ||
        failed="$failed
    soak"
}

# --- leaving nothing behind ------------------------------------------------------------------------------------------

clean_up() {
    trap '' INT TERM
    remove_projects "$TEST_PROJECT"
    empty_scratch "$scratch"
    remove_images "$TEST_PROJECT"
}

# remove_projects PREFIX: the containers and networks of each project whose name begins so.
remove_projects() {
    docker ps --all --quiet --filter "label=$1" | xargs -r docker rm --force >/dev/null 2>&1
    docker ps --all --format '{{.Label "com.docker.compose.project"}}' | grep "^$1" | sort -u | while read -r project; do
        docker compose -p "$project" --profile '*' down --volumes --remove-orphans --timeout 2 >/dev/null 2>&1
    done
    # Compose leaves the networks that the configuration of just now does not use.
    docker network ls --format '{{.Name}}' | grep "^$1" | xargs -r docker network rm >/dev/null 2>&1
}

# remove_images TAG: the layers stay in the build cache.
remove_images() {
    docker images --format '{{.Repository}}:{{.Tag}}' --filter "reference=sidemirror/*:$1*" | xargs -r docker rmi >/dev/null 2>&1
}

# What a run left that was killed before it could clean up.
remove_leftovers() {
    { docker ps --all --format '{{.Label "com.docker.compose.project"}}' && docker network ls --format '{{.Name}}'; } |
        sed -n 's/^sidemirror-test-\([0-9]*\).*/\1/p' | sort -u | while read -r pid; do kill -0 "$pid" 2>/dev/null || { remove_projects "sidemirror-test-$pid" && remove_images "sidemirror-test-$pid"; }; done
}

# The containers' files belong to their users, and a non-root person cannot remove them: root in a container can.
empty_scratch() {
    rm -rf "$1" 2>/dev/null ||
        docker run --rm --network none --volume "$1:/scratch" --entrypoint find "sidemirror/prepare:$SIDEMIRROR_TAG" /scratch -mindepth 1 -delete
    rm -rf "$1"
}
