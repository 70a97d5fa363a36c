# install.sh POLICY PACKAGE...: installs Debian packages while POLICY keeps their services from starting.
# POLICY is restored however this ends; what a killed run left is put right by the next one.
set -eu
policy=$1
shift
before=$policy.before-xtask
mark='# held back by cargo xtask'

restore() {
    if [ -e "$before" ]; then
        mv -f "$before" "$policy"
    elif [ -e "$policy" ] && grep -qF "$mark" "$policy"; then
        rm -f "$policy"
    fi
}

restore
trap restore EXIT
trap 'exit 130' HUP INT TERM
if [ -e "$policy" ]; then mv "$policy" "$before"; fi
printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends "$@"
