# Sourced by deploy/run: which programs are needed, and how they get onto the machine. Not for use by itself.
# shellcheck shell=bash

: "${here:?the folder of this file}"

policy=/usr/sbin/policy-rc.d
policy_before=/usr/sbin/policy-rc.d.before-herald
policy_sign='# Put here by Herald while it installs packages.'
no_cluster=/etc/postgresql-common/createcluster.d/herald.conf
package_lock=/run/lock/herald-packages

say() { printf '· %s\n' "$*"; }

# what happened, then lines of what to do
give_up() {
    printf '\n! %s\n' "$1" >&2
    shift
    printf '  %s\n' "$@" >&2
    exit 1
}

need_linux() {
    [ "$(uname -s)" = Linux ] || give_up "This needs Linux." \
        "Elsewhere, run it in a virtual machine or container with Debian or Ubuntu."
}

has_postgres() {
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null
}

has_rabbitmq() {
    [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || command -v rabbitmq-server >/dev/null
}

has_aiosmtpd() {
    [ -x /usr/bin/python3 ] && /usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null
}

# Whether the user names a server, in the environment or in .env ($1: the variable).
is_set() {
    [ -n "${!1:-}" ] || grep -qsE "^(export )?$1=." "$here/../.env"
}

# Beyond what Herald itself needs: the browser that tests the recipient's page, letters for it, and Python environments.
missing_test_packages() {
    command -v chromium >/dev/null || echo chromium
    command -v chromedriver >/dev/null || echo chromium-driver
    compgen -G '/usr/share/fonts/truetype/wqy/*' >/dev/null || echo fonts-wqy-microhei
    python3 -c 'import ensurepip, venv' 2>/dev/null || /usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    command -v curl >/dev/null || echo curl
}

# The Debian packages whose programs are missing for the command ($1), one a line.
missing_packages() {
    [ "$1" != packages-test ] || missing_test_packages
    { [ "$1" = run ] && is_set DATABASE_URL; } || has_postgres || echo postgresql
    { [ "$1" = run ] && is_set AMQP_URL; } || has_rabbitmq || echo rabbitmq-server
    [ -x /usr/bin/python3 ] || echo python3
    has_aiosmtpd || echo python3-aiosmtpd
    command -v setpriv >/dev/null || echo util-linux
    # Rust needs a linker; `ring` needs a C compiler.
    command -v cc >/dev/null || printf '%s\n' gcc libc6-dev
}

need_packages() {
    local missing
    mapfile -t missing < <(missing_packages "$1")
    [ ${#missing[@]} -gt 0 ] || return 0
    local command="apt-get install --no-install-recommends ${missing[*]}"
    command -v apt-get >/dev/null || give_up "Programs are missing (Debian's names: ${missing[*]})." \
        "This machine has no apt-get: install them with its own package manager (PostgreSQL 15 or newer," \
        "RabbitMQ 3.10 or newer, aiosmtpd for /usr/bin/python3; for tests Chromium with its driver, python3-venv)." \
        "Then try again."
    [ "$(id -u)" = 0 ] || give_up "Packages are missing: ${missing[*]}." \
        "Let root install them without starting any server:" \
        "  sudo make -C $(cd -- "$here/.." && pwd) $([ "$1" = packages-test ] && echo packages-test || echo packages)" \
        "or install them yourself:" \
        "  sudo $command" \
        "Then try again as $(id -un)."
    install_packages "${missing[@]}"
    mapfile -t missing < <(missing_packages "$1")
    [ ${#missing[@]} -eq 0 ] || give_up "Still missing after the installation: ${missing[*]}." \
        "Look at apt-get's messages above, install them by hand, and try again."
}

# Installs packages in such a way that no server of theirs is started, neither now nor at the next boot.
install_packages() {
    say "installing packages: $*"
    exec 8>"$package_lock"
    flock 8 # another clone may be doing the same
    trap restore_policies EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    put_policies
    if ! apt_install "$@"; then
        say "refreshing the package lists"
        apt-get -o DPkg::Lock::Timeout=300 update 8>&- \
            || give_up "apt-get update failed." "See its messages above; is there a network?"
        apt_install "$@" || give_up "apt-get could not install: $*." "See its messages above, and try again."
    fi
    restore_policies
    trap - EXIT INT TERM
    keep_from_booting "$@"
    exec 8>&-
}

apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
        install --yes --no-install-recommends "$@" </dev/null 8>&-
}

put_policies() {
    restore_policies # of a run that was killed
    if [ -e "$policy" ] || [ -L "$policy" ]; then
        mv "$policy" "$policy_before"
    fi
    printf '#!/bin/sh\n%s\nexit 101\n' "$policy_sign" >"$policy"
    chmod 755 "$policy"
    mkdir -p "${no_cluster%/*}"
    printf '%s\ncreate_main_cluster = false\n' "$policy_sign" >"$no_cluster"
}

restore_policies() {
    rm -f "$no_cluster"
    if [ -f "$policy" ] && grep -qF "$policy_sign" "$policy"; then
        rm -f "$policy"
        if [ -e "$policy_before" ] || [ -L "$policy_before" ]; then
            mv "$policy_before" "$policy"
        fi
    fi
}

# The servers that Herald starts are its own; what the packages would start at boot is of no use to it.
keep_from_booting() {
    command -v systemctl >/dev/null || return 0
    case " $* " in
        *' rabbitmq-server '*)
            systemctl disable --quiet rabbitmq-server.service epmd.service epmd.socket 2>/dev/null || true
            ;;
    esac
}

# $1: the workspace's Cargo.toml, which says how new Rust has to be.
need_rust() {
    if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then
        PATH=$HOME/.cargo/bin:$PATH # a shell opened before Rust was installed
    fi
    local install="curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y"
    install="$install && . \"\$HOME/.cargo/env\""
    command -v cargo >/dev/null || give_up "Rust is missing." "Install it and try again:" "  $install"
    local wanted found
    wanted=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' "$1")
    found=$(cargo --version | sed -n 's/^cargo \([0-9.]*\).*/\1/p')
    if [ "$(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1)" != "$wanted" ]; then
        give_up "Rust $wanted or newer is needed; this is $found." \
            "Update it (\`rustup update\`) or install it:" "  $install"
    fi
}
