# shellcheck shell=sh
# Figures: Sidemirror beside its peers and its limits, in the image that ships plus those peers, against a stand-in of its
# own. The tables go to standard output, everything else to standard error. What was measured is also written into
# docs/performance.md, with pictures; what was not stays as it was measured before. Needs script/test.sh.

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
    run_step "build the image of the benches" bench_image >&2 || exit 1
    run_step "start a stand-in to measure against" docker compose -p "$TEST_PROJECT" up --build --detach --wait postgres >&2 ||
        exit "$EXIT_UP"
    mkdir -p "$scratch/work/out"
    cp docs/figures.json "$scratch/work/out" 2>/dev/null
    case " $* " in
        *" --quick "* | *" --rows"*) in_bench_image "$@" ;;
        *) in_bench_image --output /work/out "$@" ;;
    esac
    code=$?
    [ ! -f "$scratch/work/out/figures.md" ] || write_figures "$scratch/work/out"
    return "$code"
}

bench_image() {
    docker buildx build --quiet --target bench --file backup/Dockerfile \
        --secret "id=ca,src=${SIDEMIRROR_CA_BUNDLE:-/etc/ssl/certs/ca-certificates.crt}" --tag "sidemirror/bench:$SIDEMIRROR_TAG" .
}

# in_bench_image ARGUMENTS…: on a real disk, and where the target's processes can be seen, for their processor time.
in_bench_image() {
    mkdir -p "$scratch/work/out"
    chmod -R a+rwX "$scratch/work"
    # shellcheck disable=SC2046 # the options are words
    docker run --rm --name "$TEST_PROJECT-bench" --hostname bench --label "$TEST_PROJECT" --read-only --cap-drop ALL \
        --security-opt no-new-privileges --pids-limit 400 --pid "container:$TEST_PROJECT-postgres-1" --tmpfs /tmp:exec \
        --env HOME=/tmp --env HOSTNAME=bench --volume "$scratch/work:/work" --env BENCH_DIR=/work \
        $(stand_in_options 6543) "sidemirror/bench:$SIDEMIRROR_TAG" python -m bench "$@"
}

# write_figures FOLDER: what was found, its pictures, and its part of docs/performance.md, between the two marks.
write_figures() {
    cp "$1/figures.json" docs/
    cp "$1"/*.svg docs/images/ 2>/dev/null
    sed -i -e "/^<!-- figures: begin/,/^<!-- figures: end/{ /^<!-- figures: begin/{ p; r $1/figures.md
            }; /^<!-- figures: end/!d }" docs/performance.md
}
