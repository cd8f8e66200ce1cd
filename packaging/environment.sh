# Makes .venv when it is missing or what it is made of changed. Sourced by run and test, which set
# `root` and `extras` (names of optional dependencies, comma-separated, or empty). Says all on stderr.

venv="$root/.venv"
stamp="$venv/made-of"
apt_packages="libportaudio2 libegl1 libgl1 libxkbcommon0 libxkbcommon-x11-0 libfontconfig1 libdbus-1-3 libx11-xcb1 \
libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xkb1 g++"

what_it_is_made_of() { echo "$root"; cat "$root/packaging/constraints.txt" "$root/pyproject.toml"; echo "extras: $extras"; }

python_for_the_venv() {
    for candidate in python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "SoundSearch needs Python 3.11 or newer. Install it, then start again." >&2
    exit 1
}

python_packages() { # what Debian and Ubuntu leave out of their own Python: venv, and headers for hnswlib
    command -v python3 >/dev/null || { echo python3 python3-venv python3-dev; return; }
    own=$(python_for_the_venv 2>/dev/null) || return 0
    case "$(command -v "$own")" in
        /usr/bin/*)
            "$own" -c 'import ensurepip' 2>/dev/null || echo "$own-venv"
            "$own" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' || echo "$own-dev"
            ;;
    esac
}

install_system_libraries() {
    command -v dpkg-query >/dev/null || return 0 # other systems bring these libraries, or README names them
    missing=""
    for package in $(python_packages) $apt_packages ${apt_for_tests:-}; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" = 0 ]; then sudo=""; else sudo="sudo "; fi
    line="${sudo}apt-get install -y$missing"
    echo "System libraries are missing:  $line" >&2
    if [ "$(id -u)" = 0 ] && { [ "$assume_yes" = 1 ] || [ "${CI:-}" = true ]; }; then
        answer=y
    elif [ -t 0 ] && [ -t 2 ]; then
        printf 'Run this now? [y/N] ' >&2
        read -r answer
    else
        answer=n
    fi
    case "$answer" in
        y | Y | yes)
            { ${sudo}apt-get update -qq && DEBIAN_FRONTEND=noninteractive ${sudo}apt-get install -y -qq $missing; } >&2 ||
                echo "They could not be installed; going on. 'doctor' tells what is missing." >&2
            ;;
        *) echo "Going on without; 'doctor' tells what does not work." >&2 ;;
    esac
}

requirements() { # what pyproject.toml declares, less the two packages with a step of their own
    "$venv/bin/python" - "$root/pyproject.toml" "$extras" <<'PYTHON'
import sys, tomllib
project = tomllib.load(open(sys.argv[1], "rb"))["project"]
wanted = list(project["dependencies"])
for extra in filter(None, sys.argv[2].split(",")):
    wanted += project["optional-dependencies"][extra]
print("\n".join(w for w in wanted if not w.startswith(("hear21passt", "hnswlib"))))
PYTHON
}

make_environment() {
    echo "Setting up SoundSearch in .venv (once; this downloads PyTorch and takes some minutes)…" >&2
    install_system_libraries
    if ! "$venv/bin/python" -c '' 2>/dev/null; then
        python=$(python_for_the_venv) || exit 1
        "$python" -m venv --clear "$venv" >&2 || exit 1
    fi
    pip() { "$venv/bin/python" -m pip --disable-pip-version-check install -q -c "$root/packaging/constraints.txt" "$@" >&2; }
    list=$(requirements) || exit 1
    # 1. Everything but hear21passt, with its dependencies.
    printf '%s\n' "$list" > "$venv/requirements.txt"
    pip -r "$venv/requirements.txt" || exit 1
    pip hnswlib || echo "hnswlib could not be built (is there a C++ compiler?): large libraries are searched exactly, which is slower." >&2
    # 2. hear21passt without its dependencies: they pull in builds that break torch's CPU set.
    pip --no-deps hear21passt || exit 1
    # 3. SoundSearch itself.
    pip --no-deps -e "$root" || exit 1
    what_it_is_made_of > "$stamp"
}

[ -f "$stamp" ] && what_it_is_made_of | cmp -s - "$stamp" || make_environment
