# shellcheck shell=sh
# Figures: Sidemirror beside its peers and its limits, in the image that ships plus those peers, against a stand-in of its
# own. The table goes to standard output, everything else to standard error. When everything was measured, it is also
# written into docs/performance.md, with its pictures. Needs script/test.sh.

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
    in_bench_image "$@"
    code=$?
    [ ! -f "$scratch/work/out/figures.md" ] || [ -n "$(names_of "$@")" ] || write_figures "$scratch/work/out"
    return "$code"
}

bench_image() {
    docker buildx build --quiet --target bench --file backup/Dockerfile \
        --secret "id=ca,src=${SIDEMIRROR_CA_BUNDLE:-/etc/ssl/certs/ca-certificates.crt}" --tag "sidemirror/bench:$SIDEMIRROR_TAG" .
}

# in_bench_image ARGUMENTS…: on a real disk, and where the target's processes can be seen, for their processor time.
in_bench_image() {
    mkdir -p "$scratch/work/out"
    chmod 777 "$scratch/work" "$scratch/work/out"
    # shellcheck disable=SC2046 # the options are words
    docker run --rm --name "$TEST_PROJECT-bench" --hostname bench --label "$TEST_PROJECT" --read-only --cap-drop ALL \
        --security-opt no-new-privileges --pids-limit 400 --pid "container:$TEST_PROJECT-postgres-1" --tmpfs /tmp:exec \
        --env HOME=/tmp --env HOSTNAME=bench --volume "$scratch/work:/work" --env BENCH_DIR=/work \
        $(stand_in_options 6543) "sidemirror/bench:$SIDEMIRROR_TAG" python -m bench --output /work/out "$@"
}

# names_of ARGUMENTS…: something when only some benches, or less of them, were asked for.
names_of() {
    while [ $# -gt 0 ]; do
        case $1 in
            --rounds) shift ;;
            --rounds=*) ;;
            *) printf '%s' "$1" ;;
        esac
        shift
    done
}

# write_figures FOLDER: between the two marks of docs/performance.md, and the pictures.
write_figures() {
    cp "$1"/*.svg docs/images/
    sed -i -e "/^<!-- figures: begin/,/^<!-- figures: end/{ /^<!-- figures: begin/{ p; r $1/figures.md
            }; /^<!-- figures: end/!d }" docs/performance.md
}
