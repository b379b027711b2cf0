package load

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// processes are those of the server.
type processes []int

// unavailable says why processes cannot be watched, or "".
func (p processes) unavailable() string {
	for _, id := range p {
		if _, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id)); err != nil {
			return fmt.Sprintf("process %d cannot be watched: %v", id, err)
		}
	}
	return ""
}

// cpu is their user and system time until now.
func (p processes) cpu() time.Duration {
	const tick = time.Second / 100 // what /proc counts in, on every architecture that Go has
	var all time.Duration
	for _, id := range p {
		// A process that has ended used no more.
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id))
		// The second field is the program's name, in parentheses, and may hold anything.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if err != nil || len(fields) < 13 {
			continue
		}
		for _, field := range fields[11:13] {
			ticks, _ := strconv.ParseInt(string(field), 10, 64) // the kernel writes numbers
			all += time.Duration(ticks) * tick
		}
	}
	return all
}

// resident is their memory that is not swapped out, in bytes.
func (p processes) resident() int64 {
	var all int64
	for _, id := range p {
		statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", id))
		fields := bytes.Fields(statm)
		if err != nil || len(fields) < 2 {
			continue
		}
		pages, _ := strconv.ParseInt(string(fields[1]), 10, 64) // the kernel writes numbers
		all += pages * int64(os.Getpagesize())
	}
	return all
}
