#!/usr/bin/env bash
# Makes a bare machine ready: Python, Java and Maven from the distribution, uv, the virtual environment, Kafka's jars.
# Each step is skipped when its result is already there, so `make` may run this every time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

UV_VERSION=0.13.9
PYTHON_MINIMUM="(3, 11)"
JAVA_MINIMUM=17 # Kafka 4 does not start on less.

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# The first interpreter that is new enough; not every distribution calls it python3.
find_python() {
    local name
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if "$name" -c "import sys; sys.exit(sys.version_info < $PYTHON_MINIMUM)" 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    return 1
}

# `java -version` answers `openjdk version "17.0.15"` on standard error, "1.8.0" for version 8.
java_is_new_enough() {
    [[ $(java -version 2>&1) =~ version\ \"([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge "$JAVA_MINIMUM" ]
}

uv_works() { uv --version >/dev/null 2>&1; }

# Debian's names of what is missing, one a line; a bare list, so that it can be shown or installed.
missing_packages() {
    local python
    if ! python=$(find_python); then
        printf '%s\n' python3 python3-venv
    elif ! uv_works && [ ! -x .uv/bin/uv ] && ! "$python" -c 'import ensurepip' 2>/dev/null; then
        printf '%s\n' python3-venv
    fi
    java_is_new_enough || printf '%s\n' java
    command -v mvn >/dev/null || printf '%s\n' maven
    # Builds stripe-mock, for the tests alone: nobody who cannot be given it here is kept from the demo for lack of it.
    command -v go >/dev/null || ! can_install || printf '%s\n' golang-go
}

can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

# What a Java runtime is called depends on the age of the distribution.
java_package() {
    local name
    for name in openjdk-21-jre-headless openjdk-17-jre-headless openjdk-25-jre-headless; do
        # `apt-cache show` also succeeds for a name that is only mentioned by another package.
        if [[ $(apt-cache policy "$name" 2>/dev/null) =~ Candidate:\ [^\(] ]]; then
            printf '%s\n' "$name"
            return
        fi
    done
    fail "this distribution has no package for Java $JAVA_MINIMUM or newer: install one by hand, then run make setup again"
}

install_packages() {
    local missing=$1 java log
    [ -n "$missing" ] || return 0
    missing=$(tr '\n' ' ' <<<"$missing")
    if ! can_install; then
        fail "please install, then run make setup again: $missing(Python ${PYTHON_MINIMUM/, /.} or newer, Java $JAVA_MINIMUM or newer)"
    fi
    say "installing with apt-get: $missing"
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    apt-get update -qq >"$log" 2>&1 || { cat "$log" >&2; fail "apt-get update failed"; }
    java=$(java_package)
    # shellcheck disable=SC2086 # One word a package is what apt-get wants.
    apt-get install -y -qq --no-install-recommends ca-certificates ${missing/java /$java } >"$log" 2>&1 || {
        cat "$log" >&2
        fail "apt-get install failed"
    }
    rm -f "$log"
    find_python >/dev/null || fail "the distribution's Python is too old: install Python 3.11 or newer"
    java_is_new_enough || fail "the java on PATH is older than $JAVA_MINIMUM: put a newer one first"
}

# Sets UV. Its own small environment, so that nothing is installed into the system's Python.
provide_uv() {
    if uv_works; then
        UV=uv
        return
    fi
    UV=.uv/bin/uv
    if ! "$UV" --version >/dev/null 2>&1; then
        say "installing uv $UV_VERSION into .uv"
        rm -rf .uv
        "$1" -m venv .uv
        printf '*\n' >.uv/.gitignore
        .uv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION"
    fi
}

# Exactly what the lock names, each file checked against its hash.
sync_environment() {
    local python=$1 stamp=.venv/.locked wanted
    wanted="$(sha256sum <requirements.lock) $("$python" --version)"
    if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    provide_uv "$python"
    say "installing requirements.lock into .venv"
    .venv/bin/python -c "import sys; sys.exit(sys.version_info < $PYTHON_MINIMUM)" 2>/dev/null ||
        "$UV" venv --quiet --clear --no-project --python "$python" .venv
    "$UV" pip sync --quiet --require-hashes --python .venv/bin/python requirements.lock
    printf '%s\n' "$wanted" >"$stamp"
}

main() {
    local python jars
    install_packages "$(missing_packages)"
    python=$(find_python)
    # The jars come from elsewhere than the wheels, so both downloads run side by side.
    "$python" -m stream.kafka_jars </dev/null &
    jars=$!
    sync_environment "$python" || { kill "$jars" 2>/dev/null; exit 1; }
    wait "$jars" || fail "Kafka's jars are missing (see above)"
}

main
