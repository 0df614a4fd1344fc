# RSS of both arms over simulated time, from the JSON of `order_service --json`. Run by `make picture`.
set terminal svg size 900,420 font "sans-serif,13" background "#ffffff"
set output output_file
set title "Order service: RSS before and after the fixes (measured)"
set xlabel "simulated hours"
set ylabel "MB"
set xrange [0:*]
set yrange [0:limit_mb * 1.12]
set xtics 2
set grid ytics lc rgb "#dddddd"
set border 3
set tics nomirror
set key at graph 0.98,0.62 right
set label 1 at first killed_hour + 0.3, first limit_mb * 0.9 "✖ killed by the kernel" tc rgb "#c0392b"
plot limit_mb with lines dt 2 lc rgb "#888888" title sprintf("memory limit, %.0f MB", limit_mb), \
     before_file using 1:2 with lines lw 3 lc rgb "#c0392b" title "before", \
     after_file using 1:2 with lines lw 3 lc rgb "#1e8449" title "after (all fixes)"
