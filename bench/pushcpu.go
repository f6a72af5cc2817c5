package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// cpuTimes are how long the machine's cores were busy, and how long some processes were, both since some moment.
type cpuTimes struct {
	at        time.Time
	all, ours float64 // in seconds
}

// ticks are what the kernel counts in, in a second: it tells user space so whatever it uses itself.
const ticks = 100

// cpuOf reads them; zeros where that is not told.
func cpuOf(pids ...int) cpuTimes {
	c := cpuTimes{at: time.Now()}
	text, _ := os.ReadFile("/proc/stat")
	var user, nice, system, idle, wait, irq, soft, stolen float64
	_, _ = fmt.Sscanf(string(text), "cpu %f %f %f %f %f %f %f %f", &user, &nice, &system, &idle, &wait, &irq, &soft, &stolen)
	c.all = (user + nice + system + irq + soft + stolen) / ticks
	for _, pid := range pids {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if _, rest, found := strings.Cut(string(text), ") "); found {
			fields := strings.Fields(rest) // the third of proc(5) is the first here
			var user, system float64
			_, _ = fmt.Sscan(fields[11]+" "+fields[12], &user, &system)
			c.ours += (user + system) / ticks
		}
	}
	return c
}

// since is how many cores were busy since an earlier moment: with our processes, and with those of others.
func (c cpuTimes) since(earlier cpuTimes) (ours, others float64) {
	seconds := c.at.Sub(earlier.at).Seconds()
	ours = (c.ours - earlier.ours) / seconds
	return ours, max((c.all-earlier.all)/seconds-ours, 0)
}
