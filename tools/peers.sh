#!/bin/sh
# The servers that `make bench` measures beside TAlk, and the compiler that its load generator needs.
# Debian's packages are installed where that may be done, and are not started; elsewhere it is said which they are.
set -eu

packages=""
need() { # program, Debian package
    PATH="$PATH:/usr/sbin" command -v "$1" >/dev/null 2>&1 || packages="$packages $2"
}
need cc gcc
need openssl openssl
need ngircd ngircd
need inspircd inspircd
need mosquitto mosquitto
[ -e /usr/include/openssl/ssl.h ] || packages="$packages libssl-dev"
[ -z "$packages" ] && exit 0

if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
    exit 0
fi
echo "Not everything that make bench measures is here; what is missing is left out:$packages" >&2
echo "On Debian and Ubuntu: sudo apt-get install$packages" >&2
