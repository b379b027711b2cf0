package load

import (
	"syscall"
	"time"
)

// pause sleeps more exactly than the runtime's timers, which round up to a
// millisecond when nothing else is going on; at a thousand arrivals a second
// that would be most of the latency.
func pause(d time.Duration) {
	const exactEnough = 20 * time.Microsecond
	switch {
	case d < exactEnough:
	case d > 10*time.Millisecond:
		time.Sleep(d)
	default:
		left := syscall.NsecToTimespec(d.Nanoseconds())
		_ = syscall.Nanosleep(&left, nil) // interrupted: the operation is early by less than that
	}
}
