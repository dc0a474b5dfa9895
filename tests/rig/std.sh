#!/bin/sh
# Fetches the sources of the standard library of Rust 1.95.0 from Debian. Usage: std.sh DIR (needs mmdebstrap and Debian's archive).
set -eu
dir=$1
# The machine's own mirror, wherever that is.
mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
[ -n "$mirror" ] || mirror=$(sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) .*/\2/p' /etc/apt/sources.list | head -n 1)
[ -n "$mirror" ] || { echo "no Debian mirror in /etc/apt: the sources come from there" >&2; exit 1; }
mmdebstrap --quiet --mode=root --variant=extract --include=rust-src=1.95.0+dfsg1-2~bpo13+1 \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
  trixie "$dir.tree" "deb $mirror trixie main" "deb $mirror trixie-backports main"
mv "$dir.tree/usr/src/rustc-1.95.0/library" "$dir"
rm -rf "$dir.tree"
