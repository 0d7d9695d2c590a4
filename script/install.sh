# shellcheck shell=sh
# Installs what is missing of Docker from the distribution's own packages, or prints how.

# install_parts "engine compose buildx": any of the three. Returns once they are installed.
install_parts() {
    plan=$(install_plan "$1") || fail "$EXIT_MISSING" "No way is known here to install Docker on this system ($(system_name))." \
        "install Docker Engine, Compose v2 and buildx by hand, then run this again"
    if ! is_root || [ -n "${SIDEMIRROR_NO_INSTALL:-}" ]; then
        say
        say "Missing: $1"
        say "As root, these commands install it from this machine's own package sources:"
        say
        printf '%s\n' "$plan" | sed 's/^/    /' >&2
        say
        fail "$EXIT_MISSING" "Docker is not complete, and nothing was installed." "run the commands above as root, or ./sidemirror up as root"
    fi
    say
    say "This will install, from this machine's own package sources: $(plan_packages "$1")"
    confirm "Install now?" || fail "$EXIT_MISSING" "Nothing was installed." "SIDEMIRROR_NO_INSTALL=1 ./sidemirror up prints the commands"
    step "Installing"
    run_plan "$plan"
    hash -r
}

# run_plan PLAN: quiet while it goes well, all of it when it does not.
run_plan() {
    log=$(mktemp)
    if ! printf '%s\n' "$1" | DEBIAN_FRONTEND=noninteractive sh -e >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        rm -f "$log"
        fail "$EXIT_MISSING" "The installation failed; the package manager's words are above."
    fi
    rm -f "$log"
}

# shellcheck source=/dev/null
system_id() { (. /etc/os-release 2>/dev/null && printf '%s-%s' "${ID:-unknown}" "${VERSION_ID:-}"); }
# shellcheck source=/dev/null
system_name() { (. /etc/os-release 2>/dev/null && printf '%s' "${PRETTY_NAME:-unknown}"); }

# package_of PART: its name on this system.
package_of() {
    if dpkg -s docker-ce >/dev/null 2>&1; then # Docker's own packages conflict with the distribution's
        case $1 in compose) echo docker-compose-plugin ;; buildx) echo docker-buildx-plugin ;; client) echo docker-ce-cli ;; esac
        return
    fi
    case $1:$(system_id) in
        engine:debian-12 | client:debian-12) echo docker.io iptables ;;
        engine:debian-*) echo docker.io docker-cli iptables ;;
        client:debian-*) echo docker-cli ;;
        engine:ubuntu-* | client:ubuntu-*) echo docker.io iptables ;;
        compose:ubuntu-*) echo docker-compose-v2 ;;
        compose:debian-*) echo docker-compose ;;
        buildx:*) echo docker-buildx ;;
    esac
}

# Debian 12 has no Compose v2 and no buildx; those of Debian 13 run there (they need only its libc6).
from_trixie() { [ "$(system_id)" = debian-12 ] && ! dpkg -s docker-ce >/dev/null 2>&1; }

plan_packages() {
    for part in $1; do
        case $part in
            compose | buildx) from_trixie && printf '%s (of Debian 13) ' "$(package_of "$part")" && continue ;;
        esac
        printf '%s ' "$(package_of "$part")"
    done
}

# install_plan PARTS: shell commands, one text for both the printing and the running of it.
install_plan() {
    case $(system_id) in debian-12 | debian-13 | ubuntu-*) ;; *) return 1 ;; esac
    here='' later=''
    for part in $1; do
        case $part in
            compose | buildx) if from_trixie; then later="$later $(package_of "$part")"; else here="$here $(package_of "$part")"; fi ;;
            *) here="$here $(package_of "$part")" ;;
        esac
    done
    echo 'apt-get update'
    [ -z "$here" ] || echo "apt-get install -y --no-install-recommends$here"
    [ -z "$later" ] || trixie_plan "$later"
}

# The source of trixie is this machine's own with the suite changed, in a folder of its own: the
# machine's package configuration stays as it is, and no later upgrade can pull more of trixie in.
trixie_plan() {
    cat <<PLAN
site=\$(apt-get indextargets --format '\$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Codename: bookworm' | head -n 1)
test -n "\$site"
work=\$(mktemp -d); chmod 755 "\$work"; mkdir -p "\$work/lists/partial"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] \$site trixie main" > "\$work/trixie.list"
trixie="-o Dir::Etc::SourceList=\$work/trixie.list -o Dir::Etc::SourceParts=- -o Dir::State::Lists=\$work/lists"
apt-get \$trixie update
( cd "\$work" && apt-get \$trixie -o APT::Sandbox::User=root download$1 )
apt-get install -y --no-install-recommends "\$work"/*.deb
rm -rf "\$work"
PLAN
}
