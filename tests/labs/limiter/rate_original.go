// golang.org/x/time/rate itself, told what to do on standard input, a line an operation; answers a line each.
// Times and durations are nanoseconds, numbers of type double their bits in hexadecimal.
package main

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"time"

	"golang.org/x/time/rate"
)

func main() {
	in := bufio.NewScanner(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	at := func(ns int64) time.Time { return time.Unix(0, ns) }
	limit := func(bits uint64) rate.Limit { return rate.Limit(math.Float64frombits(bits)) }
	lim := new(rate.Limiter)
	var reservations []*rate.Reservation
	for in.Scan() {
		var name string
		var ns, n int64
		var bits uint64
		if _, err := fmt.Sscanf(in.Text(), "%s %d %d %x", &name, &ns, &n, &bits); err != nil {
			fmt.Fprintln(os.Stderr, in.Text(), err)
			os.Exit(1)
		}
		switch name {
		case "zero":
			lim = new(rate.Limiter)
			reservations = nil
			fmt.Fprintln(out, 0)
		case "new":
			lim = rate.NewLimiter(limit(bits), int(n))
			reservations = nil
			fmt.Fprintln(out, 0)
		case "allow":
			fmt.Fprintln(out, lim.AllowN(at(ns), int(n)))
		case "reserve":
			r := lim.ReserveN(at(ns), int(n))
			reservations = append(reservations, r)
			fmt.Fprintln(out, r.OK(), int64(r.DelayFrom(at(ns))))
		case "delay":
			fmt.Fprintln(out, int64(reservations[n].DelayFrom(at(ns))))
		case "cancel":
			reservations[n].CancelAt(at(ns))
			fmt.Fprintln(out, 0)
		case "limit":
			lim.SetLimitAt(at(ns), limit(bits))
			fmt.Fprintln(out, 0)
		case "burst":
			lim.SetBurstAt(at(ns), int(n))
			fmt.Fprintln(out, 0)
		case "tokens":
			fmt.Fprintf(out, "%x\n", math.Float64bits(lim.TokensAt(at(ns))))
		default:
			os.Exit(1)
		}
	}
}
