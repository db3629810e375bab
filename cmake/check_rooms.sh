#!/usr/bin/env bash
# check_rooms.sh LIBRARY: a room (folder) of the library includes only itself and the rooms above it.
set -euo pipefail
cd -P "${1:?usage: check_rooms.sh LIBRARY_FOLDER}"

find . -type f \( -name '*.h' -o -name '*.cc' \) -print0 | sort -z | xargs -0 awk '
  BEGIN {
    split("core engine nn io datasets molecules targets bases transforms stochastic flows sampling " \
          "objectives training metrics exploration report runs", names, " ")
    for (i in names) level[names[i]] = i + 0
  }
  function complain(what) { print FILENAME ":" FNR ": " what; bad = 1 }
  FNR == 1 {
    split(FILENAME, path, "/")  # ./room/file
    room = path[2]
    in_room = FILENAME ~ /^\.\/[^\/]+\//
    if (in_room && !(room in level)) complain("no such room in the design: " room)
  }
  in_room && /^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, quoted, "\"")
    if (split(quoted[2], part, "/") < 3 || part[1] != "thalweg") {
      complain("write the path from the include folder: \"thalweg/ROOM/FILE.h\"")
    } else if (!(part[2] in level)) {
      complain("no such room in the design: " part[2])
    } else if (level[part[2]] > level[room]) {
      complain(room " must not include " part[2] ", which is below it")
    }
  }
  END { exit bad }' >&2
