# For recipes to source, beside which it lies: $mirror is this machine's own Debian mirror, wherever that is.
mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
[ -n "$mirror" ] || mirror=$(sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) .*/\2/p' /etc/apt/sources.list | head -n 1)
[ -n "$mirror" ] || { echo "no Debian mirror in /etc/apt: the rig's packages come from there" >&2; exit 1; }
