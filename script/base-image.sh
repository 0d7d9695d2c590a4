# shellcheck shell=sh
# The base of every image: pulled where a registry answers, otherwise made of Debian's packages.

# require_base_image [SUITE]
require_base_image() {
    SUITE=${1:-trixie}
    BASE_IMAGE=debian:$SUITE-slim
    docker image inspect "$BASE_IMAGE" >/dev/null 2>&1 && return
    step "Fetching the base image $BASE_IMAGE"
    timeout 300 docker pull --quiet "$BASE_IMAGE" >/dev/null 2>&1 && return
    step "No registry answers: making $BASE_IMAGE from Debian's packages"
    make_base_image
}

make_base_image() {
    command -v mmdebstrap >/dev/null 2>&1 || install_mmdebstrap
    work=$(mktemp -d)
    if ! base_sources | bootstrap "$work/base.tar" 2>"$work/log"; then
        tail -n 20 "$work/log" >&2
        rm -rf "$work"
        fail "$EXIT_BASE" "The base image could not be made." "docker pull $BASE_IMAGE on a machine with a registry, then docker save and docker load it here"
    fi
    docker import --change 'CMD ["bash"]' --message "made by mmdebstrap for Sidemirror" "$work/base.tar" "$BASE_IMAGE" >/dev/null ||
        { rm -rf "$work" && fail "$EXIT_BASE" "Docker could not import the base image."; }
    rm -rf "$work"
}

# What debian:*-slim leaves out is left out here as well; its apt keeps no packages either.
bootstrap() {
    set -- --variant=minbase --components=main \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --aptopt='Dir::Cache::pkgcache ""' --aptopt='Dir::Cache::srcpkgcache ""' \
        "$SUITE" "$1"
    sources=$(cat)
    if [ -n "$sources" ]; then printf '%s\n' "$sources" | mmdebstrap "$@" -; else mmdebstrap "$@"; fi
}

# base_sources: this machine's own Debian mirrors with the suite changed. Nothing on other systems:
# there mmdebstrap knows where Debian is.
base_sources() {
    for suite in '' -updates -security; do
        # The format is apt's own.
        # shellcheck disable=SC2016
        site=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' \
            "Codename: $(host_codename)$suite" 2>/dev/null | head -n 1)
        [ -z "$site" ] || echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $SUITE$suite main"
    done
}

# shellcheck source=/dev/null
host_codename() { (. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}"); }

install_mmdebstrap() {
    plan='apt-get update
apt-get install -y --no-install-recommends mmdebstrap debian-archive-keyring'
    if ! is_root || [ -n "${SIDEMIRROR_NO_INSTALL:-}" ]; then
        say "As root, these commands install what makes the base image:"
        printf '%s\n' "$plan" | sed 's/^/    /' >&2
        fail "$EXIT_MISSING" "$BASE_IMAGE cannot be pulled, and mmdebstrap, which can make it, is not installed."
    fi
    command -v apt-get >/dev/null 2>&1 ||
        fail "$EXIT_BASE" "$BASE_IMAGE cannot be pulled here, and this system has no Debian packages to make it of."
    say "This will install, from this machine's own package sources: mmdebstrap"
    confirm "Install now?" || fail "$EXIT_MISSING" "Nothing was installed."
    run_plan "$plan"
}
