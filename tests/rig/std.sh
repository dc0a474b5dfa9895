#!/bin/sh
# Fetches the sources of the standard library of Rust 1.95.0 from Debian. Usage: std.sh DIR (needs mmdebstrap and Debian's archive).
set -eu
dir=$1
. "${0%/*}/mirror.sh"
mmdebstrap --quiet --mode=root --variant=extract --include=rust-src=1.95.0+dfsg1-2~bpo13+1 \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
  trixie "$dir.tree" "deb $mirror trixie main" "deb $mirror trixie-backports main"
mv "$dir.tree/usr/src/rustc-1.95.0/library" "$dir"
rm -rf "$dir.tree"
