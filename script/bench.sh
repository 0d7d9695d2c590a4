# shellcheck shell=sh
# Figures: Sidemirror beside COPY and upserts, in the image that ships, against a stand-in of its own. The table goes
# to standard output, everything else to standard error.

# shellcheck source=script/test.sh
. script/test.sh

bench_command() {
    # A measurement of somebody's own target would fill it: always a stand-in.
    unset COMPOSE_FILE COMPOSE_PROJECT_NAME COMPOSE_PROFILES SUPABASE_DB_HOST SUPABASE_DB_USER SUPABASE_DB_PORT \
        SUPABASE_DB_PASSWORD SOURCE_NAME BOT_IMAGE BOT_UID BOT_GID
    export COMPOSE_ENV_FILES=/dev/null
    scratch=$(mktemp -d)
    chmod 755 "$scratch"
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    export SIDEMIRROR_VOLUMES="$scratch/bench" STAND_IN_PORT=0 STAND_IN_POOLER_PORT=0
    mkdir -p "$SIDEMIRROR_VOLUMES"

    require_docker
    require_base_image
    test_image >&2
    run_step "start a stand-in to measure against" docker compose -p "$TEST_PROJECT" up --build --detach --wait postgres >&2 ||
        exit "$EXIT_UP"
    # shellcheck disable=SC2046 # the options are words
    docker run --rm --init --name "$TEST_PROJECT-bench" --label "$TEST_PROJECT" --read-only --cap-drop ALL \
        --security-opt no-new-privileges --pids-limit 200 --tmpfs /tmp:exec --env HOME=/tmp \
        $(stand_in_options 6543) "sidemirror/test:$SIDEMIRROR_TAG" python -m bench "$@"
}
