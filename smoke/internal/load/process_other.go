//go:build !linux

package load

import (
	"runtime"
	"time"
)

// processes are those of the server.
type processes []int

func (p processes) unavailable() string {
	return "a process's CPU time and memory are not read on " + runtime.GOOS
}

func (p processes) cpu() time.Duration { return 0 }
func (p processes) resident() int64    { return 0 }
