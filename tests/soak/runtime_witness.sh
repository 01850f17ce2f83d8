#!/bin/sh
# Stands in the place of crun on a node of the lab: writes down what is asked of it, keeps what containers write,
# and makes starts slow while there is a file "slow" (with a number of tenths of a second). Then it is crun.
#
#   HERE/orders    "<seconds since boot> <verb> <name>", a line each
#   KEEP/          a second link to the log of every attempt that was started
here='@HERE@' keep='@KEEP@' containers='@CONTAINERS@' crun='@CRUN@'
verb=''
for name in "$@"; do
  case $name in create | start | state | delete | kill | exec) verb=${verb:-$name} ;; esac
done
read -r now _ </proc/uptime
[ -z "$verb" ] || { echo "$now $verb $name" >>"$here/orders"; } 2>/dev/null
if [ "$verb" = start ]; then
  id=${name%%-*} rest=${name#*-}
  ln "$containers/$id/${rest%-*}/logs/${rest#*-}.0.log" "$keep/$name" 2>/dev/null
  if read -r left 2>/dev/null <"$here/slow"; then
    while [ "$left" -gt 0 ] && [ -e "$here/slow" ] && [ ! -e "$here/seen-$name" ]; do
      sleep 0.1
      left=$((left - 1))
    done
  fi
elif [ "$verb" = state ] && [ -e "$here/slow" ]; then
  # Whoever asks now is told how it was a moment ago, as on a host that is slow.
  "$crun" "$@"
  code=$?
  : >"$here/seen-$name"
  sleep 1
  exit $code
fi
exec "$crun" "$@"
