#!/bin/sh
# Makes a small tree with a display server, from Debian. Usage: display.sh DIR PACKAGE (needs mmdebstrap and Debian's archive).
set -eu
dir=$1 package=$2
. "${0%/*}/mirror.sh"
mmdebstrap --quiet --mode=root --variant=extract --include="$package,dash" \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  trixie "$dir" "deb $mirror trixie main"
# The drivers of GL are large, and servers without a screen do without.
rm -rf "$dir"/usr/lib/*/libLLVM* "$dir"/usr/lib/*/libgallium* "$dir"/usr/lib/*/dri "$dir"/var/cache "$dir"/var/lib/apt
# What programs call these folders comes with a package that sets up a whole system.
for folder in bin lib lib64; do
  [ -e "$dir/$folder" ] || ln -s "usr/$folder" "$dir/$folder"
done
[ -e "$dir/bin/sh" ] || ln -s dash "$dir/bin/sh"
mkdir -p "$dir/tmp"
