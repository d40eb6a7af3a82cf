#!/bin/sh
# What the tests of the window need from the system: a virtual screen, a window manager, and hands.
# Debian's packages are installed where that may be done; elsewhere it is said which they are.
set -eu

packages=""
need() { # program, Debian package
    command -v "$1" >/dev/null 2>&1 || packages="$packages $2"
}
need Xvfb xvfb
need openbox openbox
need xdotool xdotool
need import imagemagick
need xclip xclip
need dunst dunst
need dbus-daemon dbus
need dbus-monitor dbus-bin
need tmux tmux
need strace strace
# The power cuts of talk prove need a library for file systems; without its device they are not run.
if [ -e /dev/fuse ] && command -v ldconfig >/dev/null && ! ldconfig -p | grep -q 'libfuse\.so\.2'; then
    packages="$packages libfuse2"
fi
[ -z "$packages" ] && exit 0

if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
    exit 0
fi
echo "The tests of the window need these programs of your system:$packages" >&2
echo "On Debian and Ubuntu: sudo apt-get install$packages" >&2
exit 1
