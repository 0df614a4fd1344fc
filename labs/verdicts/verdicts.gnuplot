# The margin of every judged row in every run; left of the line, it does not hold.
# gnuplot -e "idle_file='…'; neighbour_file='…'; labels_file='…'; output_file='…'" verdicts.gnuplot
rows = int(system(sprintf("wc -l < '%s'", labels_file)))
set terminal svg size 1000, 90 + 26 * rows font "sans-serif,12" background "white" noenhanced
set output output_file
set title "Margin of each judged row, every run (% of its target)"
set xlabel "margin, %"
set xrange [*:100]
set yrange [rows + 0.5:0.5]
set ytics ()
do for [i = 1:rows] { set ytics add (system(sprintf("sed -n %dp '%s'", i, labels_file)) i) }
set lmargin 62
set grid x lc rgb "#dddddd"
set arrow from 0, 0.5 to 0, rows + 0.5 nohead lc rgb "#b00020" lw 2
set key outside top right horizontal
plot idle_file using 2:($1 - 0.15) with points pt 7 ps 0.5 lc rgb "#1f77b4" title "idle", \
     neighbour_file using 2:($1 + 0.15) with points pt 5 ps 0.5 lc rgb "#d97706" title "beside a busy neighbour"
