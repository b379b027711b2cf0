package main

import "runtime"

// Go collects garbage whenever the heap has doubled. A replica's heap is small,
// so small that it would double many times a second, while the container has
// hundreds of megabytes. This array, of which no byte is ever touched and which
// therefore takes no memory, only an address, counts as heap: it lets that much
// more garbage gather. Where the heap is large it makes no difference, and how
// large all may become is up to GOMEMLIMIT.
const uncollected = 16 << 20

// gatherGarbage is in force until the answer is called.
func gatherGarbage() (stop func()) {
	untouched := make([]byte, uncollected)
	return func() { runtime.KeepAlive(untouched) }
}
