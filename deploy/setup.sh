#!/usr/bin/env bash
# Prepares a bare machine: Python, Java, Maven and Redis from the distribution, uv, the virtual environment, Kafka's jars.
# With the argument `tests` also what only tests need: Go, which builds stripe-mock, Chromium, in which the owner's page is
# tested, and Prometheus.
# A step is skipped when its result exists, so `make` may run this every time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

UV_VERSION=0.13.9
PYTHON_MINIMUM="(3, 11)"
PURPOSE=${1:-}
JAVA_MINIMUM=17 # The minimum of Kafka 4.

log() { printf 'setup: %s\n' "$*" >&2; }
fail() { log "$*"; exit 1; }

# The first interpreter that is new enough; some distributions do not name it python3.
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

# `java -version` prints `openjdk version "17.0.15"` on standard error; version 8 prints "1.8.0".
java_is_new_enough() {
    [[ $(java -version 2>&1) =~ version\ \"([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge "$JAVA_MINIMUM" ]
}

# As distributions and Google name it (tests/browser.py).
find_browser() {
    command -v chromium-headless-shell || command -v chromium || command -v chromium-browser || command -v google-chrome
}

# Debian's Chromium without windows needs half the processor time: it is installed also where there is another browser.
has_best_browser() {
    command -v chromium-headless-shell || { find_browser && ! has_package chromium-headless-shell; }
}

uv_works() { uv --version >/dev/null 2>&1; }

# The Debian names of missing packages, one a line, to show or install.
missing_packages() {
    local python
    if ! python=$(find_python); then
        printf '%s\n' python3 python3-venv
    elif ! uv_works && [ ! -x .uv/bin/uv ] && ! "$python" -c 'import ensurepip' 2>/dev/null; then
        printf '%s\n' python3-venv
    fi
    java_is_new_enough || printf '%s\n' java
    command -v mvn >/dev/null || printf '%s\n' maven
    command -v redis-server >/dev/null || printf '%s\n' redis-server
    # Without Go the tests that need it are skipped, so it counts as missing only where this script can install it.
    [ "$PURPOSE" != tests ] || command -v go >/dev/null || ! can_install || printf '%s\n' golang-go
    [ "$PURPOSE" != tests ] || ! can_install || has_best_browser >/dev/null || printf '%s\n' chromium-headless-shell
}

can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

# `apt-cache show` also succeeds for a name that only another package mentions.
has_package() { [[ $(apt-cache policy "$1" 2>/dev/null) =~ Candidate:\ [^\(] ]]; }

# The name of the Java runtime depends on the age of the distribution.
java_package() {
    local name
    for name in openjdk-21-jre-headless openjdk-17-jre-headless openjdk-25-jre-headless; do
        if has_package "$name"; then
            printf '%s\n' "$name"
            return
        fi
    done
    fail "this distribution has no package for Java $JAVA_MINIMUM or newer: install one by hand, then run make setup again"
}

# An installed redis-server starts at once and at every boot; the project starts its own, on ports of their own.
disable_installed_redis() {
    [[ $1 == *redis-server* ]] && [ -d /run/systemd/system ] || return 0
    systemctl disable --quiet --now redis-server >/dev/null 2>&1 || log "redis-server was installed and may be running as a service"
}

install_packages() {
    local missing=$1 java output
    [ -n "$missing" ] || return 0
    missing=$(tr '\n' ' ' <<<"$missing")
    if ! can_install; then
        fail "please install, then run make setup again: $missing(Python ${PYTHON_MINIMUM/, /.} or newer, Java $JAVA_MINIMUM or newer)"
    fi
    log "installing with apt-get: $missing"
    export DEBIAN_FRONTEND=noninteractive
    output=$(mktemp)
    apt-get update -qq >"$output" 2>&1 || { cat "$output" >&2; fail "apt-get update failed"; }
    java=$(java_package)
    # An old Debian has the whole browser alone, and Ubuntu neither: its browser is a snap.
    has_package chromium-headless-shell ||
        missing=${missing/chromium-headless-shell/$(! has_package chromium || echo chromium)}
    # shellcheck disable=SC2086 # apt-get needs one word per package.
    apt-get install -y -qq --no-install-recommends ca-certificates ${missing/java /$java } >"$output" 2>&1 || {
        cat "$output" >&2
        fail "apt-get install failed"
    }
    rm -f "$output"
    disable_installed_redis "$missing"
    find_python >/dev/null || fail "the distribution's Python is too old: install Python 3.11 or newer"
    java_is_new_enough || fail "the java on PATH is older than $JAVA_MINIMUM: put a newer one first"
}

# Sets UV. uv gets its own environment, so that nothing is installed into the system's Python.
provide_uv() {
    if uv_works; then
        UV=uv
        return
    fi
    UV=.uv/bin/uv
    if ! "$UV" --version >/dev/null 2>&1; then
        log "installing uv $UV_VERSION into .uv"
        rm -rf .uv
        "$1" -m venv .uv
        printf '*\n' >.uv/.gitignore
        .uv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION"
    fi
}

# Installs exactly the locked packages, verified by hash, and this project itself, for its command `tollgate`.
sync_environment() {
    local python=$1 stamp=.venv/.locked wanted
    wanted="$(cat requirements.lock pyproject.toml | sha256sum) $("$python" --version)"
    if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    provide_uv "$python"
    log "installing requirements.lock into .venv"
    .venv/bin/python -c "import sys; sys.exit(sys.version_info < $PYTHON_MINIMUM)" 2>/dev/null ||
        "$UV" venv --quiet --clear --no-project --python "$python" .venv
    "$UV" pip sync --quiet --require-hashes --python .venv/bin/python requirements.lock
    "$UV" pip install --quiet --no-deps --no-build-isolation --python .venv/bin/python --editable .
    printf '%s\n' "$wanted" >"$stamp"
}

check_browser() {
    find_browser >/dev/null ||
        log "no chromium here: the tests of the owner's page are skipped; they run with a program of that name on PATH"
}

# Unpacks Debian's package without installing it: an installed one would start a server, now and at every boot.
provide_prometheus() {
    local output
    if { command -v prometheus && command -v promtool; } >/dev/null || [ -x .prometheus/usr/bin/prometheus ]; then
        return
    fi
    log "unpacking the distribution's prometheus into .prometheus"
    mkdir -p .prometheus
    printf '*\n' >.prometheus/.gitignore
    output=$(mktemp)
    if ! can_install || apt-get update -qq >"$output" 2>&1; then
        (cd .prometheus && apt-get download -qq prometheus && dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb) \
            >>"$output" 2>&1 && rm -f "$output" && return
    fi
    cat "$output" >&2
    rm -f "$output"
    log "no prometheus here: the tests that need it are skipped"
}

main() {
    local python jars
    case $PURPOSE in '' | tests) ;; *) fail "the only argument is: tests" ;; esac
    install_packages "$(missing_packages)"
    python=$(find_python)
    # Jars and wheels come from different servers, so both downloads run concurrently.
    "$python" -m devkit.kafka_jars </dev/null &
    jars=$!
    sync_environment "$python" || { kill "$jars" 2>/dev/null; exit 1; }
    wait "$jars" || fail "Kafka's jars are missing (see above)"
    [ "$PURPOSE" != tests ] || { provide_prometheus; check_browser; }
}

main
